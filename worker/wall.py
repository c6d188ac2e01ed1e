"""The wall between the broker and a worker: what is not exactly a message of ours does not come through.

Whoever can write to the broker can put anything there: another task, a pickle, an archive that unpacks to gigabytes,
a body of the wrong shape that would end Celery's consumer. Each message is held against what `worker.broker` sends,
before Celery looks at it, and is otherwise dropped with a line in the log that quotes nothing of it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any

from celery.worker.consumer import Consumer as CeleryConsumer
from kombu import compression

from worker.celery_app import TASK
from worker.tasks import PageMessage

log = logging.getLogger(__name__)

_MOST_BYTES = 16 * 1024
"""Of a body; the longest of ours has less than one."""

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_REFUSED = "refused a message: it is not one of ours"


class Consumer(CeleryConsumer):  # type: ignore[misc, unused-ignore]
    """Celery's consumer behind the wall; ``worker_consumer`` in `worker.celery_app` names it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.loop: Callable[..., Any] = _surviving(self.loop)

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], None]:
        """Return what is called with each message."""
        handle: Callable[[Any], None] = super().create_task_handler(*args, **kwargs)

        def checked(message: Any) -> None:
            if is_ours(message):
                handle(message)
            else:
                log.warning(_REFUSED)
                message.reject_log_error(log, self.connection_errors)

        return checked


def is_ours(message: Any) -> bool:
    """Tell whether a message is one that `worker.broker.Broker.send` makes.

    Args:
        message: A `kombu.Message`, its body not decoded yet.
    """
    headers = message.headers
    if not isinstance(headers, dict) or headers.get("task") != TASK or message.content_type != "application/json":
        return False
    ids = [headers.get(name) for name in ("id", "root_id", "parent_id") if headers.get(name) is not None]
    unused = ("eta", "expires", "shadow", "group", "chord", "stamped_headers", "argsrepr", "kwargsrepr", "compression")
    if (
        not headers.get("id")
        or not all(isinstance(number, str) and _ID.fullmatch(number) for number in ids)
        or any(headers.get(name) for name in unused)
        or any(headers.get("timelimit") or ())
        or message.errors
        or len(message.body) > _MOST_BYTES
    ):
        return False
    try:
        arguments, options, rest = message.decode()
        PageMessage.model_validate(options)
        return arguments == [] and not any(rest.values())
    except Exception:  # kombu has errors of its own for what it cannot or may not decode
        return False


def _surviving(loop: Callable[..., Any]) -> Callable[..., Any]:
    """Have the consumer start anew where an entry of the queue that is no message at all would end the worker."""

    def run(*args: Any) -> Any:
        try:
            return loop(*args)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            log.error("%s (%s)", _REFUSED, type(error).__name__)
            raise OSError("the connection is made anew") from None

    return run


def _refuse(_body: bytes) -> bytes:
    raise ValueError("compressed messages are not ours")


for _type in compression.encoders():
    compression.register(compression.get_encoder(_type)[0], _refuse, _type)


class _Silent(logging.Filter):
    """Keeps what forged control commands say out of the log."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = "refused a control command", ()
        record.exc_info = record.exc_text = None
        return True


for _name in ("celery.worker.pidbox", "kombu.pidbox"):
    logging.getLogger(_name).addFilter(_Silent())
