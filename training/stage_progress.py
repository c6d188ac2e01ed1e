"""Progress of a command of several stages on the error stream: a bar on a terminal, one line a stage elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import Progress

from training.progress import bar_on_stderr


class Watcher(Protocol):
    """Hears how far a command of several stages is."""

    def begin(self, title: str, total: int) -> None:
        """A stage of so many steps begins."""

    def step(self, done: int) -> None:
        """So many steps of the stage are done."""

    def note(self, text: str) -> None:
        """Something that the user should know."""


class Stages:
    """Reports one stage after the other.

    Args:
        console: Where to.
        bar: Drawn on a terminal only.
    """

    def __init__(self, console: Console, bar: Progress) -> None:
        self._console, self._bar = console, bar
        self._task = bar.add_task("", total=1, visible=False)
        self._title, self._total, self._started = "", 0, 0.0

    def begin(self, title: str, total: int) -> None:
        """Begin a stage of so many steps."""
        self._title, self._total, self._started = title, total, time.perf_counter()
        self._bar.reset(self._task, description=title, total=max(1, total), visible=True)

    def step(self, done: int) -> None:
        """So many steps of the stage are done."""
        self._bar.update(self._task, completed=done)
        if done == self._total:
            self._console.print(f"{self._title}: {done} in {time.perf_counter() - self._started:.0f} s")

    def note(self, text: str) -> None:
        """Print a line."""
        self._console.print(text, markup=False)


@contextmanager
def stages() -> Iterator[Stages]:
    """Yield a reporter that draws on the error stream while the block runs."""
    with bar_on_stderr() as (console, bar):
        yield Stages(console, bar)
