"""``digits run``: a whole job on this machine."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import click

from extractor.export import Format
from worker import jobs, local
from worker.cli.messages import progress, say, summary
from worker.cli.options import Reading, output_options, paths_argument, reading_options, workers_option
from worker.cli.output import Destination, deliver
from worker.ledger import Ledger
from worker.logs import set_up_logging
from worker.pages import network_sha256
from worker.records import Counts
from worker.settings import Settings, load_settings


@click.command("run")
@paths_argument
@reading_options
@output_options
@workers_option
def run_command(
    paths: tuple[Path | str, ...],
    reading: Reading,
    output_format: Format,
    output: Path | None,
    overlays: Path | None,
    report: Path | None,
    workers: int,
) -> int:
    """Read files and folders on this machine.

    PATH is a PNG, JPEG, TIFF or PDF file, a folder of them, or a URL of either that fsspec knows. The same command
    given again after an interruption goes on where it stopped; after a complete run it reads everything anew.
    """
    set_up_logging()
    settings = load_settings()
    destination = Destination(output_format, output, overlays, report)
    destination.check()
    options = reading.options(settings)
    network = network_sha256(settings)
    with _interruptible(), Ledger(settings.ledger_url, settings.connect_timeout) as ledger:
        submission = jobs.submit(ledger, paths, options, executor="local", network=network, name=reading.name)
        job = submission.job
        if submission.is_earlier:
            say(f"going on with job {job.id}, which was interrupted: {summary(submission.counts)}")
        counts = read_locally(ledger, settings, job.id, workers)
        deliver(ledger, job, destination)
    say(f"job {job.id}: {summary(counts)}")
    return counts.exit_code()


def read_locally(ledger: Ledger, settings: Settings, job_id: str, workers: int) -> Counts:
    """Run a job that the calling process holds, with progress, and let it go.

    Raises:
        KeyboardInterrupt: After a line that says how to go on.
    """
    try:
        with progress() as update:
            return local.run_job(ledger, settings, job_id, workers, update)
    except KeyboardInterrupt:
        say(f"job {job_id} is not finished; the same command goes on with it")
        raise
    finally:
        ledger.jobs.let_go(job_id)


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Take SIGTERM as what Ctrl-C is: stop at once, in order."""
    previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
