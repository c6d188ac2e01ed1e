"""What a check of ``digits doctor`` finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["ok", "note", "wrong", "unreachable"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's report.

    Attributes:
        verdict: ``ok``; ``note`` for what may be meant; ``wrong``; ``unreachable`` for a server that is needed.
        subject: What was looked at.
        text: What was found, and what to do.
    """

    verdict: Verdict
    subject: str
    text: str


def duration(seconds: float) -> str:
    """Return a length of time as a person would say it.

    >>> duration(59.6), duration(7300)
    ('60 s', '122 min')
    """
    if seconds < 120:
        return f"{max(0.0, seconds):.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 180 else f"{minutes / 60:.0f} h"
