"""What the ledger's rows look like to the rest of the program."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from extractor.errors import ExitCode
from extractor.readings import PageFailure, PageReading

PageState = Literal["queued", "running", "done", "failed", "cancelled"]
JobState = Literal["submitting", "active", "cancelled"]
Executor = Literal["local", "queue"]

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")

FINAL: tuple[PageState, ...] = ("done", "failed", "cancelled")
UNFINISHED: tuple[PageState, ...] = ("queued", "running")


@dataclass(frozen=True, slots=True)
class Job:
    """A job, without its pages.

    Attributes:
        id: Twelve hexadecimal digits.
        name: What the user calls it; may be empty.
        state: ``submitting`` while its pages are being recorded, then ``active``; ``cancelled`` for good until retried.
        executor: Whether local processes or queue workers read it.
        base: Folder that its documents' names are relative to.
        options: Reading options, as `extractor.reader.ReadOptions` names them.
        network: SHA-256 of the network that reads it.
        created: Seconds since the epoch.
        runner: Owner string of the process that runs a local job; None when none does.
        runner_until: When that process counts as gone.
    """

    id: str
    name: str
    state: JobState
    executor: Executor
    base: str
    options: dict[str, Any]
    network: str
    created: float
    runner: str | None
    runner_until: float


@dataclass(frozen=True, slots=True)
class Counts:
    """How many pages of a job are in each state."""

    queued: int = 0
    running: int = 0
    done: int = 0
    failed: int = 0
    cancelled: int = 0

    @property
    def total(self) -> int:
        """All pages."""
        return self.finished + self.unfinished

    @property
    def finished(self) -> int:
        """Pages in a final state."""
        return self.done + self.failed + self.cancelled

    @property
    def unfinished(self) -> int:
        """Pages still to be read."""
        return self.queued + self.running

    def exit_code(self) -> ExitCode:
        """Exit code of a command that delivers these pages."""
        if self.done == self.total and self.total:
            return ExitCode.OK
        return ExitCode.SOME_PAGES_FAILED if self.done else ExitCode.NO_PAGE_READ


@dataclass(frozen=True, slots=True)
class NewPage:
    """A page to be recorded.

    Attributes:
        document: The file as the user named it.
        page: Page number from 1.
        weight: Estimated work, see `worker.batches`.
        failure: Why it cannot be read, when that is known already.
    """

    document: str
    page: int
    weight: int = 1
    failure: PageFailure | None = None


@dataclass(frozen=True, slots=True)
class QueuedPage:
    """A page that waits.

    Attributes:
        id: Its number in the ledger.
        job_id: Its job.
        weight: Estimated work.
        deliveries: How often it was given to a process already.
    """

    id: int
    job_id: str
    weight: int
    deliveries: int


@dataclass(frozen=True, slots=True)
class ClaimedPage:
    """A page that belongs to the caller until its lease ends."""

    id: int
    document: str
    page: int


@dataclass(frozen=True, slots=True)
class StoredPage:
    """A page with what the ledger knows of its result.

    Attributes:
        document: The file as the user named it.
        page: Page number from 1.
        state: Where it stands.
        result: The reading as JSON; None unless done or failed.
    """

    document: str
    page: int
    state: PageState
    result: str | None

    def reading(self) -> PageReading:
        """Return the reading, or one that says why there is none."""
        if self.result is not None:
            return PageReading.from_dict(json.loads(self.result))
        if self.state == "cancelled":
            failure = PageFailure("cancelled", "the job was cancelled before this page was read", "digits retry JOB")
        else:
            failure = PageFailure("waiting", "this page has not been read yet", "digits watch JOB")
        return PageReading(self.document, self.page, error=failure)


def to_json(reading: PageReading) -> str:
    """Return a reading as compact ASCII JSON, so that any name survives in any database."""
    return json.dumps(reading.to_dict(), separators=(",", ":"), ensure_ascii=True)


def is_url(document: str) -> bool:
    """Tell whether a document is named by a URL."""
    return _URL.match(document) is not None


def location(base: str, document: str) -> Path:
    """Return where a document lies, given its job's folder."""
    return Path(os.path.join(base, document))  # noqa: PTH118 - Path would drop the "./" the user wrote
