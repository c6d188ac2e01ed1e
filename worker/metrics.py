"""What the reading processes of a worker count and time, for Prometheus.

The processes are many, so they write into files of a common folder (the client library's multi-process mode), and
`worker.exporter` adds them up; the library must not be imported before the folder is named. Nothing is counted unless a
worker was told to serve metrics. Numbers only: no names of documents, nothing that was read.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from extractor.errors import UsageError
from extractor.readings import PageReading
from worker.settings import Settings

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""Where the client library looks for the common folder, when it is imported."""

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_CONFIDENCES = (0.1, 0.25, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 1.0)


class PageMetrics:
    """Counters and histograms of the pages that processes read.

    Args:
        registry: Where they are registered; the client library's own when None.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        from prometheus_client import REGISTRY, Counter, Histogram

        home = registry or REGISTRY
        self._pages = Counter(
            "digits_pages_read",
            "Pages this worker has read (code is empty) or given up on (code says why).",
            ["code"],
            registry=home,
        )
        self._page_seconds = Histogram(
            "digits_page_seconds", "Seconds from a page's file to its reading.", buckets=_SECONDS, registry=home
        )
        self._stage_seconds = Histogram(
            "digits_stage_seconds", "Seconds a page spent in a stage.", ["stage"], buckets=_SECONDS, registry=home
        )
        self._fields = Counter(
            "digits_fields",
            "Digit strings by what was decided about them; the share of review is the review rate.",
            ["status"],
            registry=home,
        )
        self._confidence = Histogram(
            "digits_field_confidence",
            "Confidence of digit strings that are not blank.",
            buckets=_CONFIDENCES,
            registry=home,
        )

    def observe(self, reading: PageReading, seconds: float, stages: Mapping[str, float]) -> None:
        """Count a page.

        Args:
            reading: What was read, or why nothing was.
            seconds: How long it took.
            stages: Seconds by stage.
        """
        self._pages.labels("" if reading.error is None else reading.error.code).inc()
        self._page_seconds.observe(seconds)
        for name, duration in stages.items():
            self._stage_seconds.labels(name).observe(duration)
        for field in reading.fields:
            self._fields.labels(field.status).inc()
            if field.status != "blank":
                self._confidence.observe(field.confidence)


@contextlib.contextmanager
def metrics_folder(settings: Settings) -> Iterator[None]:
    """Prepare for metrics: the address is free, and processes started in the block have a folder to write to.

    Raises:
        UsageError: The address cannot be had.
    """
    host, port = settings.metrics_host, settings.metrics_port
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise UsageError(
            f"metrics cannot be served at {host} port {port}: {error.strerror}",
            "give each worker of a machine its own DIGITS_METRICS_PORT",
        ) from None
    folder = tempfile.mkdtemp(prefix="digits-metrics-")
    os.environ[FOLDER_VARIABLE] = folder
    try:
        yield
    finally:
        del os.environ[FOLDER_VARIABLE]
        shutil.rmtree(folder, ignore_errors=True)


def observe(reading: PageReading, seconds: float, stages: Mapping[str, float]) -> None:
    """Count a page, where metrics are served; see `PageMetrics.observe`."""
    if os.environ.get(FOLDER_VARIABLE):
        _metrics().observe(reading, seconds, stages)


@lru_cache(maxsize=1)
def _metrics() -> PageMetrics:
    return PageMetrics()
