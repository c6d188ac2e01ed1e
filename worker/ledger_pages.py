"""The ledger's pages: record, claim, finish, give back, send, stream."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from extractor.readings import PageFailure, PageReading
from worker.ledger_counts import CountChanges
from worker.ledger_schema import Database, jobs_table, lock_in_order, pages_table
from worker.owner import is_gone
from worker.records import UNFINISHED, ClaimedPage, NewPage, PageState, QueuedPage, StoredPage, to_json

_STREAM_CHUNK = 500
_columns = pages_table.c


class PageRows:
    """What is done with pages."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, job_id: str, pages: Sequence[NewPage]) -> None:
        """Record pages in the order wanted, in one transaction; those that cannot be read are failed at once."""
        now = time.time()
        rows = [
            {
                "job_id": job_id,
                "document": page.document,
                "page": page.page,
                "weight": page.weight,
                "state": "queued" if page.failure is None else "failed",
                "queued_at": now,
                "result": None
                if page.failure is None
                else to_json(PageReading(page.document, page.page, error=page.failure)),
            }
            for page in pages
        ]
        if not rows:
            return
        failed = sum(page.failure is not None for page in pages)
        changes = CountChanges()
        changes.add(job_id, "queued", len(pages) - failed)
        changes.add(job_id, "failed", failed)
        with self._database.write() as connection:
            connection.execute(pages_table.insert(), rows)
            changes.apply(connection)

    def claim(self, job_id: str, page_ids: Sequence[int], owner: str, lease: float, cap: int) -> list[ClaimedPage]:
        """Take pages of an active job, those that are free to take.

        Pages that were delivered before are taken one at a time, so that a page which kills its process cannot use up
        the deliveries of those that happened to travel with it. Pages that the owner has already, because the ledger
        went out of reach before it could store them, are taken again without another count.

        Args:
            job_id: The job they must belong to.
            page_ids: The pages.
            owner: Owner string of the process that will read them.
            lease: Seconds for which they are lent.
            cap: Deliveries after which a page counts as poison.

        Returns:
            The pages taken, in the order of submission.
        """
        now = time.time()
        with self._database.write() as connection:
            query = (
                sa.select(_columns.id, _columns.job_id, _columns.document, _columns.page, _columns.state)
                .add_columns(_columns.deliveries, _columns.owner, _columns.lease_until)
                .join(jobs_table, jobs_table.c.id == _columns.job_id)
                .where(_columns.id.in_(page_ids), _columns.job_id == job_id, jobs_table.c.state == "active")
                .where(_columns.state.in_(UNFINISHED))
                .order_by(_columns.id)
                .with_for_update(of=pages_table)
            )
            rows = connection.execute(query).all()
            mine = [row for row in rows if row.owner == owner]
            free = [row for row in rows if row.owner != owner and (row.state == "queued" or _is_lost(row, now))]
            changes = CountChanges()
            _fail_poison(connection, [row for row in free if row.deliveries >= cap], changes)
            taken = mine or _together([row for row in free if row.deliveries < cap], cap)
            if taken:
                connection.execute(
                    pages_table.update()
                    .where(_columns.id.in_([row.id for row in taken]))
                    .values(
                        state="running",
                        deliveries=_columns.deliveries + (0 if mine else 1),
                        owner=owner,
                        lease_until=now + lease,
                    )
                )
            for row in taken:
                changes.move(job_id, row.state, "running")
            changes.apply(connection)
        return [ClaimedPage(row.id, row.document, row.page) for row in taken]

    def is_mine(self, page_id: int, owner: str) -> bool:
        """Tell whether a page still is the owner's to read: not cancelled, not finished, not given to another."""
        query = sa.select(_columns.state, _columns.owner).where(_columns.id == page_id)
        with self._database.read() as connection:
            row = connection.execute(query).first()
        return row is not None and row.state == "running" and row.owner == owner

    def finish(
        self, results: Sequence[tuple[int, PageReading]], *, keep: Sequence[int] = (), owner: str = "", lease: float = 0
    ) -> int:
        """Store results, and renew the lease of pages still to come, in one transaction.

        Args:
            results: Page ids with their readings.
            keep: Pages of the same owner that it has not come to yet.
            owner: Owner string.
            lease: Seconds for which they are lent from now.

        Returns:
            How many results were stored; one that came too late is dropped.
        """
        if not results and not keep:
            return 0
        readings = dict(results)
        changes = CountChanges()
        query = (
            sa.select(_columns.id, _columns.job_id, _columns.state)
            .where(_columns.id.in_([*readings, *keep]), _columns.state.in_(UNFINISHED))
            .order_by(_columns.id)
            .with_for_update()
        )
        with self._database.write() as connection:
            rows = [row for row in connection.execute(query) if row.id in readings]
            for row in rows:
                changes.move(row.job_id, row.state, _state_after(readings[row.id]))
            if rows:
                connection.execute(
                    _store,
                    [
                        {
                            "page_id": row.id,
                            "new_state": _state_after(readings[row.id]),
                            "new_result": to_json(readings[row.id]),
                        }
                        for row in rows
                    ],
                )
            if keep:
                connection.execute(
                    pages_table.update()
                    .where(_columns.id.in_(keep), _columns.state == "running", _columns.owner == owner)
                    .values(lease_until=time.time() + lease)
                )
            changes.apply(connection)
        return len(rows)

    def release(self, owner: str) -> int:
        """Put an owner's running pages back without counting the delivery."""
        query = (
            sa.select(_columns.id, _columns.job_id)
            .where(_columns.owner == owner, _columns.state == "running")
            .order_by(_columns.id)
            .with_for_update()
        )
        changes = CountChanges()
        with self._database.write() as connection:
            rows = connection.execute(query).all()
            connection.execute(
                pages_table.update()
                .where(_columns.id.in_([row.id for row in rows]))
                .values(state="queued", deliveries=_columns.deliveries - 1, owner=None, lease_until=0.0)
            )
            for row in rows:
                changes.move(row.job_id, "running", "queued")
            changes.apply(connection)
        return len(rows)

    def lose_owner(self, owner: str, cap: int) -> list[QueuedPage]:
        """Put the running pages of a dead process back, or fail them at the cap.

        Returns:
            Those that wait again.
        """
        return self._lose(_columns.owner == owner, cap)

    def lose_job(self, job_id: str, cap: int) -> list[QueuedPage]:
        """Do the same for all running pages of a job whose runner is gone."""
        return self._lose(_columns.job_id == job_id, cap)

    def lose_expired(self, cap: int) -> list[QueuedPage]:
        """Do the same for the running pages of queue jobs whose lease has ended."""
        queue_jobs = sa.select(jobs_table.c.id).where(jobs_table.c.executor == "queue")
        return self._lose(sa.and_(_columns.lease_until < time.time(), _columns.job_id.in_(queue_jobs)), cap)

    def queued(self, job_id: str, after: int = 0, limit: int = _STREAM_CHUNK) -> list[QueuedPage]:
        """Return pages of a job that wait, in the order of submission, beginning after a page id."""
        query = (
            _queued_query()
            .where(_columns.job_id == job_id, _columns.state == "queued", _columns.id > after)
            .order_by(_columns.id)
            .limit(limit)
        )
        with self._database.read() as connection:
            return [_queued_page(row) for row in connection.execute(query)]

    def take_unsent(self, *, sent_before: float, queued_before: float, moment: float, limit: int) -> list[QueuedPage]:
        """Return waiting pages of queue jobs that no message can be under way for, and note that they are sent now.

        They are noted before they are sent, so that of several who look at the same time one alone sends them. Should
        it die in between, they are found again in time.

        Args:
            sent_before: Messages sent before this moment are not in the queue any more.
            queued_before: Pages queued later than this may be about to be sent by whoever queued them.
            moment: When they are sent.
            limit: At most so many.
        """
        query = (
            _queued_query()
            .join(jobs_table, jobs_table.c.id == _columns.job_id)
            .where(jobs_table.c.executor == "queue", jobs_table.c.state == "active")
            .where(_columns.state == "queued", _columns.sent_at < sent_before, _columns.queued_at < queued_before)
            .order_by(_columns.sent_at, _columns.id)
            .limit(limit)
        )
        with self._database.read() as connection:
            # Nearly always there are none, and whoever only looks must not wait for those who write.
            if connection.execute(query.limit(1)).first() is None:
                return []
        with self._database.write() as connection:
            rows = connection.execute(query.with_for_update(of=pages_table, skip_locked=True)).all()
            chosen = _columns.id.in_([row.id for row in rows])
            connection.execute(pages_table.update().where(chosen).values(sent_at=moment))
        return [_queued_page(row) for row in rows]

    def owners(self) -> list[str]:
        """Return the owners of running pages of queue jobs."""
        query = (
            sa.select(_columns.owner)
            .join(jobs_table, jobs_table.c.id == _columns.job_id)
            .where(_columns.state == "running", jobs_table.c.executor == "queue")
            .distinct()
        )
        with self._database.read() as connection:
            return [owner for owner in connection.scalars(query) if owner is not None]

    def mark_sent(self, page_ids: Sequence[int], moment: float) -> None:
        """Note when the message of pages was sent."""
        of_message = _columns.id.in_(page_ids)
        with self._database.write() as connection:
            lock_in_order(connection, of_message)
            connection.execute(pages_table.update().where(of_message).values(sent_at=moment))

    def oldest_waiting(self) -> float | None:
        """Return since when the longest waiting page of a queue job has waited, or None when none waits."""
        query = (
            sa.select(sa.func.min(_columns.queued_at))
            .join(jobs_table, jobs_table.c.id == _columns.job_id)
            .where(_columns.state == "queued", jobs_table.c.executor == "queue", jobs_table.c.state == "active")
        )
        with self._database.read() as connection:
            moment: float | None = connection.scalar(query)
        return moment

    def stream(self, job_id: str) -> Iterator[StoredPage]:
        """Yield a job's pages in the order of submission, holding a few hundred at a time."""
        after = 0
        while True:
            query = (
                sa.select(_columns.id, _columns.document, _columns.page, _columns.state, _columns.result)
                .where(_columns.job_id == job_id, _columns.id > after)
                .order_by(_columns.id)
                .limit(_STREAM_CHUNK)
            )
            with self._database.read() as connection:
                rows = connection.execute(query).all()
            for row in rows:
                yield StoredPage(row.document, row.page, row.state, row.result)
            if len(rows) < _STREAM_CHUNK:
                return
            after = rows[-1].id

    def _lose(self, condition: sa.ColumnElement[bool], cap: int) -> list[QueuedPage]:
        back: list[QueuedPage] = []
        query = (
            sa.select(_columns.id, _columns.document, _columns.page, _columns.deliveries)
            .add_columns(_columns.job_id, _columns.weight, _columns.state)
            .where(condition, _columns.state == "running")
            .order_by(_columns.id)
            .limit(_STREAM_CHUNK)
            .with_for_update()
        )
        found = _STREAM_CHUNK
        while found == _STREAM_CHUNK:
            changes = CountChanges()
            with self._database.write() as connection:
                rows = connection.execute(query).all()
                found = len(rows)
                _fail_poison(connection, [row for row in rows if row.deliveries >= cap], changes)
                lost = [row for row in rows if row.deliveries < cap]
                connection.execute(
                    pages_table.update()
                    .where(_columns.id.in_([row.id for row in lost]))
                    .values(state="queued", owner=None, lease_until=0.0, queued_at=time.time(), sent_at=0.0)
                )
                for row in lost:
                    changes.move(row.job_id, "running", "queued")
                changes.apply(connection)
            back += [_queued_page(row) for row in lost]
        return back


_store = (
    pages_table.update()
    .where(_columns.id == sa.bindparam("page_id"))
    .values(state=sa.bindparam("new_state"), result=sa.bindparam("new_result"), owner=None, lease_until=0.0)
)


def _state_after(reading: PageReading) -> PageState:
    return "done" if reading.error is None else "failed"


def _queued_query() -> sa.Select[Any]:
    return sa.select(_columns.id, _columns.job_id, _columns.weight, _columns.deliveries)


def _queued_page(row: sa.Row[Any]) -> QueuedPage:
    return QueuedPage(row.id, row.job_id, row.weight, row.deliveries)


def _together(rows: list[sa.Row[Any]], cap: int) -> list[sa.Row[Any]]:
    fresh = [row for row in rows if row.deliveries == 0] if cap > 1 else []
    return fresh or rows[:1]


def _is_lost(row: sa.Row[Any], now: float) -> bool:
    return row.lease_until < now or (row.owner is not None and is_gone(row.owner))


def _fail_poison(connection: sa.Connection, rows: Iterable[sa.Row[Any]], changes: CountChanges) -> None:
    for row in rows:
        changes.move(row.job_id, row.state, "failed")
        times = "once" if row.deliveries == 1 else f"{row.deliveries} times"
        failure = PageFailure(
            "poison",
            f"the process that read this page was lost {times}",
            "open the file and save it anew, or lower --dpi; digits retry tries again",
        )
        connection.execute(
            pages_table.update()
            .where(_columns.id == row.id)
            .values(
                state="failed",
                owner=None,
                lease_until=0.0,
                result=to_json(PageReading(row.document, row.page, error=failure)),
            )
        )
