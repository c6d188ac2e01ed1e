"""``digits worker``: read queued pages."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Sequence
from typing import Any

import click

from worker.cli.messages import say
from worker.cli.options import log_format_option
from worker.ledger import Ledger
from worker.logs import set_up_logging
from worker.pages import limit_threads, network_sha256
from worker.settings import LogFormat, load_settings, masked


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
@log_format_option
@click.option(
    "--metrics-port",
    type=click.IntRange(1, 65535),
    metavar="PORT",
    help="Serve Prometheus metrics at this port of DIGITS_METRICS_HOST; DIGITS_METRICS_PORT when not given.",
)
def worker_command(
    concurrency: int | None, log_level: str, log_format: LogFormat | None, metrics_port: int | None
) -> None:
    """Read queued pages until stopped.

    Any number of workers may run, on any number of machines that see the broker, the ledger and the documents under
    the same paths. SIGTERM finishes the pages at hand first.
    """
    limit_threads()
    # The processes beside and below this one read the environment.
    for variable, value in (("DIGITS_LOG_FORMAT", log_format), ("DIGITS_METRICS_PORT", metrics_port)):
        if value is not None:
            os.environ[variable] = str(value)
    set_up_logging(log_level)
    settings = load_settings()
    network_sha256(settings)
    with Ledger(settings.ledger_url, settings.connect_timeout):
        pass
    from worker.broker import Broker

    with Broker(settings):
        pass
    with contextlib.ExitStack() as stack:
        modules = ["worker.reconciler"]
        if settings.metrics_port is not None:
            from worker.metrics import metrics_folder

            stack.enter_context(metrics_folder(settings))
            modules.append("worker.exporter")
        code = _run_celery(concurrency, log_level, masked(settings.broker_url), modules)
    sys.exit(code)


def _run_celery(concurrency: int | None, log_level: str, shown_broker: str, modules: Sequence[str]) -> int:
    from celery import signals

    import worker.tasks  # noqa: F401 - registers the task
    from worker.celery_app import app
    from worker.reconciler import Supervisor

    supervisors = [Supervisor(module) for module in modules]

    @signals.worker_ready.connect(weak=False)  # type: ignore[untyped-decorator, unused-ignore]
    def _start(**_arguments: Any) -> None:
        for supervisor in supervisors:
            supervisor.start()
        say(f"worker {os.getpid()} is ready at {shown_broker}")

    instance = app.Worker(
        hostname=f"digits-{os.getpid()}@{socket.gethostname()}",
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
        for supervisor in supervisors:
            supervisor.stop()
    return int(instance.exitcode or 0)
