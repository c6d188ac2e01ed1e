"""Every error that a user can meet: a code, a message, what to do about it, and an exit code.

An error of this module is an answer, not an accident: its text is shown to the user as it stands, without a traceback.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of the ``digits`` command."""

    OK = 0
    SOME_PAGES_FAILED = 1
    USAGE = 2
    NO_PAGE_READ = 65
    UNAVAILABLE = 69
    INTERNAL = 70
    INTERRUPTED = 130


class DigitsError(Exception):
    """An error whose text is meant for the user.

    Args:
        message: What is wrong, and where.
        hint: What to do about it; may be empty.
        code: A short stable identifier; the class's own when not given.
    """

    code: str = "error"
    exit_code: ExitCode = ExitCode.INTERNAL

    def __init__(self, message: str, hint: str = "", code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if code is not None:
            self.code = code

    def __str__(self) -> str:
        """One line: the message, then the hint."""
        return f"{self.message} ({self.hint})" if self.hint else self.message


class UsageError(DigitsError):
    """An option, argument or setting that cannot be meant as it stands."""

    code = "usage"
    exit_code = ExitCode.USAGE


class DocumentError(DigitsError):
    """A file or page that cannot be read; the rest of the batch goes on."""

    code = "document"
    exit_code = ExitCode.SOME_PAGES_FAILED


class ModelError(DigitsError):
    """A network file that is missing, damaged or of another make."""

    code = "model"
    exit_code = ExitCode.USAGE


class UnavailableError(DigitsError):
    """The broker or the ledger is out of reach."""

    code = "unavailable"
    exit_code = ExitCode.UNAVAILABLE


class PageError(DigitsError):
    """A page that was decoded but could not be read."""

    code = "page"
    exit_code = ExitCode.SOME_PAGES_FAILED
