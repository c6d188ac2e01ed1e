"""A network before and after: how well both read the same strings and the same isolated digits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from extractor.classifier import Classifier
from extractor.scoring import Answer, Score, Share, score, wilson
from training.hypotheses import Hypotheses

READ_RATE_AT = 0.01
"""Rate of wrong strings among the accepted ones for which the read rate is given."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one network is worth.

    Attributes:
        strings: On strings.
        accepted: Strings that it accepts by the threshold on its card.
        accepted_wrong: Of these, those that are wrong.
        digits: Isolated digits that it reads right.
    """

    strings: Score
    accepted: Share
    accepted_wrong: Share
    digits: Share

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "exact": _as_json(self.strings.exact),
            "character_error_rate": self.strings.character_error_rate,
            "read_rates": {f"{limit:g}": _as_json(rate) for limit, rate in self.strings.read_rates.items()},
            "accepted": _as_json(self.accepted),
            "accepted_wrong": _as_json(self.accepted_wrong),
            "digits": _as_json(self.digits),
        }


def measure(answers: Sequence[Answer], accept: float, digits: Share) -> Measurement:
    """Judge what a network read.

    Args:
        answers: One for each string.
        accept: Confidence from which the network accepts a string.
        digits: Isolated digits that it reads right.
    """
    accepted = [answer for answer in answers if answer.read is not None and answer.confidence >= accept]
    wrong = sum(not answer.is_exact for answer in accepted)
    return Measurement(score(answers), wilson(len(accepted), len(answers)), wilson(wrong, len(accepted)), digits)


def digits_right(network: Path, digits: Hypotheses) -> Share:
    """Count the isolated digits that a network reads right.

    Args:
        network: Its folder.
        digits: N isolated digits.
    """
    said = Classifier(network).log_probabilities(digits.digits, digits.context, digits.geometry)
    return wilson(int(np.sum(said[:, :10].argmax(axis=1) == digits.labels)), len(digits.labels))


def to_text(before: Measurement, after: Measurement, digits: str) -> str:
    """Lay both out as a table.

    Args:
        before: Of the base network.
        after: Of the fine-tuned one.
        digits: Name of the isolated digits.
    """
    rows = [
        ("", "before", "after"),
        ("exact strings", _as_text(before.strings.exact), _as_text(after.strings.exact)),
        (
            "character error",
            f"{before.strings.character_error_rate:.2%}",
            f"{after.strings.character_error_rate:.2%}",
        ),
        (
            f"read rate at {READ_RATE_AT:.0%} error",
            _as_text(before.strings.read_rates[READ_RATE_AT]),
            _as_text(after.strings.read_rates[READ_RATE_AT]),
        ),
        ("accepted", _as_text(before.accepted), _as_text(after.accepted)),
        ("wrong among the accepted", _as_text(before.accepted_wrong), _as_text(after.accepted_wrong)),
        (f"digits of {digits}, test part", _as_text(before.digits), _as_text(after.digits)),
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(
        "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _as_text(share: Share) -> str:
    return f"{share.value:.2%} [{share.low:.2%}, {share.high:.2%}]" if share.total else "none"


def _as_json(share: Share) -> dict[str, float]:
    return {"count": share.count, "total": share.total, "share": share.value, "low": share.low, "high": share.high}
