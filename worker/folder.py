"""A folder that is watched: documents put into it are read once, and each gets a file of results.

The folder is polled, since network mounts tell nobody of changes, and nothing in it is moved or written. A file is
taken when it is whole: its length and time of change have stayed the same for a while and over two looks. What was met
is kept in the ledger, so a restart repeats nothing; see `worker.ledger_folders`.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Literal

from extractor.documents import SUFFIXES
from extractor.errors import DigitsError, UsageError
from extractor.export import write
from extractor.names import printable
from extractor.readings import PageReading
from worker import jobs, local
from worker.files import whole_file
from worker.ledger import Ledger
from worker.ledger_folders import Content, FileState, FolderRows
from worker.records import Executor, Job
from worker.settings import Settings

Format = Literal["json", "jsonl", "csv"]

_ROUND = 100
"""Documents in one job: few enough that the first results do not wait long for the last page."""

_LEASE_MARGIN = 120.0
_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Watch:
    """What a user asks for.

    Attributes:
        folder: Where documents appear; absolute.
        into: Where results are written.
        output_format: Their format.
        options: Reading options.
        name: Name of the jobs; may be empty.
        executor: Who reads: processes of this machine, or queue workers.
        processes: How many processes of this machine.
        settle: Seconds for which a file must stay the same to be whole.
    """

    folder: Path
    into: Path
    output_format: Format
    options: jobs.JobOptions
    name: str
    executor: Executor
    processes: int
    settle: float

    @property
    def key(self) -> str:
        """What tells this folder, read with these options, from others; 64 hexadecimal digits."""
        place = os.fsencode(os.path.realpath(self.folder))
        return hashlib.sha256(place + b"\0" + self.options.key().encode()).hexdigest()


class Stability:
    """Tells which files are whole.

    Args:
        settle: Seconds for which a file must stay the same.
        clock: Seconds of our own, since clocks of file servers differ.
    """

    def __init__(self, settle: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._settle = settle
        self._clock = clock
        self._since: dict[str, tuple[FileState, float]] = {}

    def whole(self, files: Mapping[str, FileState]) -> list[str]:
        """Take note of a look at some files.

        Args:
            files: What they look like now, by name.

        Returns:
            Those that look as they did at an earlier look, and have done so for long enough.
        """
        now = self._clock()
        before = self._since
        self._since = {}
        for name, state in files.items():
            old = before.get(name)
            self._since[name] = old if old is not None and old[0] == state else (state, now)
        return [name for name, (_, since) in self._since.items() if name in before and since <= now - self._settle]

    @property
    def is_waiting(self) -> bool:
        """Whether the last look saw any file."""
        return bool(self._since)


class FolderWatch:
    """Watches a folder for as long as its caller looks.

    Args:
        ledger: The caller's own.
        settings: Limits, and where everything is.
        watch: What to do.
        network: SHA-256 of the network that reads.
        report: Called with a line for people whenever there is something to say.

    Raises:
        UsageError: Another process watches the folder.
    """

    def __init__(
        self, ledger: Ledger, settings: Settings, watch: Watch, network: str, report: Callable[[str], None]
    ) -> None:
        self._ledger = ledger
        self._settings = settings
        self._watch = watch
        self._network = network
        self._report = report
        self._rows = FolderRows(ledger.database, watch.key)
        self._lease = settings.page_lease + _LEASE_MARGIN
        self._keep()
        self._known = self._rows.files()
        self._stability = Stability(watch.settle)
        self._unreadable: set[str] = set()
        self.failed = 0
        """Documents with a page that could not be read, of those delivered by this object."""

    def close(self) -> None:
        """Let another process watch."""
        self._rows.let_go()

    def look(self) -> None:
        """Look at the folder once, have what is new and whole read, and write what results there are.

        Raises:
            UsageError: The folder cannot be listed, or a result cannot be written.
            UnavailableError: The ledger or the broker is out of reach.
        """
        self._keep()
        self._take_in()
        while contents := self._rows.unread(_ROUND):
            self._begin(contents)
            self._deliver()
        self._deliver()

    @property
    def is_waiting(self) -> bool:
        """Whether there are files that were not known to be whole at the last look."""
        return self._stability.is_waiting

    def _keep(self) -> None:
        if not self._rows.take(self._lease):
            raise UsageError(
                f"{printable(str(self._watch.folder))} is watched by another process", "stop that one, or wait for it"
            )

    def _take_in(self) -> None:
        seen = dict(_files_in(self._watch.folder))
        changed = {name: state for name, state in seen.items() if self._known.get(name) != state}
        for name in self._stability.whole(changed):
            try:
                sha256 = _sha256_of_whole(self._watch.folder / name, changed[name])
            except OSError as error:
                if name not in self._unreadable:
                    self._unreadable.add(name)
                    self._report(f"{printable(name)} cannot be read: {error.strerror}; it is tried again")
                continue
            if sha256 is None:  # it is being written after all
                continue
            self._rows.add(name, changed[name], sha256)
            self._known[name] = changed[name]
            self._unreadable.discard(name)

    def _begin(self, contents: list[Content]) -> None:
        """Give contents to a job; the same ones given again after a crash are found to be the same job."""
        folder = self._watch.folder
        for content in contents:
            if not (folder / content.document).is_file():
                self._rows.forget(content.document)
                self._known.pop(content.document, None)
        present = [content for content in contents if content.document in self._known]
        if not present:
            return
        submission = jobs.submit(
            self._ledger,
            [folder / content.document for content in present],
            self._watch.options,
            executor=self._watch.executor,
            network=self._network,
            name=self._watch.name,
        )
        self._rows.give(present, submission.job.id)
        if self._watch.executor == "queue" and not submission.is_earlier:
            from worker.broker import Broker
            from worker.dispatch import send_job

            with Broker(self._settings) as broker:
                send_job(self._ledger, broker, submission.job.id)

    def _deliver(self) -> None:
        for job_id, pairs in self._rows.undelivered().items():
            job = self._ledger.jobs.get(job_id)
            if job is None:  # purged before its results were written
                self._rows.give([content for content, _ in pairs], None)
            elif self._is_finished(job):
                self._write_results(job, pairs)

    def _is_finished(self, job: Job) -> bool:
        if job.executor == "local" and self._ledger.jobs.count(job.id).unfinished and self._ledger.jobs.take(job.id):
            try:
                local.run_job(self._ledger, self._settings, job.id, self._watch.processes, lambda _counts: self._keep())
            finally:
                self._ledger.jobs.let_go(job.id)
        return not self._ledger.jobs.count(job.id).unfinished

    def _write_results(self, job: Job, pairs: list[tuple[Content, str]]) -> None:
        wanted: dict[str, list[tuple[Content, str]]] = {}
        for content, file in pairs:
            wanted.setdefault(str(self._watch.folder / content.document), []).append((content, file))
        for document, group in groupby(jobs.collect(self._ledger, job.id), key=lambda reading: reading.document):
            if document not in wanted:
                continue
            readings = list(group)
            for content, file in wanted.pop(document):
                self._write_result(file, [_renamed(reading, file) for reading in readings])
                self._rows.deliver(file, content.sha256)

    def _write_result(self, file: str, readings: list[PageReading]) -> None:
        target = self._watch.into / _short(file)
        result = target.with_name(f"{target.name}.{self._watch.output_format}")
        failure = target.with_name(f"{target.name}.failed.txt")
        failures = [reading for reading in readings if reading.error is not None]
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if len(failures) < len(readings):
                with whole_file(result) as stream:
                    write(readings, self._watch.output_format, stream)
            else:
                result.unlink(missing_ok=True)
            if failures:
                with whole_file(failure) as stream:
                    stream.writelines(_failure_line(reading) for reading in failures)
            else:
                failure.unlink(missing_ok=True)
        except OSError as error:
            raise UsageError(f"cannot write to {printable(str(target.parent))}: {error.strerror}") from None
        self.failed += bool(failures)
        read = f"{len(readings) - len(failures)} of {len(readings)} pages read"
        self._report(f"{printable(file)}: {read}")


def watch_for_ever(watcher: FolderWatch, interval: float, report: Callable[[str], None]) -> None:
    """Look at intervals; what is out of reach is waited for, and said once.

    Args:
        watcher: The folder.
        interval: Seconds between looks.
        report: Called with a line for people.

    Raises:
        KeyboardInterrupt: Passed on; nothing is half done that the next start would not finish.
    """
    said = ""
    while True:
        try:
            watcher.look()
            said = ""
        except DigitsError as error:
            if str(error) != said:
                said = str(error)
                report(f"{said}; waiting for that")
        time.sleep(interval)


def look_once(watcher: FolderWatch, settle: float) -> None:
    """Look as a timer does that calls again later: files that are not whole by the second look are left for it.

    Raises:
        DigitsError: Something is out of reach.
    """
    watcher.look()
    if watcher.is_waiting:
        time.sleep(settle)
        watcher.look()


def _files_in(folder: Path, inside: str = "") -> Iterator[tuple[str, FileState]]:
    """Yield documents in a folder and its subfolders; hidden ones and links are passed over.

    Raises:
        UsageError: The folder itself cannot be listed.
    """
    try:
        with os.scandir(folder / inside) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        if inside:  # taken away, or closed to us: the rest is looked at all the same
            return
        raise UsageError(f"the folder {printable(str(folder))} cannot be listed: {error.strerror}") from None
    for entry in found:
        name = f"{inside}/{entry.name}" if inside else entry.name
        if entry.name.startswith("."):
            continue
        try:
            if entry.is_dir(follow_symlinks=False):
                yield from _files_in(folder, name)
            elif entry.is_file(follow_symlinks=False) and Path(name).suffix.lower() in SUFFIXES:
                status = entry.stat(follow_symlinks=False)
                yield name, FileState(status.st_size, status.st_mtime_ns)
        except OSError:  # gone between two looks
            continue


def _sha256_of_whole(path: Path, state: FileState) -> str | None:
    """Return a file's SHA-256, or None when it changed while it was read."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        status = os.fstat(stream.fileno())
    return digest if FileState(status.st_size, status.st_mtime_ns) == state else None


def _renamed(reading: PageReading, file: str) -> PageReading:
    error = reading.error
    if error is not None:
        message = error.message.replace(printable(reading.document), printable(file))
        error = replace(error, message=message)
    return replace(reading, document=file, error=error)


def _failure_line(reading: PageReading) -> str:
    assert reading.error is not None
    error = reading.error
    hint = f" ({printable(error.hint)})" if error.hint else ""
    return f"page {reading.page}: {printable(error.message)}{hint} [{error.code}]\n"


def _short(file: str) -> str:
    """Return a name that leaves room for what is appended; a file system allows 255 bytes."""
    folder, slash, name = file.rpartition("/")
    raw = os.fsencode(name)
    if len(raw) > _LONGEST_NAME:
        name = os.fsdecode(raw[: _LONGEST_NAME - 20]) + "-" + hashlib.sha256(raw).hexdigest()[:12]
    return folder + slash + name
