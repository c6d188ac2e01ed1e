"""What is told while the networks of a reference run learn: a bar or lines for the user, histories for the run."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from training import fit, progress, runs
from training.checkpoint import Epoch
from training.files import write_text

EPOCH = re.compile(r"(?P<network>\w+): epoch (?P<epoch>\d+) of \d+, loss (?P<loss>[\d.]+), (?P<right>[\d.]+)%")
"""How a line on an epoch begins."""


class Journal:
    """Reports on the error stream and keeps the history of each network.

    Args:
        run: The run folder.
        console: Where to report.
        bar: Drawn on a terminal only.
    """

    def __init__(self, run: Path, console: Console, bar: Progress) -> None:
        self._run, self._console, self._bar = run, console, bar
        self._task = bar.add_task("", total=1, visible=False)

    def begin(self, network: str, epochs: int) -> None:
        """Say which network learns now, and for how many epochs."""
        self._bar.reset(self._task, total=epochs, description=network, visible=True)

    def __call__(self, text: str) -> None:
        """Print a line; one on an epoch, as the networks' `fit` gives it, is also added to the network's history.

        Args:
            text: The line, such as ``crops: epoch 2 of 4, loss 0.1234, 99.1000% of validation digits right``.

        Raises:
            RunError: The history is damaged.
            StorageError: It cannot be written.
        """
        self._console.print(f"{time.strftime('%H:%M:%S')} {text}", markup=False)
        found = EPOCH.match(text)
        if found is None or found["network"] not in runs.HISTORIES:
            return
        epoch, path = int(found["epoch"]), self._run / runs.HISTORIES[found["network"]]
        self._bar.update(self._task, completed=epoch)
        history = fit.read_history(self._run, path.name) if path.is_file() else []
        # A run that was killed between its checkpoint and this line lacks the row of that epoch; it never has two.
        history = [row for row in history if row.epoch < epoch]
        history.append(Epoch(epoch, float(found["loss"]), math.nan, math.nan, float(found["right"]) / 100))
        write_text(path, fit.history_csv(history))


@contextmanager
def journal(run: Path) -> Iterator[Journal]:
    """Yield the journal of a run, which reports while the block runs.

    Args:
        run: The run folder.
    """
    with progress.bar_on_stderr() as (console, bar):
        yield Journal(run, console, bar)
