"""``digits retry``: read failed and cancelled pages again."""

from __future__ import annotations

import click

from extractor.errors import UsageError
from worker.cli.messages import say, summary
from worker.cli.options import job_argument, workers_option
from worker.cli.run import read_locally
from worker.ledger import Ledger
from worker.logs import set_up_logging
from worker.settings import load_settings


@click.command("retry")
@job_argument
@click.option("--failed", is_flag=True, help="Only the failed pages, not the cancelled ones.")
@workers_option
def retry_command(job: str, failed: bool, workers: int) -> int:
    """Read a job's failed and cancelled pages again; pages that were read stay as they are.

    JOB is a job's id or name. A job of `digits run` is read here and now; one of `digits submit` goes to the workers.
    """
    set_up_logging()
    settings = load_settings()
    with Ledger(settings.ledger_url, settings.connect_timeout) as ledger:
        found = ledger.jobs.find(job)
        if found.executor == "local":
            if not ledger.jobs.take(found.id):
                raise UsageError(f"job {found.id} is being read by another process", "wait for it")
            queued = ledger.jobs.retry(found.id, failed_only=failed)
            counts = read_locally(ledger, settings, found.id, workers)
            say(f"job {found.id}: {queued} pages were read again; {summary(counts)}")
            return counts.exit_code()
        from worker.broker import Broker
        from worker.dispatch import send_job

        with Broker(settings) as broker:
            queued = ledger.jobs.retry(found.id, failed_only=failed)
            if queued:
                send_job(ledger, broker, found.id)
    say(f"job {found.id}: {queued} pages wait again")
    return 0
