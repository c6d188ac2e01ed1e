"""The log: standard error, names and numbers only, never what a page says."""

from __future__ import annotations

import logging
import os
import sys


def set_up_logging(level: str = "WARNING") -> None:
    """Send the log to standard error; with ``DIGITS_DEBUG`` everything, tracebacks included.

    Args:
        level: Least level of what is shown of ours.
    """
    chosen = "DEBUG" if os.environ.get("DIGITS_DEBUG") else level
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("worker").setLevel(chosen)
