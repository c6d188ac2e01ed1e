"""Read pages by their ledger ids: the unit of work that local processes and queue workers share.

It may be called any number of times with the same ids: pages that are finished, cancelled or another's are passed over.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from extractor.acceptance import accept_from, table_from_card
from extractor.errors import DigitsError, DocumentError
from extractor.names import printable
from extractor.network import default_model, load_network
from extractor.readings import PageFailure, PageReading
from extractor.stages import clocked, stage
from worker import metrics
from worker.deadline import PageTimeoutError, deadline
from worker.forms import JobTemplates
from worker.ledger import Ledger
from worker.logs import about
from worker.memory import is_out_of_memory, page_limits
from worker.owner import this_process
from worker.records import ClaimedPage, Job
from worker.settings import Settings
from worker.storage import Storage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from extractor.reader import ReadOptions

log = logging.getLogger(__name__)

_FLUSH_SECONDS = 0.5
"""Results of quick pages are stored together; a lost process loses at most this much work."""
_LOOK_SECONDS = 0.1
"""Whether a page still is to be read is asked of the ledger this often; what was read in between is dropped."""

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


class PageReader(Protocol):
    """What is needed of `extractor.reader.Reader`."""

    def read(
        self, image: NDArray[np.uint8], options: ReadOptions | None = None, *, document: str = "", page: int = 1
    ) -> PageReading:
        """Read one page."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of a batch: pages passed over are in no number.

    Attributes:
        done: Pages read.
        failed: Pages that failed.
        given_back: Pages that wait again, because the process was told to stop.
    """

    done: int = 0
    failed: int = 0
    given_back: int = 0


def limit_threads() -> None:
    """Keep numeric libraries to one thread in this process and its children; call before they are imported.

    One process a core with one thread each beats threads that fight for the same cores.
    """
    for variable in _THREAD_VARIABLES:
        os.environ.setdefault(variable, "1")


def network_sha256(settings: Settings) -> str:
    """Return what identifies the network that this process reads with.

    Raises:
        ModelError: It is missing or damaged.
    """
    return load_network(settings.model or default_model()).sha256


def check_accept_error(settings: Settings, accept_error: float | None) -> None:
    """Find out before the work begins whether this process's network can hold an error that a user accepts.

    Raises:
        UsageError: It cannot.
        ModelError: The network is missing or damaged.
    """
    if accept_error is not None:
        card = load_network(settings.model or default_model()).card
        accept_from(table_from_card(card.get("reading", {})), accept_error)


class PageProcessor:
    """Reads pages in one process, with one network.

    Args:
        ledger: The process's own.
        settings: Limits and the network's folder.
        roots: Folders and URLs outside of which nothing is opened; None for no such limit.
        stopping: Asked before each page but the first; once it says so, pages not begun are given back.
    """

    def __init__(
        self,
        ledger: Ledger,
        settings: Settings,
        roots: Sequence[Path | str] | None,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._ledger = ledger
        self._settings = settings
        self._limits = page_limits(settings)
        self._storage = Storage(roots, self._limits)
        self._templates = JobTemplates(self._storage)
        self._stopping = stopping
        self._owner = this_process()
        self._job: Job | None = None
        self._unstored: list[tuple[int, PageReading]] = []
        self._reader: PageReader | None = None
        self._network = ""

    def load(self) -> PageReader:
        """Load the network, once.

        Raises:
            ModelError: It is missing or damaged.
        """
        if self._reader is None:
            import cv2

            from extractor.reader import Reader

            cv2.setNumThreads(0)
            self._network = network_sha256(self._settings)
            self._reader = Reader(self._settings.model, threads=1)
        return self._reader

    def process(self, job_id: str, page_ids: Sequence[int]) -> Tally:
        """Read those of the pages that are free, and store what was read.

        Args:
            job_id: The job that the pages must belong to.
            page_ids: Pages in the ledger.

        Returns:
            How many were read, how many failed, and how many wait again.

        Raises:
            UnavailableError: The ledger is out of reach; pages not stored will be read again.
            ModelError: The network is missing or damaged.
        """
        self._store()
        if self._job is None or self._job.id != job_id:
            # What is used of a job never changes; whether it was cancelled or deleted, the claim below finds out.
            self._job = self._ledger.jobs.get(job_id)
        job = self._job
        if job is None:
            log.warning("refused a message: its job is not in the ledger")
            return Tally()
        self.load()
        done = failed = given_back = 0
        left = list(page_ids)
        while left and not given_back:
            if self._stopping():
                return Tally(done, failed, len(left))
            claimed = self._ledger.pages.claim(
                job_id, left, self._owner, self._settings.page_lease, self._settings.delivery_cap
            )
            if not claimed:
                break
            tally = self._read_claimed(job, claimed)
            done, failed, given_back = done + tally.done, failed + tally.failed, tally.given_back
            taken = {page.id for page in claimed}
            left = [page_id for page_id in left if page_id not in taken]
        return Tally(done, failed, given_back)

    def _read_claimed(self, job: Job, claimed: Sequence[ClaimedPage]) -> Tally:
        owner = self._owner
        done = failed = 0
        flushed = looked = time.monotonic()
        for position, page in enumerate(claimed):
            if position and self._stopping():
                self._store()
                return Tally(done, failed, self._ledger.pages.release(owner))
            if position and time.monotonic() - looked > _LOOK_SECONDS:
                if not self._ledger.pages.is_mine(page.id, owner):
                    continue
                looked = time.monotonic()
            reading = self._read_one(job, page)
            self._unstored.append((page.id, reading))
            done, failed = done + (reading.error is None), failed + (reading.error is not None)
            if time.monotonic() - flushed > _FLUSH_SECONDS:
                self._store(keep=[other.id for other in claimed[position + 1 :]])
                flushed = time.monotonic()
        self._store()
        return Tally(done, failed)

    def _store(self, keep: Sequence[int] = ()) -> None:
        """Store what was read; kept while the ledger is out of reach, so that no page is read twice for it."""
        self._ledger.pages.finish(self._unstored, keep=keep, owner=self._owner, lease=self._settings.page_lease)
        self._unstored = []

    def _read_one(self, job: Job, page: ClaimedPage) -> PageReading:
        started = time.monotonic()
        with about(job.id, page.id), clocked() as stages:
            try:
                with deadline(self._settings.page_timeout, self._settings.hard_page_timeout):
                    reading = self._read_image(job, page)
            except Exception as error:  # whatever a page does, it is that page's failure
                failure = self._failure(error, page)
                log.info("page failed: %s", failure.code, exc_info=failure.code == "internal")
                reading = PageReading(page.document, page.page, error=failure)
            seconds = time.monotonic() - started
            log.debug("page took %.3f s", seconds)
        metrics.observe(reading, seconds, stages)
        return reading

    def _read_image(self, job: Job, page: ClaimedPage) -> PageReading:
        from extractor import documents
        from extractor.reader import ReadOptions

        if job.network != self._network:
            raise DocumentError(
                f"{printable(page.document)}: the job was submitted for another network than this worker has",
                "name the same DIGITS_MODEL everywhere, then digits retry --failed",
                "network",
            )
        options = ReadOptions(**(job.options | {"templates": self._templates.of(job.id, job.options)}))
        with stage("open"), self._storage.local(job.base, page.document) as path:
            image = documents.load_page(path, page.page, dpi=options.dpi, limits=self._limits)
        return self.load().read(image, options, document=page.document, page=page.page)

    def _failure(self, error: Exception, page: ClaimedPage) -> PageFailure:
        name = printable(page.document)
        if isinstance(error, DigitsError):
            return PageFailure(error.code, error.message, error.hint)
        if isinstance(error, PageTimeoutError):
            seconds = f"{self._settings.page_timeout:g}"
            return PageFailure("timeout", f"{name}: it took longer than {seconds} s", "see DIGITS_PAGE_TIMEOUT")
        if is_out_of_memory(error):
            hint = "scan it at a lower resolution, or allow more in DIGITS_PAGE_MEMORY_MB"
            return PageFailure("memory", f"{name}: there is not enough memory for it", hint)
        kind = type(error).__name__
        return PageFailure("internal", f"{name}: digits itself failed here ({kind})", "DIGITS_DEBUG=1 shows where")
