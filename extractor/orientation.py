"""Pages that lie on their side or upside down are known by what can be read from each side.

A quarter turn makes most digits illegible, but a 0, a 1 and an 8 look the same from other sides, and so do strokes of
words: neither they nor doubtful strings tell how a page lies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from extractor.readings import Box, FieldReading, PageReading

QUARTERS = (1, 3, 2)
"""Turns to try, in quarters counter-clockwise; of two that tell as much the first is taken, as the commoner one."""
CLEAR = 0.9
"""Least confidence of a string that counts."""
ENOUGH = 3
"""So many telling digits say how a page lies."""
_SAME = frozenset("018")


def telling_digits(fields: Sequence[FieldReading]) -> int:
    """Count the digits of clear strings that look different from another side.

    Args:
        fields: What was read from one side.
    """
    return sum(digit not in _SAME for field in fields if field.confidence >= CLEAR for digit in field.text)


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
