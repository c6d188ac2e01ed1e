"""Read pages by their ledger ids: the unit of work that local processes and queue workers share.

It may be called any number of times with the same ids: pages that are finished, cancelled or another's are passed over.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from extractor.errors import DigitsError, DocumentError
from extractor.names import printable
from extractor.network import default_model, load_network
from extractor.readings import PageFailure, PageReading
from worker.deadline import PageTimeoutError, deadline
from worker.ledger import Ledger
from worker.owner import this_process
from worker.records import ClaimedPage, Job, location
from worker.settings import Settings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from extractor.reader import ReadOptions

log = logging.getLogger(__name__)

_FLUSH_SECONDS = 0.5
"""Results of quick pages are stored together; a lost process loses at most this much work."""

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


class PageReader(Protocol):
    """What is needed of `extractor.reader.Reader`."""

    def read(
        self, image: NDArray[np.uint8], options: ReadOptions | None = None, *, document: str = "", page: int = 1
    ) -> PageReading:
        """Read one page."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of a batch: pages passed over are in neither number."""

    done: int = 0
    failed: int = 0


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


class PageProcessor:
    """Reads pages in one process, with one network.

    Args:
        ledger: The process's own.
        settings: Limits and the network's folder.
        roots: Folders outside of which nothing is opened; None for no such limit.
    """

    def __init__(self, ledger: Ledger, settings: Settings, roots: Sequence[Path] | None) -> None:
        self._ledger = ledger
        self._settings = settings
        self._roots = None if roots is None else [os.path.realpath(root) for root in roots]
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
            How many were read and how many failed.

        Raises:
            UnavailableError: The ledger is out of reach; pages not stored will be read again.
            ModelError: The network is missing or damaged.
        """
        job = self._ledger.jobs.get(job_id)
        if job is None:
            log.warning("refused a message: its job is not in the ledger")
            return Tally()
        self.load()
        done = failed = 0
        left = list(page_ids)
        while left:
            claimed = self._ledger.pages.claim(
                job_id, left, this_process(), self._settings.page_lease, self._settings.delivery_cap
            )
            if not claimed:
                break
            tally = self._read_claimed(job, claimed)
            done, failed = done + tally.done, failed + tally.failed
            taken = {page.id for page in claimed}
            left = [page_id for page_id in left if page_id not in taken]
        return Tally(done, failed)

    def _read_claimed(self, job: Job, claimed: Sequence[ClaimedPage]) -> Tally:
        owner = this_process()
        lease = self._settings.page_lease
        results: list[tuple[int, PageReading]] = []
        done = failed = 0
        flushed = time.monotonic()
        for position, page in enumerate(claimed):
            if position and not self._ledger.pages.is_mine(page.id, owner):
                continue
            reading = self._read_one(job, page)
            results.append((page.id, reading))
            done, failed = done + (reading.error is None), failed + (reading.error is not None)
            if time.monotonic() - flushed > _FLUSH_SECONDS:
                rest = [other.id for other in claimed[position + 1 :]]
                self._ledger.pages.finish(results, keep=rest, owner=owner, lease=lease)
                results, flushed = [], time.monotonic()
        self._ledger.pages.finish(results)
        return Tally(done, failed)

    def _read_one(self, job: Job, page: ClaimedPage) -> PageReading:
        path = location(job.base, page.document)
        started = time.monotonic()
        try:
            with deadline(self._settings.page_timeout, self._settings.hard_page_timeout):
                reading = self._read_image(job, page, path)
        except Exception as error:  # whatever a page does, it is that page's failure
            failure = self._failure(error, path, page)
            log.debug("page %d of job %s failed: %s", page.id, job.id, failure.code, exc_info=True)
            return PageReading(page.document, page.page, error=failure)
        log.debug("page %d of job %s took %.3f s", page.id, job.id, time.monotonic() - started)
        return reading

    def _read_image(self, job: Job, page: ClaimedPage, path: Path) -> PageReading:
        from extractor import documents
        from extractor.reader import ReadOptions

        if job.network != self._network:
            raise DocumentError(
                f"{printable(str(path))}: the job was submitted for another network than this worker has",
                "name the same DIGITS_MODEL everywhere, then digits retry --failed",
                "network",
            )
        self._check_inside_roots(path)
        options = ReadOptions(**job.options)
        image = documents.load_page(path, page.page, dpi=options.dpi)
        return self.load().read(image, options, document=page.document, page=page.page)

    def _check_inside_roots(self, path: Path) -> None:
        if self._roots is None:
            return
        real = os.path.realpath(path)
        if not any(os.path.commonpath((root, real)) == root for root in self._roots):
            log.warning("refused a page: its document lies outside DIGITS_DATA_ROOTS")
            raise DocumentError(
                f"{printable(str(path))}: it lies outside the folders this worker may open",
                "add its folder to DIGITS_DATA_ROOTS of the workers",
                "outside_roots",
            )

    def _failure(self, error: Exception, path: Path, page: ClaimedPage) -> PageFailure:
        name = printable(page.document)
        if isinstance(error, DigitsError):
            # A worker knows the file by its full path, its user by the name given.
            return PageFailure(error.code, error.message.replace(printable(str(path)), name), error.hint)
        if isinstance(error, PageTimeoutError):
            seconds = f"{self._settings.page_timeout:g}"
            return PageFailure("timeout", f"{name}: it took longer than {seconds} s", "see DIGITS_PAGE_TIMEOUT")
        if isinstance(error, MemoryError):
            return PageFailure("memory", f"{name}: there is not enough memory for it", "scan it at a lower resolution")
        kind = type(error).__name__
        return PageFailure("internal", f"{name}: digits itself failed here ({kind})", "DIGITS_DEBUG=1 shows where")
