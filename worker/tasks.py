"""The one task: a few lines around `worker.pages`, and a wall in front of it.

Whoever can write to the broker can send anything. What is not a job id with page numbers is refused and logged
without its content; what is goes to the ledger, which knows which pages exist.
"""

from __future__ import annotations

import logging
import mmap
import os
import time
from typing import Annotated, Any

from celery import signals
from celery.exceptions import Reject
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from extractor.errors import UnavailableError
from worker.batches import MAX_PAGES
from worker.celery_app import TASK, app
from worker.ledger import Ledger
from worker.memory import limit_data
from worker.pages import PageProcessor
from worker.settings import load_settings

log = logging.getLogger(__name__)

_LEDGER_WAITS = (1, 2, 3, *[5] * 24)
"""Seconds between attempts while the ledger is out of reach, two minutes in all."""

_stopping = mmap.mmap(-1, 1)
"""Not zero once the worker was told to stop. Its processes are forked from it and share this byte of memory."""


class PageMessage(BaseModel):
    """All that a message may say."""

    model_config = ConfigDict(extra="forbid", strict=True)

    job: Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]
    pages: Annotated[list[Annotated[int, Field(ge=1, lt=2**63)]], Field(min_length=1, max_length=MAX_PAGES)]


class _RefusedMessages(logging.Filter):
    """Keeps the content of messages that Celery itself refuses out of the log."""

    def filter(self, record: logging.LogRecord) -> bool:
        if "message" in str(record.msg) or "unregistered task" in str(record.msg):
            record.msg, record.args = "refused a message: it is not one of ours", ()
            record.exc_info = record.exc_text = None
        return True


logging.getLogger("celery.worker.consumer.consumer").addFilter(_RefusedMessages())

_processors: dict[int, PageProcessor] = {}


@app.task(name=TASK)  # type: ignore[untyped-decorator, unused-ignore]
def read_pages(*args: Any, **kwargs: Any) -> None:
    """Read the pages that a message names.

    Raises:
        Reject: The worker stops before the last page, or the ledger stayed out of reach; the message goes back to the
            queue.
    """
    try:
        message = PageMessage.model_validate(kwargs if not args else None)
    except ValidationError:
        log.warning("refused a message: it is not one of ours")
        return
    for seconds in _LEDGER_WAITS:
        try:
            tally = _processor().process(message.job, message.pages)
        except UnavailableError as error:
            log.warning("%s; trying again in %d s", error, seconds)
            if _is_stopping():
                break
            time.sleep(seconds)
        except MemoryError:
            # A process that is short of memory is not worth keeping, and Celery would never acknowledge the message.
            log.error("out of memory: this process is replaced")
            os._exit(1)
        else:
            if tally.given_back:
                raise Reject("the worker stops", requeue=True)
            return
    raise Reject("the ledger is out of reach", requeue=True)


def _processor() -> PageProcessor:
    """Return this process's own; the network is loaded with the first page, since a start may take only seconds."""
    pid = os.getpid()
    if pid not in _processors:
        settings = load_settings()
        limit_data(settings)
        ledger = Ledger(settings.ledger_url, settings.connect_timeout)
        _processors[pid] = PageProcessor(ledger, settings, settings.data_roots, _is_stopping)
    return _processors[pid]


def _is_stopping() -> bool:
    return _stopping[0] != 0


@signals.worker_shutting_down.connect  # type: ignore[untyped-decorator, unused-ignore]
def _tell_processes(**_arguments: Any) -> None:
    """Have the processes give back what they have not begun, so that a stop takes one page and not a message."""
    _stopping[0] = 1


@signals.setup_logging.connect  # type: ignore[untyped-decorator, unused-ignore]
def _keep_logging(**_arguments: Any) -> None:
    """Leave logging as `digits worker` has set it up."""
