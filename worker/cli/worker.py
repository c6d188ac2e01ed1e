"""``digits worker``: read queued pages."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from typing import Any, Final, NoReturn

import click

from extractor.errors import UnavailableError
from worker.cli.messages import say
from worker.cli.options import log_format_option
from worker.ledger import Ledger
from worker.logs import set_up_logging
from worker.pages import limit_threads, network_sha256
from worker.settings import LogFormat, Settings, load_settings, masked

_PAUSE: Final = 1.0
"""Seconds between attempts to start again."""


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
        code, gave_up = _run_celery(concurrency, log_level, masked(settings.broker_url), modules)
    if gave_up:
        _start_again(settings)
    sys.exit(code)


def _start_again(settings: Settings) -> NoReturn:
    """Become a new worker, once the broker answers, in place of one that Celery gave up: same number, same parent.

    It happens where a connection breaks at an awkward moment: Kombu's Redis transport may then ask a connection that it
    has already closed for its address, which Celery takes for an error of its own ("Unrecoverable error").
    """
    # Who wants this process to end meanwhile shall not be heard by a handler of the worker that is no more.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)
    from worker.broker import Broker

    say("the worker broke down; it starts again")
    reachable = False
    while not reachable:
        time.sleep(_PAUSE)
        with contextlib.suppress(UnavailableError), Broker(settings), Ledger(settings.ledger_url):
            reachable = True
    os.execv(sys.executable, [sys.executable, "-m", "worker.cli", *sys.argv[1:]])


def _run_celery(concurrency: int | None, log_level: str, shown_broker: str, modules: Sequence[str]) -> tuple[int, bool]:
    """Run Celery's worker; return its exit code, and whether it gave up although nobody had asked it to stop."""
    from celery import signals
    from celery.worker import state

    import worker.tasks  # noqa: F401 - registers the task
    from worker.celery_app import app
    from worker.reconciler import Supervisor

    supervisors = [Supervisor(module) for module in modules]
    was_ready = False

    @signals.worker_ready.connect(weak=False)  # type: ignore[untyped-decorator, unused-ignore]
    def _start(**_arguments: Any) -> None:
        nonlocal was_ready
        was_ready = True
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
    code = int(instance.exitcode or 0)
    # Celery puts an exit code here, which may be 0.
    asked = any(flag is not None and flag is not False for flag in (state.should_stop, state.should_terminate))
    return code, was_ready and code != 0 and not asked
