"""A time limit for one page, in the process that reads it."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType


class PageTimeoutError(Exception):
    """A page took longer than it may."""


@contextlib.contextmanager
def deadline(soft: float, hard: float) -> Iterator[None]:
    """Limit the time of a block, in the main thread of a process that can be spared.

    The soft limit raises as soon as Python runs again, which native code may put off for long. The hard limit needs
    nobody's help: a thread of the interpreter that takes no lock ends the process, and whoever started it sees a lost
    worker.

    Args:
        soft: Seconds until `PageTimeoutError`.
        hard: Seconds until the process ends.

    Raises:
        PageTimeoutError: The soft limit has passed.
    """
    with Path(os.devnull).open("w") as sink:
        previous = signal.signal(signal.SIGALRM, _raise)
        faulthandler.dump_traceback_later(hard, exit=True, file=sink)
        signal.setitimer(signal.ITIMER_REAL, soft)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            faulthandler.cancel_dump_traceback_later()
            signal.signal(signal.SIGALRM, previous)


def _raise(_number: int, _frame: FrameType | None) -> None:
    raise PageTimeoutError
