"""Progress of a training run on the error stream: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from training.checkpoint import Epoch
from training.fit import Watcher


@contextmanager
def bar_on_stderr() -> Iterator[tuple[Console, Progress]]:
    """Yield the error stream, and a bar that is drawn there while the block runs if it is a terminal."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        yield console, bar


@contextmanager
def watching(epochs: int) -> Iterator[Watcher]:
    """Yield a watcher that reports on the error stream while the block runs.

    Args:
        epochs: The most that the run will take.
    """
    with bar_on_stderr() as (console, bar):
        task = bar.add_task("training", total=epochs)

        def on_batch(epoch: int, share: float) -> None:
            bar.update(task, completed=epoch - 1 + share, description=f"epoch {epoch}/{epochs}")

        def on_epoch(row: Epoch) -> None:
            console.print(
                f"epoch {row.epoch}/{epochs}  loss {row.loss:.4f}  accuracy {row.accuracy:.4f}  "
                f"validation loss {row.val_loss:.4f}  accuracy {row.val_accuracy:.4f}"
            )

        def on_resume(epoch: int) -> None:
            console.print(f"going on after epoch {epoch}")

        yield Watcher(on_batch, on_epoch, on_resume)
