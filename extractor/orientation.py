"""Pages that lie on their side or upside down are known by what can be read from each side.

A quarter turn makes most digits illegible, but a 0, a 1 and an 8 look the same from other sides, and single letters
look like digits from some side, an m like a 3: neither they nor doubtful strings tell how a page lies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from extractor.readings import Box, FieldReading, PageReading

QUARTERS = (1, 3, 2)
"""Turns to try, in quarters counter-clockwise; of two that tell as much the first is taken, as the commoner one."""
CLEAR, LIKELY = 0.7, 0.5
"""Least confidence of a string that counts for a turn, and of one that counts against it."""
SHORTEST, LEAST_CLEAR = 2, 0.3
"""Digits of a string that counts for a turn, and share of all digits that such strings have where it is turned."""
ENOUGH = 3
"""So many telling digits say how a page lies."""
TELLING = {1: frozenset("2345679"), 2: frozenset("347"), 3: frozenset("2345679")}
"""Digits that look different, or like none, after so many quarter turns; upside down a 2 or a 5 is one, a 6 a 9."""


def telling_digits(fields: Sequence[FieldReading], quarters: int = 1, least: float = CLEAR) -> int:
    """Count the digits of clear strings that look different from another side.

    Args:
        fields: What was read from one side.
        quarters: Quarter turns from there to the other.
        least: Confidence of a string from which it counts.
    """
    telling = TELLING[quarters]
    return sum(digit in telling for field in fields if field.confidence >= least for digit in field.text)


def lies_upright(fields: Sequence[FieldReading]) -> bool:
    """Tell by what was read from a page that no other side need be tried.

    Args:
        fields: What was read from the page as it lies.
    """
    return telling_digits(fields) >= ENOUGH and telling_digits(fields, 2) > 0


def best_turn(fields: Sequence[FieldReading], turned: Sequence[Sequence[FieldReading]]) -> int | None:
    """Choose the turn after which a page reads clearly, and much better than before.

    Args:
        fields: What was read from the page as it lies.
        turned: What was read after each turn of `QUARTERS`.

    Returns:
        The place of the turn among `QUARTERS`; None when the page had better stay.
    """
    best, chosen = 0, None
    for place, (quarters, others) in enumerate(zip(QUARTERS, turned, strict=True)):
        clear = [field for field in others if field.confidence >= CLEAR and len(field.text) >= SHORTEST]
        told = telling_digits(clear, quarters)
        against = telling_digits(fields, quarters, LIKELY)
        is_rule = sum(len(field.text) for field in clear) >= LEAST_CLEAR * sum(len(field.text) for field in others)
        if is_rule and telling_digits(clear) >= ENOUGH and told >= max(1, 2 * against) and telling_digits(clear) > best:
            best, chosen = telling_digits(clear), place
    return chosen


def turn(image: NDArray[np.uint8], quarters: int) -> NDArray[np.uint8]:
    """Turn a picture.

    Args:
        image: (H, W) or (H, W, 3) uint8.
        quarters: Quarter turns counter-clockwise.
    """
    return np.ascontiguousarray(np.rot90(image, quarters))


def turned_back(reading: PageReading, quarters: int) -> PageReading:
    """Say where on the page as it lies the strings of the turned page are.

    Args:
        reading: Of the turned page.
        quarters: Quarter turns counter-clockwise that made it.

    Returns:
        The reading with size and boxes of the page before it was turned.
    """
    width, height = (reading.height, reading.width) if quarters % 2 else (reading.width, reading.height)

    def back(box: Box) -> Box:
        x, y, w, h = box
        if quarters == 1:
            return width - y - h, x, h, w
        if quarters == 2:
            return width - x - w, height - y - h, w, h
        return y, height - x - w, h, w

    fields = tuple(
        replace(
            field,
            box=back(field.box),
            digits=tuple(replace(digit, box=back(digit.box)) for digit in field.digits),
            separators=tuple(replace(mark, box=back(mark.box)) for mark in field.separators),
        )
        for field in reading.fields
    )
    return replace(reading, width=width, height=height, fields=fields, turned=90 * quarters)
