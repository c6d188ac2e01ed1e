"""The process beside a worker that serves Prometheus metrics: the reading processes' own, and the ledger's state.

It is a process of its own for the reason `worker.reconciler` is: its threads and database connections must not be
there when the worker forks. ``python -m worker.exporter PID`` runs it until its parent, that process, is gone.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from extractor.errors import DigitsError
from worker.ledger import Ledger
from worker.ledger_schema import counts_table
from worker.logs import set_up_logging
from worker.records import FINAL, UNFINISHED
from worker.settings import Settings, load_settings

log = logging.getLogger(__name__)

_FRESH_SECONDS = 5.0
"""Several servers may ask at once; the ledger is asked once in that time."""


@dataclass(frozen=True, slots=True)
class _State:
    """What the ledger said, and when; `pages` is None when it was out of reach."""

    moment: float
    pages: dict[str, int] | None = None
    oldest: float | None = None


class LedgerCollector(Collector):
    """Pages by state and the age of the queue, asked of the ledger when somebody looks.

    All workers of a ledger tell the same, so take the maximum over them, not the sum.

    Args:
        settings: Where the ledger is.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._ledger: Ledger | None = None
        self._state: _State | None = None

    def describe(self) -> Iterator[Metric]:
        """Return the metrics without asking the ledger."""
        return self._families(_State(0.0, {}))

    def collect(self) -> Iterator[Metric]:
        """Ask the ledger, unless that was done a moment ago; one that is out of reach is itself a metric."""
        with self._lock:
            now = time.monotonic()
            if self._state is None or now - self._state.moment > _FRESH_SECONDS:
                self._state = self._ask(now)
            state = self._state
        return self._families(state)

    def _ask(self, now: float) -> _State:
        try:
            if self._ledger is None:
                self._ledger = Ledger(self._settings.ledger_url, self._settings.connect_timeout)
            states = (*UNFINISHED, *FINAL)
            query = sa.select(*(sa.func.sum(counts_table.c[state]) for state in states))
            with self._ledger.database.read() as connection:
                pages: dict[str, int] = {
                    state: int(number or 0)
                    for state, number in zip(states, connection.execute(query).one(), strict=True)
                }
            return _State(now, pages, self._ledger.pages.oldest_waiting())
        except DigitsError as error:
            log.warning("%s", error)
            return _State(now)

    @staticmethod
    def _families(state: _State) -> Iterator[Metric]:
        up = GaugeMetricFamily("digits_ledger_up", "Whether the ledger answers.")
        up.add_metric([], float(state.pages is not None))
        yield up
        pages = GaugeMetricFamily("digits_pages", "Pages in the ledger by state.", labels=["state"])
        age = GaugeMetricFamily("digits_queue_age_seconds", "How long the longest waiting page of a queue job waits.")
        if state.pages is not None:
            for name in (*UNFINISHED, *FINAL):
                pages.add_metric([name], state.pages.get(name, 0))
            age.add_metric([], 0.0 if state.oldest is None else max(0.0, time.time() - state.oldest))
        yield pages
        yield age


def run(settings: Settings, parent: int) -> None:
    """Serve metrics until the parent process, whose number is given, is gone."""
    assert settings.metrics_port is not None
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    registry.register(LedgerCollector(settings))
    server, thread = start_http_server(settings.metrics_port, settings.metrics_host, registry)
    while os.getppid() == parent:
        time.sleep(0.5)
    server.shutdown()
    thread.join()


if __name__ == "__main__":
    set_up_logging()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    run(load_settings(), int(sys.argv[1]))
