"""How long each stage of reading takes: a stopwatch that costs nothing while nobody looks."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from contextvars import ContextVar

_clock: ContextVar[dict[str, float] | None] = ContextVar("clock", default=None)


@contextlib.contextmanager
def clocked() -> Iterator[dict[str, float]]:
    """Measure the stages that run in a block.

    Returns:
        Seconds by stage, filled while the block runs. A stage that runs several times has the sum.
    """
    seconds: dict[str, float] = {}
    token = _clock.set(seconds)
    try:
        yield seconds
    finally:
        _clock.reset(token)


@contextlib.contextmanager
def stage(name: str) -> Iterator[None]:
    """Count the time of a block to a stage; a stage inside another is counted to both.

    Args:
        name: A short word, such as ``clean``.
    """
    seconds = _clock.get()
    if seconds is None:
        yield
        return
    started = time.perf_counter()
    try:
        yield
    finally:
        seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - started
