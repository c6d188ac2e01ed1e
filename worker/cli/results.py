"""``digits results``: write what a job has read."""

from __future__ import annotations

from pathlib import Path

import click

from extractor.export import Format
from worker.cli.messages import say, summary
from worker.cli.options import job_argument, output_options
from worker.cli.output import Destination, deliver
from worker.ledger import Ledger
from worker.logs import set_up_logging
from worker.settings import load_settings


@click.command("results")
@job_argument
@output_options
def results_command(
    job: str, output_format: Format, output: Path | None, overlays: Path | None, report: Path | None
) -> int:
    """Write a job's results in the order of submission; pages without one say why.

    JOB is a job's id or name. Results stay until `digits purge`.
    """
    set_up_logging()
    settings = load_settings()
    destination = Destination(output_format, output, overlays, report)
    destination.check()
    with Ledger(settings.ledger_url, settings.connect_timeout) as ledger:
        found = ledger.jobs.find(job)
        counts = ledger.jobs.count(found.id)
        deliver(ledger, found, destination)
    if counts.unfinished:
        say(f"job {found.id} is not finished: {summary(counts)}")
    return counts.exit_code()
