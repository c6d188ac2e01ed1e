"""Executor for one machine: several processes read a job's pages, and none of them can take the job down.

The processes are spawned, not forked: OpenCV and LiteRT keep threads and locks that do not survive a fork. The parent
imports neither, hands out page ids, and watches. A process that dies is replaced; its pages go back to the ledger,
which gives up on a page that was lost too often.
"""

from __future__ import annotations

import logging
import multiprocessing
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from multiprocessing import connection, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

from extractor.errors import DigitsError
from worker.batches import batch_limit, batched
from worker.ledger import Ledger
from worker.logs import set_up_logging
from worker.memory import limit_data, resident_mb
from worker.owner import this_process
from worker.pages import PageProcessor, Tally, limit_threads
from worker.records import Counts, QueuedPage
from worker.settings import Settings

log = logging.getLogger(__name__)

Progress = Callable[[Counts], None]

_HOLD_SECONDS = 15.0
_STOP_SECONDS = 5.0
_MAX_FAILED_STARTS = 3
_PARTS_PER_PROCESS = 4


@dataclass(frozen=True, slots=True)
class _Ready:
    """What a process says once its network is loaded."""

    owner: str


@dataclass(frozen=True, slots=True)
class _Finished:
    """What a process says after a batch."""

    tally: Tally
    full: bool


@dataclass(slots=True)
class _Child:
    """A process as its parent sees it."""

    process: SpawnProcess
    pipe: Connection
    owner: str = ""
    batch: list[int] = field(default_factory=list)


def run_job(ledger: Ledger, settings: Settings, job_id: str, processes: int, progress: Progress) -> Counts:
    """Read all waiting pages of a job whose runner the calling process is.

    Args:
        ledger: The caller's own.
        settings: Limits, and where everything is.
        job_id: The job.
        processes: How many processes may read at a time.
        progress: Called whenever pages were finished.

    Returns:
        The job's pages by state.

    Raises:
        KeyboardInterrupt: Passed on; the pages at hand wait again, and the job can be resumed.
        DigitsError: The processes cannot work at all: no network, no ledger.
    """
    return _Pool(ledger, settings, job_id, processes, progress).run()


class _Pool:
    def __init__(self, ledger: Ledger, settings: Settings, job_id: str, processes: int, progress: Progress) -> None:
        self._ledger = ledger
        self._settings = settings
        self._job_id = job_id
        self._progress = progress
        self._children: list[_Child] = []
        self._failed_starts = 0
        self._held = time.monotonic()
        # Nobody else runs this job: whoever had these pages is gone.
        ledger.pages.lose_job(job_id, settings.delivery_cap)
        self._counts = ledger.jobs.count(job_id)
        self._again: deque[list[int]] = deque()
        self._batches = self._stream(batch_limit(self._counts.queued, _PARTS_PER_PROCESS * processes))
        self._processes = min(processes, self._counts.queued)

    def run(self) -> Counts:
        self._progress(self._counts)
        try:
            self._loop()
        except BaseException:
            self._abort()
            raise
        self._stop()
        return self._ledger.jobs.count(self._job_id)

    def _loop(self) -> None:
        upcoming = self._next_batch()
        while upcoming is not None or any(child.batch for child in self._children):
            for child in self._children:
                if upcoming is not None and child.owner and not child.batch:
                    upcoming = self._give(child, upcoming)
            if upcoming is not None and len(self._children) < self._processes:
                self._start_child()
            self._wait(patiently=upcoming is None or len(self._children) == self._processes)
            if time.monotonic() - self._held > _HOLD_SECONDS:
                self._ledger.jobs.keep(self._job_id)
                self._held = time.monotonic()
            upcoming = upcoming if upcoming is not None else self._next_batch()

    def _give(self, child: _Child, batch: list[int]) -> list[int] | None:
        child.batch = batch
        try:
            child.pipe.send(batch)
        except OSError:  # it died; `_wait` sees that and gives the batch to another
            return None
        return self._next_batch()

    def _wait(self, *, patiently: bool) -> None:
        by_handle: dict[object, _Child] = {}
        for child in self._children:
            by_handle[child.pipe] = by_handle[child.process.sentinel] = child
        ready = connection.wait(list(by_handle), timeout=1.0 if patiently else 0.0)  # type: ignore[arg-type]
        for child in {id(child): child for child in (by_handle[handle] for handle in ready)}.values():
            self._listen(child)

    def _listen(self, child: _Child) -> None:
        try:
            while child in self._children and child.pipe.poll():
                self._hear(child, child.pipe.recv())
        except (EOFError, OSError):
            self._replace(child)
        if child in self._children and not child.process.is_alive():
            self._replace(child)

    def _hear(self, child: _Child, message: _Ready | _Finished | DigitsError) -> None:
        if isinstance(message, DigitsError):
            raise message
        if isinstance(message, _Ready):
            child.owner = message.owner
            self._failed_starts = 0
            return
        child.batch = []
        tally = message.tally
        self._counts = replace(
            self._counts,
            queued=self._counts.queued - tally.done - tally.failed,
            done=self._counts.done + tally.done,
            failed=self._counts.failed + tally.failed,
        )
        self._progress(self._counts)
        if message.full:
            self._dismiss(child)

    def _replace(self, child: _Child) -> None:
        """Take a dead process's pages back; `_loop` starts another while there is work."""
        child.process.join(_STOP_SECONDS)
        if child.process.is_alive():  # it closed its pipe, so it reads nothing any more
            child.process.kill()
            child.process.join()
        self._remove(child)
        if not child.owner:
            self._failed_starts += 1
            if self._failed_starts >= _MAX_FAILED_STARTS:
                raise DigitsError(
                    f"the processes that read pages die at their start (exit code {child.process.exitcode})",
                    "digits doctor checks the installation",
                    "start",
                )
            return
        if child.batch:
            log.info("a process was lost (exit code %s); its pages are read again", child.process.exitcode)
            self._ledger.pages.lose_owner(child.owner, self._settings.delivery_cap)
            self._again.extend([page_id] for page_id in child.batch)
            self._counts = self._ledger.jobs.count(self._job_id)
            self._progress(self._counts)

    def _next_batch(self) -> list[int] | None:
        if self._again:
            return self._again.popleft()
        batch = next(self._batches, None)
        return None if batch is None else [page.id for page in batch]

    def _stream(self, limit: int) -> Iterator[list[QueuedPage]]:
        return batched(self._stream_pages(), limit)

    def _stream_pages(self) -> Iterator[QueuedPage]:
        after = 0
        while pages := self._ledger.pages.queued(self._job_id, after):
            yield from pages
            after = pages[-1].id

    def _start_child(self) -> None:
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        process = context.Process(target=_child_main, args=(there, self._settings, self._job_id), daemon=True)
        resource_tracker.ensure_running()
        # Ctrl-C goes to every process of the terminal. The children inherit this mask and leave it to the parent.
        previous = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            process.start()
            self._children.append(_Child(process, here))
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, previous)
        there.close()

    def _dismiss(self, child: _Child) -> None:
        child.pipe.close()
        child.process.join(_STOP_SECONDS)
        if child.process.is_alive():
            child.process.kill()
            child.process.join()
        self._remove(child)

    def _remove(self, child: _Child) -> None:
        child.pipe.close()
        self._children.remove(child)

    def _stop(self) -> None:
        for child in self._children:
            child.pipe.close()
        for child in list(self._children):
            self._dismiss(child)

    def _abort(self) -> None:
        """Stop at once; pages at hand wait again, and this delivery does not count."""
        for child in self._children:
            child.process.kill()
        for child in self._children:
            child.process.join()
            if child.owner:
                self._ledger.pages.release(child.owner)
        self._children = []


def _child_main(pipe: Connection, settings: Settings, job_id: str) -> None:
    limit_threads()
    set_up_logging()
    limit_data(settings)
    try:
        with Ledger(settings.ledger_url, settings.connect_timeout) as ledger:
            processor = PageProcessor(ledger, settings, roots=None)
            processor.load()
            pipe.send(_Ready(this_process()))
            while True:
                tally = processor.process(job_id, pipe.recv())
                pipe.send(_Finished(tally, resident_mb() > settings.child_memory_mb))
    except (EOFError, BrokenPipeError):
        return
    except DigitsError as error:
        pipe.send(error)
