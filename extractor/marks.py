"""What is in a cell and is not its digit: a cross or a dash that says "unused", several small digits, or a note."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from extractor.preprocess import Mask, stroke_width

Mark = Literal["", "crossed_out", "several_digits", "note"]
SMALL: tuple[Mark, ...] = ("several_digits", "note")
"""Marks that are digits, but too small to be that of the cell."""

_LOW = 0.5
"""A note is lower than this share of its cell; few people write the digit itself so small."""
_TUCKED = 0.11
"""A note's middle lies at least this share of the cell beside the cell's middle, and as much above or below it."""
_TINY = 0.3
"""What is lower than this share of its cell is a note wherever it stands."""


def mark_of(mask: Mask, cell: tuple[float, float]) -> Mark:
    """Tell what the ink of a cell is before anyone takes it for a digit.

    Args:
        mask: Ink of the cell alone, (H, W) bool.
        cell: Width and height of the cell in pixels.

    Returns:
        ``crossed_out`` for an X or a dash through the cell; ``several_digits`` for small ones beside each other or in
        rows, none of them the size of a digit of the cell; else nothing.
    """
    side = min(cell)
    # Breaks of a pen that skips are bridged, or its crumbs would be taken for small digits.
    bridge = np.ones((2 * round(0.03 * side) + 1,) * 2, np.uint8)
    whole = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_CLOSE, bridge)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(whole, connectivity=8)
    if count <= 1:
        return ""
    boxes = stats[1:, :4]
    large = np.maximum(boxes[:, 2], boxes[:, 3]) >= 0.12 * side
    if not large.any():
        return ""
    x0, y0 = boxes[large, :2].min(axis=0)
    x1, y1 = (boxes[large, :2] + boxes[large, 2:]).max(axis=0)
    shape = np.isin(labels, np.flatnonzero(large) + 1)[y0:y1, x0:x1]
    if _is_dash(shape, cell) or _is_cross(shape, cell):
        return "crossed_out"
    return "several_digits" if _are_several(boxes[large], cell) else ""


def is_note(mask: Mask, corners: NDArray[np.float64]) -> bool:
    """Tell a small digit tucked into a corner of its cell, as people note what may come there.

    Args:
        mask: Ink of the cell alone, (H, W) bool.
        corners: Of the cell, clockwise from top left, in pixels of the mask, (4, 2).
    """
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return False
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    to_square = cv2.getPerspectiveTransform(corners.astype(np.float32), square)
    points = cv2.perspectiveTransform(np.column_stack((columns, rows))[None].astype(np.float64), to_square)[0]
    first, last = np.percentile(points, (1, 99), axis=0)  # A crumb beside the digit makes it no larger.
    height = last[1] - first[1]
    aside = np.abs((first + last) / 2 - 0.5).min()
    return bool(height < _TINY or (height < _LOW and aside > _TUCKED))


def _is_dash(shape: Mask, cell: tuple[float, float]) -> bool:
    """Tell a level stroke: no digit is so low for its width."""
    height, width = shape.shape
    return bool(width >= 0.35 * cell[0] and height <= 0.35 * width and height <= 0.3 * cell[1])


def _is_cross(shape: Mask, cell: tuple[float, float]) -> bool:
    """Tell an X: nearly all ink on the two diagonals of its extent, and both of them there from end to end."""
    height, width = shape.shape
    if width < 0.3 * cell[0] or height < 0.35 * cell[1] or not 0.4 < width / height < 2.5:
        return False
    rows, columns = np.nonzero(shape)
    x, y = columns / max(width - 1, 1), rows / max(height - 1, 1)
    reach = 0.1 + 0.6 * stroke_width(shape) / min(height, width)
    falling, rising = np.abs(x - y) < reach, np.abs(x + y - 1) < reach
    if np.count_nonzero(falling | rising) < 0.9 * len(x):
        return False
    # Ink near the middle is on both diagonals; each must have its own in all four quarters.
    bins = np.arange(9) / 8
    for on in (falling, rising):
        filled = np.histogram(y[on], bins)[0] > 0
        if np.count_nonzero(filled) < 7:
            return False
    # The loops of an 8 have ink between the ends of the diagonals, a 4 its bar; an X has none.
    middle = (np.abs(x - 0.5) < 0.15) & ((y < 0.15) | (y > 0.85))
    sides = (np.abs(y - 0.5) < 0.15) & ((x < 0.15) | (x > 0.85))
    return bool(np.count_nonzero(middle) < 0.03 * len(x) and np.count_nonzero(sides) < 0.03 * len(x))


def _are_several(boxes: cv2.typing.MatLike, cell: tuple[float, float]) -> bool:
    """Tell small digits: two pieces or more, apart from each other, none of them half as high as the cell."""
    width, height = boxes[:, 2], boxes[:, 3]
    marks = boxes[(height >= 0.16 * cell[1]) & (width < 0.5 * cell[0])]
    if len(marks) < 2 or height.max() >= 0.5 * cell[1]:
        return False
    # The pieces of one broken digit lie above each other and close; small digits stand apart.
    order = marks[np.argsort(marks[:, 0])]
    gaps = order[1:, 0] - (order[:-1, 0] + order[:-1, 2])
    beside = gaps > 0.06 * cell[0]
    middles = marks[:, 1] + 0.5 * marks[:, 3]
    return bool(beside.any() or np.ptp(middles) > 0.5 * cell[1])
