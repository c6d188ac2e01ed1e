"""The log: standard error, names and numbers only, never what a page says, never a password.

In the form ``json`` each record is one object on a line: ``time`` (UTC, RFC 3339), ``level``, ``logger``, ``message``,
``process``; ``job`` and ``page`` (its number in the ledger) where a page is at hand; ``error`` (the exception's class)
and ``where`` (file, line and function of each frame) where something went wrong.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import sys
import traceback
from collections.abc import Iterator
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from worker.settings import LogFormat, load_settings

_subject: ContextVar[tuple[str, int] | None] = ContextVar("subject", default=None)

_CREDENTIALS = re.compile(r"(?<=://)[^\s/@]*@")
_SECRET_VALUE = re.compile(r"\b((?:ssl)?passw(?:or)?d|token|secret)=[^\s&;,'\"]+", re.IGNORECASE)


def set_up_logging(level: str = "WARNING", log_format: LogFormat | None = None) -> None:
    """Send the log to standard error; with ``DIGITS_DEBUG`` everything, tracebacks included.

    Args:
        level: Least level of what is shown of ours.
        log_format: Form of each record; what ``DIGITS_LOG_FORMAT`` says when None.

    Raises:
        UsageError: A setting is not valid.
    """
    chosen = "DEBUG" if os.environ.get("DIGITS_DEBUG") else level
    handler = logging.StreamHandler(sys.stderr)
    json_wanted = (log_format or load_settings().log_format) == "json"
    handler.setFormatter(_JsonFormatter() if json_wanted else _TextFormatter())
    logging.basicConfig(handlers=[handler])
    logging.getLogger("worker").setLevel(chosen)
    logging.getLogger("digits").setLevel("INFO")
    if json_wanted:
        logging.captureWarnings(True)


def is_json() -> bool:
    """Tell whether the log of this process is JSON, so that nothing else may be written there."""
    return any(isinstance(handler.formatter, _JsonFormatter) for handler in logging.getLogger().handlers)


@contextlib.contextmanager
def about(job_id: str, page_id: int) -> Iterator[None]:
    """Put the ids of a page into every record of a block.

    Args:
        job_id: Its job.
        page_id: Its number in the ledger.
    """
    token = _subject.set((job_id, page_id))
    try:
        yield
    finally:
        _subject.reset(token)


def without_secrets(text: str) -> str:
    """Return a text with the credentials of every URL in it masked.

    >>> without_secrets("redis://:hush@host/0 refused")
    'redis://***@host/0 refused'
    """
    return _SECRET_VALUE.sub(r"\1=***", _CREDENTIALS.sub("***@", text))


class _TextFormatter(logging.Formatter):
    """Our form for people. Of an exception it shows class and places: its text may quote a page, a query or a URL."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as lines."""
        record.exc_text = None
        text = without_secrets(super().format(record))
        subject = _subject.get()
        if subject is None:
            return text
        first, newline, rest = text.partition("\n")
        return f"{first} [job {subject[0]} page {subject[1]}]{newline}{rest}"

    def formatException(  # noqa: N802 - the name that logging calls
        self,
        ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None],
    ) -> str:
        """Return an exception without its text."""
        return "\n".join([*(f"  {place}" for place in _places(ei[2])), f"  {_kind(ei[0])}"])


class _JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": without_secrets(record.getMessage()),
            "process": record.process,
        }
        subject = _subject.get()
        if subject is not None:
            entry["job"], entry["page"] = subject
        if record.exc_info:
            entry["error"] = _kind(record.exc_info[0])
            entry["where"] = _places(record.exc_info[2])
        return json.dumps(entry)


def _kind(kind: type[BaseException] | None) -> str:
    return "" if kind is None else f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")


def _places(trace: TracebackType | None) -> list[str]:
    frames = traceback.extract_tb(trace)
    return [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
