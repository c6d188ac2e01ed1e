"""``digits submit``: queue a job for workers."""

from __future__ import annotations

from pathlib import Path

import click

from extractor.errors import UnavailableError
from worker import jobs
from worker.cli.messages import say, summary
from worker.cli.options import Reading, paths_argument, reading_options
from worker.ledger import Ledger
from worker.logs import set_up_logging
from worker.pages import network_sha256
from worker.settings import load_settings


@click.command("submit")
@paths_argument
@reading_options
@click.option("--again", is_flag=True, help="Record a new job even when the same one was submitted before.")
def submit_command(paths: tuple[Path | str, ...], reading: Reading, again: bool) -> None:
    """Queue files and folders for workers, and print the job's id.

    The same documents with the same options and network are the same job: submitting it again prints the id of the
    earlier one and queues nothing, unless that was cancelled.
    """
    set_up_logging()
    settings = load_settings()
    from worker.broker import Broker
    from worker.dispatch import send_job

    options = reading.options(settings)
    network = network_sha256(settings)
    with Broker(settings) as broker, Ledger(settings.ledger_url, settings.connect_timeout) as ledger:
        submission = jobs.submit(
            ledger, paths, options, executor="queue", network=network, name=reading.name, again=again
        )
        job = submission.job
        click.echo(job.id)
        if submission.is_earlier:
            say(f"the same job was submitted before: {summary(submission.counts)}")
            return
        try:
            send_job(ledger, broker, job.id)
        except UnavailableError as error:
            say(f"job {job.id} is recorded; workers send its other pages themselves once the broker is back")
            raise error from None
    say(f"job {job.id}: {summary(submission.counts)}")
