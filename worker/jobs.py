"""What can be done with jobs: submit, watch, collect, retry, cancel, purge. The command line calls these."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from extractor.documents import count_pages
from extractor.errors import DocumentError, UnavailableError, UsageError
from extractor.names import printable
from extractor.readings import PageFailure, PageReading
from extractor.templates import TemplateSource
from worker import storage
from worker.batches import weight_of
from worker.ledger import Ledger
from worker.ledger_jobs import is_held
from worker.records import Counts, Executor, Job, NewPage

_INSERT_CHUNK = 1000

Layout = Literal["auto", "page", "line", "grid"]


@dataclass(frozen=True, slots=True)
class JobOptions:
    """Reading options as a job records them; the fields are those of `extractor.reader.ReadOptions`.

    That class is not used here because its module brings OpenCV, which the process that starts others must not load.
    """

    layout: Layout = "auto"
    dpi: int = 300
    accept_error: float | None = None
    templates: tuple[TemplateSource, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        options: dict[str, Any] = {"layout": self.layout, "dpi": self.dpi, "accept_error": self.accept_error}
        return options | ({"templates": [item.to_dict() for item in self.templates]} if self.templates else {})

    def key(self) -> str:
        """Return what tells options apart: of templates their contents, wherever the files lie."""
        contents = [item.digest() for item in self.templates]
        return json.dumps(self.to_dict() | ({"templates": contents} if contents else {}), sort_keys=True)


@dataclass(frozen=True, slots=True)
class Submission:
    """A job that was recorded, or an earlier one found to be the same.

    Attributes:
        job: The job.
        counts: Its pages by state.
        is_earlier: Whether it had been recorded before.
    """

    job: Job
    counts: Counts
    is_earlier: bool


def submit(
    ledger: Ledger,
    paths: Sequence[Path | str],
    options: JobOptions,
    *,
    executor: Executor,
    network: str,
    name: str = "",
    again: bool = False,
    on_recorded: Callable[[int], None] = lambda _number: None,
) -> Submission:
    """Record a job: a row for each page of the documents, in their order.

    Memory does not grow with the job. A document that cannot be read is recorded as a page that failed. Two jobs are
    the same when the names and contents of their documents, their options, and their network are. An earlier job that
    is the same is returned in place of a new one:

    - a local job, when it was interrupted: some pages are unread, and no living process runs it. One that is complete
      is left alone, and everything is read anew.
    - a queue job, unless it was cancelled.

    Args:
        ledger: Where to record it.
        paths: Files and folders, and URLs of either.
        options: Reading options.
        executor: Who will read it.
        network: SHA-256 of the network that will read it.
        name: What the user calls it.
        again: Do not look for an earlier job.
        on_recorded: Called with the number of pages recorded so far.

    Returns:
        The job; a local one is held by the calling process.

    Raises:
        UsageError: A path does not exist, or a folder has no document.
        UnavailableError: The ledger is out of reach.
    """
    documents = storage.find(paths)
    for orphan in ledger.jobs.abandoned_submissions():
        ledger.jobs.delete(orphan.id)
    base = str(Path.cwd())
    job_id = ledger.jobs.create(name=name, executor=executor, base=base, options=options.to_dict(), network=network)
    try:
        key = _record_pages(ledger, job_id, documents, base, _job_digest(base, options, network), on_recorded)
        earlier = None if again else _earlier(ledger, key, executor)
        if earlier is None:
            ledger.jobs.activate(job_id, key)
    except BaseException:
        ledger.jobs.delete(job_id)
        raise
    if earlier is not None:
        ledger.jobs.delete(job_id)
    job = earlier or ledger.jobs.get(job_id)
    if job is None:
        raise UsageError(f"job {job_id} was deleted while it was being recorded", "submit it again")
    return Submission(job, ledger.jobs.count(job.id), earlier is not None)


def collect(ledger: Ledger, job_id: str) -> Iterator[PageReading]:
    """Yield what was read, in the order of submission; a page without a reading says why there is none."""
    return (page.reading() for page in ledger.pages.stream(job_id))


def watch(
    ledger: Ledger,
    job_id: str,
    progress: Callable[[Counts], None],
    *,
    tick: Callable[[], None],
    trouble: Callable[[UnavailableError], None] = lambda _error: None,
    interval: float = 0.5,
    patience: float = 120.0,
) -> Counts:
    """Wait until no page of a job is queued or running.

    Args:
        ledger: The ledger.
        job_id: The job.
        progress: Called with the counts at each look.
        tick: Called after each look, for whatever keeps the job moving.
        trouble: Called when the ledger goes out of reach.
        interval: Seconds between looks.
        patience: Seconds for which the ledger may be out of reach, such as while its server starts again.

    Returns:
        The final counts.

    Raises:
        UnavailableError: The ledger stayed out of reach.
    """
    lost_since: float | None = None
    while True:
        try:
            counts = ledger.jobs.count(job_id)
        except UnavailableError as error:
            if lost_since is None:
                trouble(error)
                lost_since = time.monotonic()
            if time.monotonic() - lost_since > patience:
                raise
            time.sleep(interval)
            continue
        lost_since = None
        progress(counts)
        if not counts.unfinished:
            return counts
        tick()
        time.sleep(interval)


def purgeable(ledger: Ledger, older_than_days: float) -> list[Job]:
    """Return the jobs that `purge` may delete: made that long ago, finished, and in nobody's hands."""
    now = time.time()
    candidates = ledger.jobs.created_before(now - older_than_days * 86400)
    return [job for job in candidates if not is_held(job, now) and ledger.jobs.is_finished(job.id)]


def purge(ledger: Ledger, job: Job) -> None:
    """Delete a job and its results.

    Raises:
        UsageError: It is not finished, or a process has it in hand.
    """
    if is_held(job, time.time()) or not ledger.jobs.is_finished(job.id):
        raise UsageError(f"job {job.id} is not finished", "wait for it, or digits cancel it first")
    ledger.jobs.delete(job.id)


def _earlier(ledger: Ledger, key: str, executor: Executor) -> Job | None:
    for job in ledger.jobs.with_key(key, executor):
        if job.state == "cancelled":
            continue
        if executor == "queue":
            return job
        if not ledger.jobs.is_finished(job.id) and ledger.jobs.take(job.id):
            return job
    return None


def _job_digest(base: str, options: JobOptions, network: str) -> hashlib._Hash:
    head = json.dumps([options.key(), network]).encode()
    return hashlib.sha256(head + os.fsencode(base))


def _record_pages(
    ledger: Ledger,
    job_id: str,
    documents: Iterator[str],
    base: str,
    digest: hashlib._Hash,
    on_recorded: Callable[[int], None],
) -> str:
    recorded = 0
    chunk: list[NewPage] = []
    opener = storage.Storage()
    for document in documents:
        for page, part in _pages_of(document, base, opener):
            digest.update(part)
            chunk.append(page)
            if len(chunk) == _INSERT_CHUNK:
                ledger.pages.add(job_id, chunk)
                ledger.jobs.keep(job_id)
                recorded += len(chunk)
                on_recorded(recorded)
                chunk = []
    ledger.pages.add(job_id, chunk)
    on_recorded(recorded + len(chunk))
    return digest.hexdigest()


def _pages_of(document: str, base: str, opener: storage.Storage) -> Iterator[tuple[NewPage, bytes]]:
    """Yield the pages of a document, each with what it adds to the job's idempotency key."""
    name = os.fsencode(document) + b"\0"
    try:
        with opener.local(base, document) as path:
            pages = count_pages(path)
            with path.open("rb") as stream:
                content = hashlib.file_digest(stream, "sha256").digest()
            weight = weight_of(path.stat().st_size, pages)
    except DocumentError as error:
        failure = PageFailure(error.code, error.message, error.hint)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        failure = PageFailure("unreadable", f"{printable(document)}: it cannot be read: {reason}")
    else:
        for page in range(1, pages + 1):
            yield NewPage(document, page, weight), name + content if page == 1 else b""
        return
    yield NewPage(document, 1, failure=failure), name + failure.code.encode()
