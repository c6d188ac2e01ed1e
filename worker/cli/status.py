"""``digits status`` and ``digits jobs``: how far jobs are."""

from __future__ import annotations

import json
import time

import click

from extractor.names import printable
from worker.cli.messages import summary
from worker.ledger import Ledger
from worker.logs import set_up_logging
from worker.records import Counts, Job
from worker.settings import load_settings

format_option = click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="For people, or one JSON object a line for programs.",
)


@click.command("status")
@click.argument("job", metavar="[JOB]", required=False)
@format_option
def status_command(job: str | None, output_format: str) -> int:
    """Show how far a job is: the latest when none is named.

    JOB is a job's id or name. The exit code is that of the results: 0 when all pages are read, 1 when some failed or
    are still to be read, 65 when none is read.
    """
    set_up_logging()
    settings = load_settings()
    with Ledger(settings.ledger_url, settings.connect_timeout) as ledger:
        if job is None:
            latest = ledger.jobs.latest(1)
            if not latest:
                click.echo("digits: there are no jobs", err=True)
                return 0
            found = latest[0]
        else:
            found = ledger.jobs.find(job)
        counts = ledger.jobs.count(found.id)
    click.echo(
        _as_json(found, counts)
        if output_format == "json"
        else f"{found.id}  {_state(found, counts)}: {summary(counts)}"
    )
    return counts.exit_code()


@click.command("jobs")
@format_option
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="At most so many.")
def jobs_command(output_format: str, limit: int) -> None:
    """List the latest jobs, latest first."""
    set_up_logging()
    settings = load_settings()
    with Ledger(settings.ledger_url, settings.connect_timeout) as ledger:
        jobs = ledger.jobs.latest(limit)
        counts = ledger.jobs.counts([job.id for job in jobs])
    for job in jobs:
        if output_format == "json":
            click.echo(_as_json(job, counts[job.id]))
        else:
            created = time.strftime("%Y-%m-%d %H:%M", time.localtime(job.created))
            name = f"  {printable(job.name)}" if job.name else ""
            state = _state(job, counts[job.id])
            click.echo(f"{job.id}  {created}  {job.executor:<5}  {state:<10}  {summary(counts[job.id])}{name}")


def _state(job: Job, counts: Counts) -> str:
    if job.state != "active":
        return job.state
    return "unfinished" if counts.unfinished else "finished"


def _options(job: Job) -> dict[str, object]:
    """Options of a job, of each template its file only."""
    templates = job.options.get("templates")
    return job.options | ({"templates": [item["name"] for item in templates]} if templates else {})


def _as_json(job: Job, counts: Counts) -> str:
    return json.dumps(
        {
            "job": job.id,
            "name": printable(job.name),
            "executor": job.executor,
            "state": _state(job, counts),
            "created": job.created,
            "options": _options(job),
            "network": job.network,
            "pages": {
                "total": counts.total,
                "queued": counts.queued,
                "running": counts.running,
                "done": counts.done,
                "failed": counts.failed,
                "cancelled": counts.cancelled,
            },
        }
    )
