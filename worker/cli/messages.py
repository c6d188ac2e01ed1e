"""What the commands say beside their results: on standard error."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from collections.abc import Callable, Iterator

import click

from worker.logs import is_json
from worker.records import Counts

_PLAIN_SECONDS = 10.0


def say(message: str) -> None:
    """Print one line on standard error, or log it where the log is JSON."""
    if is_json():
        logging.getLogger("digits").info("%s", message)
    else:
        click.echo(f"digits: {message}", err=True)


def summary(counts: Counts) -> str:
    """Say in words how far a job is."""
    words = [f"{counts.done} of {counts.total} pages read"]
    words += [
        f"{number} {state}"
        for state, number in (
            ("failed", counts.failed),
            ("cancelled", counts.cancelled),
            ("being read", counts.running),
            ("waiting", counts.queued),
        )
        if number
    ]
    return ", ".join(words)


@contextlib.contextmanager
def progress() -> Iterator[Callable[[Counts], None]]:
    """Show progress: a bar on a terminal, else a line now and then."""
    if sys.stderr.isatty():
        with _bar() as update:
            yield update
    else:
        yield _PlainProgress()


class _PlainProgress:
    def __init__(self) -> None:
        self._last = time.monotonic()
        self._finished = 0

    def __call__(self, counts: Counts) -> None:
        now = time.monotonic()
        if now - self._last >= _PLAIN_SECONDS and counts.finished != self._finished:
            self._last, self._finished = now, counts.finished
            say(summary(counts))


@contextlib.contextmanager
def _bar() -> Iterator[Callable[[Counts], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=None)

        def update(counts: Counts) -> None:
            failed = f"reading ({counts.failed} failed)" if counts.failed else "reading"
            bar.update(task, total=counts.total, completed=counts.finished, description=failed)

        yield update
