"""``digits watch``: follow a job until it is finished."""

from __future__ import annotations

import time

import click

from extractor.errors import UnavailableError
from worker import jobs
from worker.cli.messages import progress, say, summary
from worker.cli.options import job_argument
from worker.ledger import Ledger
from worker.logs import set_up_logging
from worker.records import Counts, Job
from worker.settings import Settings, load_settings

_STALLED_SECONDS = 60.0


@click.command("watch")
@job_argument
def watch_command(job: str) -> int:
    """Follow a job until all its pages are read, failed or cancelled; the exit code tells which.

    JOB is a job's id or name. While it watches a queue job it also sends again what the queue has lost. Ctrl-C stops
    watching, not the job.
    """
    set_up_logging()
    settings = load_settings()
    with Ledger(settings.ledger_url, settings.connect_timeout) as ledger:
        found = ledger.jobs.find(job)
        with progress() as show:
            guard = _Guard(ledger, settings, found)

            def look(now: Counts) -> None:
                show(now)
                guard.note(now)

            counts = jobs.watch(
                ledger, found.id, look, tick=guard.tick, trouble=lambda error: say(f"{error}; waiting for it")
            )
    say(f"job {found.id}: {summary(counts)}")
    return counts.exit_code()


class _Guard:
    """Keeps a queue job moving, and says so when it does not move."""

    def __init__(self, ledger: Ledger, settings: Settings, job: Job) -> None:
        self._ledger = ledger
        self._settings = settings
        self._is_queue_job = job.executor == "queue"
        self._finished = -1
        self._moved = self._reconciled = time.monotonic()
        self._said = False

    def note(self, counts: Counts) -> None:
        if counts.finished != self._finished:
            self._finished, self._moved, self._said = counts.finished, time.monotonic(), False
        elif not self._said and time.monotonic() - self._moved > _STALLED_SECONDS:
            self._said = True
            say(f"no page was finished for {_STALLED_SECONDS:.0f} s; digits doctor tells whether workers are there")

    def tick(self) -> None:
        if not self._is_queue_job or time.monotonic() - self._reconciled < self._settings.resend_after / 2:
            return
        self._reconciled = time.monotonic()
        from worker.broker import Broker
        from worker.dispatch import reconcile

        try:
            with Broker(self._settings) as broker:
                reconcile(self._ledger, broker, self._settings)
        except UnavailableError as error:
            say(str(error))
