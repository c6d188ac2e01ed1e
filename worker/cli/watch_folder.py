"""``digits watch-folder``: read whatever is put into a folder."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from types import FrameType

import click

from extractor.errors import ExitCode, UsageError
from extractor.names import printable
from worker.cli.messages import say
from worker.cli.options import Reading, log_format_option, reading_options, workers_option
from worker.folder import FolderWatch, Format, Watch, look_once, watch_for_ever
from worker.ledger import Ledger
from worker.logs import set_up_logging
from worker.pages import network_sha256
from worker.settings import LogFormat, load_settings


@click.command("watch-folder")
@click.argument("folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--into",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="RESULTS",
    help="Folder for the results, one file for each document; it is made when it is not there.",
)
@reading_options
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["json", "jsonl", "csv"]),
    default="json",
    show_default=True,
    help="Format of the results.",
)
@click.option(
    "--queue/--local", "queue", default=False, help="Have queue workers read, or processes of this machine.  [local]"
)
@workers_option
@click.option(
    "--interval",
    type=click.FloatRange(0.1, 3600),
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="Time between two looks at the folder.",
)
@click.option(
    "--settle",
    type=click.FloatRange(0.1, 3600),
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="Time for which a file must stay the same to be taken for whole.",
)
@click.option("--once", is_flag=True, help="Read what is there, and end: for cron and other timers.")
@log_format_option
def watch_folder_command(
    folder: Path,
    into: Path,
    reading: Reading,
    output_format: Format,
    queue: bool,
    workers: int,
    interval: float,
    settle: float,
    once: bool,
    log_format: LogFormat | None,
) -> int:
    """Read documents that are put into a folder, each once, and write a file of results for each.

    Files are taken when they are whole, subfolders too; nothing in DIR is moved or changed. The result of DIR/a/b.png
    is RESULTS/a/b.png.json; where pages failed, RESULTS/a/b.png.failed.txt says why. What was read stays read after a
    restart: a content that was met before is not read again, whatever its file is called. SIGTERM and Ctrl-C stop it;
    what was under way is finished after the next start.
    """
    if log_format is not None:
        os.environ["DIGITS_LOG_FORMAT"] = log_format
    set_up_logging()
    settings = load_settings()
    options = reading.options(settings)
    network = network_sha256(settings)
    try:
        into.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make the folder {printable(str(into))}: {error.strerror}") from None
    watch = Watch(
        folder.absolute(),
        into.absolute(),
        output_format,
        options,
        reading.name,
        "queue" if queue else "local",
        workers,
        settle,
    )
    signal.signal(signal.SIGTERM, _interrupt)
    with Ledger(settings.ledger_url, settings.connect_timeout) as ledger:
        watcher = FolderWatch(ledger, settings, watch, network, say)
        try:
            if once:
                look_once(watcher, settle)
                return ExitCode.SOME_PAGES_FAILED if watcher.failed else ExitCode.OK
            say(f"watching {printable(str(folder))}")
            watch_for_ever(watcher, interval, say)
        except KeyboardInterrupt:
            # To be stopped is how this command ends.
            say("stopped")
        finally:
            watcher.close()
    return ExitCode.OK


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
