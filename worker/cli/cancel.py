"""``digits cancel``: stop a job before its next page."""

from __future__ import annotations

import click

from worker.cli.messages import say
from worker.cli.options import job_argument
from worker.ledger import Ledger
from worker.logs import set_up_logging
from worker.settings import load_settings


@click.command("cancel")
@job_argument
def cancel_command(job: str) -> None:
    """Stop a job before its next page; what was read stays, and `digits retry` goes on with the rest.

    JOB is a job's id or name. It works whether or not workers are running, and any number of times.
    """
    set_up_logging()
    settings = load_settings()
    with Ledger(settings.ledger_url, settings.connect_timeout) as ledger:
        found = ledger.jobs.find(job)
        cancelled = ledger.jobs.cancel(found.id)
    say(f"job {found.id}: {cancelled} pages cancelled")
