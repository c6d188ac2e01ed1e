"""The ledger's jobs: create, find, count, hold, cancel, delete."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from extractor.errors import UsageError
from worker.ledger_counts import (
    CountChanges,
    UnfinishedJob,
    begin_counting,
    cancel_unfinished,
    end_counting,
    read_counts,
    unfinished_queue_jobs,
)
from worker.ledger_schema import Database, jobs_table, lock_in_order, pages_table
from worker.owner import is_gone, this_process
from worker.records import UNFINISHED, Counts, Executor, Job, JobState, PageState

RUNNER_LEASE = 60.0
"""Seconds after which the runner of a local job on another machine counts as gone."""

_DELETE_CHUNK = 5000


class JobRows:
    """What is done with jobs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, *, name: str, executor: Executor, base: str, options: Mapping[str, Any], network: str) -> str:
        """Record a job that has no pages yet, held by the calling process.

        Returns:
            Its id.
        """
        job_id = secrets.token_hex(6)
        now = time.time()
        row = {
            "id": job_id,
            "name": name,
            "executor": executor,
            "state": "submitting",
            "base": base,
            "options": json.dumps(dict(options), sort_keys=True),
            "network": network,
            "created": now,
            "runner": this_process(),
            "runner_until": now + RUNNER_LEASE,
        }
        with self._database.write() as connection:
            connection.execute(jobs_table.insert(), row)
            begin_counting(connection, job_id)
        return job_id

    def activate(self, job_id: str, idempotency_key: str) -> None:
        """Say that all pages of a job are recorded; a queue job is let go by its submitter."""
        values = {"state": "active", "idempotency_key": idempotency_key}
        with self._database.write() as connection:
            connection.execute(jobs_table.update().where(jobs_table.c.id == job_id).values(**values))
            connection.execute(
                jobs_table.update()
                .where(jobs_table.c.id == job_id, jobs_table.c.executor == "queue")
                .values(runner=None, runner_until=0.0)
            )

    def get(self, job_id: str) -> Job | None:
        """Return a job by its id."""
        with self._database.read() as connection:
            row = connection.execute(sa.select(jobs_table).where(jobs_table.c.id == job_id)).first()
        return None if row is None else _job(row)

    def find(self, reference: str) -> Job:
        """Return the job that a user means.

        Args:
            reference: Its id, or its name; of several of one name the latest is meant.

        Raises:
            UsageError: There is none.
        """
        job = self.get(reference)
        if job is not None:
            return job
        query = (
            sa.select(jobs_table)
            .where(jobs_table.c.name == reference, jobs_table.c.name != "", jobs_table.c.state != "submitting")
            .order_by(jobs_table.c.created.desc())
            .limit(1)
        )
        with self._database.read() as connection:
            row = connection.execute(query).first()
        if row is None:
            raise UsageError(f"there is no job {reference!r}", "digits jobs lists them")
        return _job(row)

    def with_key(self, idempotency_key: str, executor: Executor) -> list[Job]:
        """Return the jobs with the same input, options and network, latest first."""
        query = (
            sa.select(jobs_table)
            .where(jobs_table.c.idempotency_key == idempotency_key, jobs_table.c.executor == executor)
            .order_by(jobs_table.c.created.desc())
        )
        with self._database.read() as connection:
            return [_job(row) for row in connection.execute(query)]

    def latest(self, limit: int) -> list[Job]:
        """Return the jobs made last, latest first."""
        query = sa.select(jobs_table).order_by(jobs_table.c.created.desc(), jobs_table.c.id).limit(limit)
        with self._database.read() as connection:
            return [_job(row) for row in connection.execute(query)]

    def created_before(self, moment: float) -> list[Job]:
        """Return the jobs made before a moment, oldest first."""
        query = sa.select(jobs_table).where(jobs_table.c.created < moment).order_by(jobs_table.c.created)
        with self._database.read() as connection:
            return [_job(row) for row in connection.execute(query)]

    def counts(self, job_ids: Sequence[str]) -> dict[str, Counts]:
        """Return how many pages of jobs are in each state, at a cost that does not grow with the jobs."""
        with self._database.read() as connection:
            return read_counts(connection, job_ids)

    def count(self, job_id: str) -> Counts:
        """Return how many pages of one job are in each state."""
        return self.counts([job_id])[job_id]

    def unfinished(self) -> list[UnfinishedJob]:
        """Return the active queue jobs with pages that wait or are being read, oldest first."""
        with self._database.read() as connection:
            return unfinished_queue_jobs(connection)

    def is_finished(self, job_id: str) -> bool:
        """Tell whether no page of a job is queued or running, at a cost that does not grow with the job."""
        query = sa.select(sa.exists().where(pages_table.c.job_id == job_id, pages_table.c.state.in_(UNFINISHED)))
        with self._database.read() as connection:
            return not connection.scalar(query)

    def take(self, job_id: str) -> bool:
        """Become the runner of a local job, unless another process is.

        Returns:
            Whether the calling process now is the runner.
        """
        me, now = this_process(), time.time()
        with self._database.write() as connection:
            query = sa.select(jobs_table.c.runner, jobs_table.c.runner_until).where(jobs_table.c.id == job_id)
            row = connection.execute(query.with_for_update()).first()
            if row is None:
                return False
            held = row.runner is not None and row.runner != me and row.runner_until > now and not is_gone(row.runner)
            if not held:
                self._hold(connection, job_id, me, now + RUNNER_LEASE)
        return not held

    def keep(self, job_id: str) -> None:
        """Renew the calling process's hold on a job."""
        me = this_process()
        with self._database.write() as connection:
            connection.execute(
                jobs_table.update()
                .where(jobs_table.c.id == job_id, jobs_table.c.runner == me)
                .values(runner_until=time.time() + RUNNER_LEASE)
            )

    def let_go(self, job_id: str) -> None:
        """Give up the calling process's hold on a job."""
        with self._database.write() as connection:
            connection.execute(
                jobs_table.update()
                .where(jobs_table.c.id == job_id, jobs_table.c.runner == this_process())
                .values(runner=None, runner_until=0.0)
            )

    def cancel(self, job_id: str) -> int:
        """Cancel a job: no page that is not finished will be.

        Returns:
            How many pages were cancelled.

        Raises:
            UsageError: Its pages are still being recorded.
        """
        unfinished = sa.and_(pages_table.c.job_id == job_id, pages_table.c.state.in_(UNFINISHED))
        with self._database.write() as connection:
            lock_in_order(connection, unfinished)
            # One statement for both states: a page that changes between two would escape.
            cancelled = connection.execute(
                pages_table.update().where(unfinished).values(state="cancelled", owner=None, lease_until=0.0)
            ).rowcount
            _set_state(connection, job_id, "cancelled")
            cancel_unfinished(connection, job_id, cancelled)
            return cancelled

    def retry(self, job_id: str, *, failed_only: bool) -> int:
        """Queue a job's failed and cancelled pages again, as if they had never been delivered.

        Args:
            job_id: The job.
            failed_only: Leave the cancelled ones.

        Returns:
            How many pages were queued.

        Raises:
            UsageError: Its pages are still being recorded.
        """
        states: tuple[PageState, ...] = ("failed",) if failed_only else ("failed", "cancelled")
        of_job = pages_table.c.job_id == job_id
        fresh = {"state": "queued", "deliveries": 0, "queued_at": time.time(), "sent_at": 0.0, "result": None}
        changes = CountChanges()
        queued = 0
        with self._database.write() as connection:
            lock_in_order(connection, sa.and_(of_job, pages_table.c.state.in_(states)))
            for state in states:
                again = pages_table.update().where(of_job, pages_table.c.state == state).values(owner=None, **fresh)
                number = connection.execute(again).rowcount
                changes.move(job_id, state, "queued", number)
                queued += number
            if queued:
                _set_state(connection, job_id, "active")
            changes.apply(connection, moved=True)
        return queued

    def delete(self, job_id: str) -> None:
        """Delete a job and its results, in short transactions that let others write in between."""
        page_ids = sa.select(pages_table.c.id).where(pages_table.c.job_id == job_id).limit(_DELETE_CHUNK)
        deleted = _DELETE_CHUNK
        while deleted == _DELETE_CHUNK:
            with self._database.write() as connection:
                deleted = connection.execute(pages_table.delete().where(pages_table.c.id.in_(page_ids))).rowcount
        with self._database.write() as connection:
            end_counting(connection, job_id)
            connection.execute(jobs_table.delete().where(jobs_table.c.id == job_id))

    def abandoned_submissions(self) -> list[Job]:
        """Return jobs whose submitter died before all their pages were recorded."""
        query = sa.select(jobs_table).where(jobs_table.c.state == "submitting")
        now = time.time()
        with self._database.read() as connection:
            jobs = [_job(row) for row in connection.execute(query)]
        return [job for job in jobs if not is_held(job, now)]

    @staticmethod
    def _hold(connection: sa.Connection, job_id: str, runner: str, until: float) -> None:
        connection.execute(
            jobs_table.update().where(jobs_table.c.id == job_id).values(runner=runner, runner_until=until)
        )


def is_held(job: Job, now: float) -> bool:
    """Tell whether a living process runs or submits a job."""
    return job.runner is not None and job.runner_until > now and not is_gone(job.runner)


def _set_state(connection: sa.Connection, job_id: str, state: JobState) -> None:
    recorded = jobs_table.update().where(jobs_table.c.id == job_id, jobs_table.c.state != "submitting")
    if not connection.execute(recorded.values(state=state)).rowcount:
        raise UsageError(f"job {job_id} is still being recorded", "stop digits submit, or wait for it")


def _job(row: sa.Row[Any]) -> Job:
    return Job(
        id=row.id,
        name=row.name,
        state=row.state,
        executor=row.executor,
        base=row.base,
        options=json.loads(row.options),
        network=row.network,
        created=row.created,
        runner=row.runner,
        runner_until=row.runner_until,
    )
