"""Messages to the workers: is the broker there, send pages, and which messages are still waiting."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from kombu.exceptions import KombuError, OperationalError

from extractor.errors import UnavailableError, UsageError
from extractor.names import printable
from worker.celery_app import QUEUE, TASK, app
from worker.settings import Settings, masked

SENT_HEADER = "digits_sent"
"""Header with the time a message was sent, the same as in the ledger's rows of its pages."""


_KINDS = frozenset({"redis", "rediss", "sentinel", "amqp", "amqps", "pyamqp"})
"""Kombu knows more, which lose messages in a crash (filesystem, memory) or never give them again (sqlalchemy)."""


class Broker:
    """A connection to the broker.

    Args:
        settings: Where it is.

    Raises:
        UsageError: It is of a kind that this cannot be done with.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        kind = settings.broker_url.partition("://")[0].partition("+")[0]
        if kind not in _KINDS:
            raise UsageError(
                f"a broker of kind {printable(kind)} is not known, or loses messages",
                "DIGITS_BROKER_URL takes redis://, rediss:// or amqp://; digits run needs none",
            )
        self._connection = app.connection_for_write(url=settings.broker_url)

    def close(self) -> None:
        """Close the connection."""
        self._connection.release()

    def __enter__(self) -> Broker:
        """Return itself, connected.

        Raises:
            UnavailableError: The broker does not answer.
        """
        self.check()
        return self

    def __exit__(self, *_details: object) -> None:
        """Close the connection."""
        self.close()

    def check(self) -> None:
        """Find out whether the broker answers.

        Raises:
            UnavailableError: It does not.
        """
        with self._readable_errors():
            self._connection.ensure_connection(
                max_retries=1, interval_start=0, interval_step=0, timeout=self._settings.connect_timeout
            )

    def send(self, job_id: str, page_ids: Sequence[int], sent: float) -> None:
        """Send one message.

        Args:
            job_id: The job.
            page_ids: Its pages.
            sent: Seconds since the epoch, as it is noted in the ledger.

        Raises:
            UnavailableError: The broker does not answer.
        """
        with self._readable_errors():
            app.send_task(
                TASK,
                kwargs={"job": job_id, "pages": list(page_ids)},
                headers={SENT_HEADER: sent},
                connection=self._connection,
                retry=False,
                ignore_result=True,
                argsrepr="",
                kwargsrepr="",
            )

    def waiting(self) -> int:
        """Return how many messages wait for a worker.

        Raises:
            UnavailableError: The broker does not answer.
        """
        with self._readable_errors(), self._connection.channel() as channel:
            declared = channel.queue_declare(queue=QUEUE, durable=True, auto_delete=False)
            return int(declared.message_count)

    def oldest_sent(self) -> float:
        """Return when the oldest waiting message was sent; now when none waits; 0 when that cannot be told.

        Messages are taken in the order sent. So one that was sent earlier than this is with a worker, or lost.

        Raises:
            UnavailableError: The broker does not answer.
        """
        now = time.time()
        if self.waiting() == 0:
            return now
        with self._readable_errors(), self._connection.channel() as channel:
            if self._connection.transport.driver_type != "redis":
                return 0.0
            oldest = channel.client.lindex(QUEUE, -1)
        return now if oldest is None else _sent(oldest)

    def redis_settings(self) -> dict[str, str] | None:
        """Return what decides whether a Redis broker keeps its messages; None for other brokers.

        Raises:
            UnavailableError: The broker does not answer.
        """
        with self._readable_errors(), self._connection.channel() as channel:
            if self._connection.transport.driver_type != "redis":
                return None
            server = channel.client.info("server")
            memory = channel.client.info("memory")
            persistence = channel.client.info("persistence")
            unacknowledged = channel.client.hlen(channel.unacked_key)
        return {
            "version": str(server.get("redis_version", "unknown")),
            "maxmemory_policy": str(memory.get("maxmemory_policy", "unknown")),
            "maxmemory": str(memory.get("maxmemory", 0)),
            "used_memory": str(memory.get("used_memory", 0)),
            "aof": str(persistence.get("aof_enabled", "unknown")),
            "aof_write": str(persistence.get("aof_last_write_status", "ok")),
            "snapshot": str(persistence.get("rdb_last_bgsave_status", "ok")),
            "unacknowledged": str(unacknowledged),
        }

    def workers(self, patience: float) -> dict[str, Any]:
        """Ask all workers how they are.

        Args:
            patience: Seconds to wait for their answers.

        Returns:
            What each answered, by its name; see ``celery inspect stats``.

        Raises:
            UnavailableError: The broker does not answer.
        """
        with self._readable_errors():
            answers = app.control.inspect(timeout=patience, connection=self._connection).stats() or {}
        return {name: answer for name, answer in answers.items() if name.startswith("digits-")}

    @contextmanager
    def _readable_errors(self) -> Iterator[None]:
        errors: tuple[type[BaseException], ...] = (
            OSError,
            KombuError,
            OperationalError,
            *self._connection.connection_errors,
            *self._connection.channel_errors,
        )
        try:
            yield
        except errors as error:
            shown = masked(self._settings.broker_url)
            raise UnavailableError(
                f"the broker {shown} is out of reach ({type(error).__name__})",
                "start it, or see DIGITS_BROKER_URL; digits run needs none",
            ) from error


def _sent(raw: bytes | str) -> float:
    try:
        headers: Any = json.loads(raw)["headers"]
        return float(headers[SENT_HEADER])
    except (ValueError, TypeError, KeyError):  # not a message of ours: nothing can be said
        return 0.0
