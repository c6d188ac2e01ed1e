"""How many pages of each job are in each state: kept beside the pages, so that a look at a job reads one row of it.

Whoever changes the state of pages says so here, in the same transaction, as its last act: then a counter's row is
locked for no longer than the commit takes, and always after the pages' rows, so that no two transactions wait for each
other.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from worker.ledger_schema import counts_table, jobs_table
from worker.records import Counts, PageState

_STATES: tuple[PageState, ...] = ("queued", "running", "done", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class UnfinishedJob:
    """How a queue job that is not finished gets on.

    Attributes:
        id: The job.
        queued: Pages that wait.
        running: Pages that are being read.
        moved: When its last page was done or failed, or it was made or retried; seconds since the epoch.
    """

    id: str
    queued: int
    running: int
    moved: float


class CountChanges:
    """What one transaction changes in the numbers of pages."""

    def __init__(self) -> None:
        self._changes: defaultdict[str, Counter[PageState]] = defaultdict(Counter)

    def add(self, job_id: str, state: PageState, number: int = 1) -> None:
        """Note new pages."""
        self._changes[job_id][state] += number

    def move(self, job_id: str, before: PageState, after: PageState, number: int = 1) -> None:
        """Note pages that go from one state to another."""
        self._changes[job_id][before] -= number
        self._changes[job_id][after] += number

    def apply(self, connection: sa.Connection, *, moved: bool = False) -> None:
        """Write the changes down; the transaction may do nothing after it.

        Args:
            connection: With the transaction that changed the pages.
            moved: Whether the jobs have moved even though no page was done or failed.
        """
        for job_id, changes in sorted(self._changes.items()):
            values: dict[str, Any] = {
                state: counts_table.c[state] + number for state, number in changes.items() if number
            }
            if moved or changes["done"] > 0 or changes["failed"] > 0:
                values["moved"] = time.time()
            if values:
                connection.execute(counts_table.update().where(counts_table.c.job_id == job_id).values(values))


def begin_counting(connection: sa.Connection, job_id: str) -> None:
    """Write down a new job without pages."""
    connection.execute(counts_table.insert().values(job_id=job_id))


def end_counting(connection: sa.Connection, job_id: str) -> None:
    """Forget a job."""
    connection.execute(counts_table.delete().where(counts_table.c.job_id == job_id))


def cancel_unfinished(connection: sa.Connection, job_id: str, cancelled: int) -> None:
    """Write down that all of a job's waiting and running pages, so many, were cancelled."""
    connection.execute(
        counts_table.update()
        .where(counts_table.c.job_id == job_id)
        .values(queued=0, running=0, cancelled=counts_table.c.cancelled + cancelled)
    )


def unfinished_queue_jobs(connection: sa.Connection) -> list[UnfinishedJob]:
    """Return the active queue jobs with pages that wait or are being read, oldest first."""
    query = (
        sa.select(jobs_table.c.id, jobs_table.c.created, counts_table)
        .join(counts_table, counts_table.c.job_id == jobs_table.c.id)
        .where(jobs_table.c.executor == "queue", jobs_table.c.state == "active")
        .where(counts_table.c.queued + counts_table.c.running > 0)
        .order_by(jobs_table.c.created)
    )
    return [
        UnfinishedJob(row.id, row.queued, row.running, max(row.moved, row.created)) for row in connection.execute(query)
    ]


def read_counts(connection: sa.Connection, job_ids: Sequence[str]) -> dict[str, Counts]:
    """Return the numbers of some jobs; a job that is not there has no pages."""
    found = dict.fromkeys(job_ids, Counts())
    query = sa.select(counts_table).where(counts_table.c.job_id.in_(job_ids))
    for row in connection.execute(query):
        found[row.job_id] = Counts(**{state: getattr(row, state) for state in _STATES})
    return found
