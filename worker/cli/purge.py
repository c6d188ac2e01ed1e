"""``digits purge``: delete finished jobs."""

from __future__ import annotations

import click

from worker import jobs
from worker.cli.messages import say
from worker.ledger import Ledger
from worker.logs import set_up_logging
from worker.settings import load_settings


@click.command("purge")
@click.argument("names", metavar="[JOB]...", nargs=-1)
@click.option(
    "--older-than", type=click.FloatRange(0), default=0.0, metavar="DAYS", help="Only jobs made so many days ago."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
def purge_command(names: tuple[str, ...], older_than: float, yes: bool) -> None:
    """Delete finished jobs and their results: those named, or all.

    A job that is not finished is never touched. Documents are not touched either.
    """
    set_up_logging()
    settings = load_settings()
    with Ledger(settings.ledger_url, settings.connect_timeout) as ledger:
        chosen = jobs.purgeable(ledger, older_than)
        if names:
            named = {ledger.jobs.find(name).id for name in names}
            for job_id in sorted(named - {job.id for job in chosen}):
                say(f"job {job_id} stays: it is not finished, or too young")
            chosen = [job for job in chosen if job.id in named]
        if not chosen:
            say("there is nothing to delete")
            return
        if not yes:
            click.confirm(f"Delete {len(chosen)} jobs and their results?", abort=True, err=True)
        for job in chosen:
            jobs.purge(ledger, job)
    say(f"deleted {len(chosen)} jobs")
