"""``digits worker``: read queued pages."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from worker.cli.messages import say
from worker.ledger import Ledger
from worker.logs import set_up_logging
from worker.pages import limit_threads, network_sha256
from worker.settings import load_settings, masked


@click.command("worker")
@click.option(
    "--concurrency",
    type=click.IntRange(1, 1024),
    metavar="N",
    help="Processes that read at the same time; one for each core when not given.",
)
@click.option(
    "--log-level",
    type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"]),
    default="INFO",
    show_default=True,
    help="Least level of what the log shows.",
)
def worker_command(concurrency: int | None, log_level: str) -> None:
    """Read queued pages until stopped.

    Any number of workers may run, on any number of machines that see the broker, the ledger and the documents under
    the same paths. SIGTERM finishes the pages at hand first.
    """
    limit_threads()
    set_up_logging(log_level)
    settings = load_settings()
    network_sha256(settings)
    with Ledger(settings.ledger_url, settings.connect_timeout):
        pass
    from worker.broker import Broker

    with Broker(settings):
        pass
    sys.exit(_run_celery(concurrency, log_level, masked(settings.broker_url)))


def _run_celery(concurrency: int | None, log_level: str, shown_broker: str) -> int:
    from celery import signals

    import worker.tasks  # noqa: F401 - registers the task
    from worker.celery_app import app
    from worker.reconciler import Supervisor

    supervisor = Supervisor()

    @signals.worker_ready.connect(weak=False)  # type: ignore[untyped-decorator, unused-ignore]
    def _start(**_arguments: Any) -> None:
        supervisor.start()
        say(f"worker {os.getpid()} is ready at {shown_broker}")

    instance = app.Worker(
        hostname=f"digits-{os.getpid()}@%h",
        concurrency=concurrency,
        pool="prefork",
        loglevel=log_level,
        quiet=True,
        without_gossip=True,
        without_mingle=True,
    )
    try:
        instance.start()
    finally:
        supervisor.stop()
    return int(instance.exitcode or 0)
