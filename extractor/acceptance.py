"""From how large an error a user accepts to the confidence from which strings are accepted, by a table on the card."""

from __future__ import annotations

import math
from bisect import bisect_left
from itertools import pairwise
from typing import Any

from extractor.errors import ModelError, UsageError

Table = tuple[tuple[float, float], ...]
"""Rates of wrong strings among those accepted, rising, each with the confidence from which to accept, never rising."""


def table_from_card(reading: dict[str, Any]) -> Table:
    """Read the table of the ``reading`` part of a card; empty when the card has none.

    Raises:
        ModelError: It is no such table.
    """
    try:
        table = tuple((float(error), float(confidence)) for error, confidence in reading.get("accept_at", ()))
    except (TypeError, ValueError):
        table = ((math.nan, math.nan),)
    in_range = all(0 < error < 1 and 0 <= confidence <= 1 for error, confidence in table)
    if not in_range or not all(a[0] < b[0] and a[1] >= b[1] for a, b in pairwise(table)):
        raise ModelError("the network's card holds no proper table of accepted errors", "calibrate the network again")
    return table


def accept_from(table: Table, error: float) -> float:
    """Return the confidence from which to accept strings so that no more than a share of them is wrong.

    Between two rows of the table the confidence is interpolated over the logarithm of the error.

    Args:
        table: From the network's card.
        error: Wrong strings among those accepted, 0 to 1.

    Raises:
        UsageError: The error is beyond what the table holds.
    """
    if not table:
        raise UsageError(
            "this network does not say how large an error comes with which confidence", "calibrate the network again"
        )
    errors = [row[0] for row in table]
    if not errors[0] <= error <= errors[-1]:
        raise UsageError(
            f"an accepted error of {percent(error)} is out of this network's reach",
            f"give one from {percent(errors[0])} to {percent(errors[-1])}",
        )
    after = bisect_left(errors, error)
    if errors[after] == error:
        return table[after][1]
    (low, high_confidence), (high, low_confidence) = table[after - 1], table[after]
    share = math.log(error / low) / math.log(high / low)
    return high_confidence + share * (low_confidence - high_confidence)


def parse_rate(text: str) -> float:
    """Read a rate such as ``0.1%`` or ``0.001``.

    Raises:
        ValueError: It is none, or not between 0 and 1.
    """
    number, sign, rest = text.strip().partition("%")
    rate = float(number) / (100 if sign else 1)
    if rest or not 0 < rate < 1:
        raise ValueError(text)
    return rate


def percent(rate: float) -> str:
    """Write a rate as a percentage without needless digits."""
    return f"{100 * rate:.4g} %"
