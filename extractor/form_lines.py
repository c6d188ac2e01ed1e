"""Straight printed lines of a form that lies level: where they run, and the closed boxes between them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from extractor.preprocess import Mask

Rect = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels; right and bottom are the last ones."""
Binary = NDArray[np.uint8]
"""0 or 255, (H, W)."""


@dataclass(frozen=True, slots=True)
class FormLines:
    """The lines of a form.

    Attributes:
        across: Extents of the lines that run across.
        down: Extents of the lines that run down.
        dotted: Extents of dotted and dashed lines that run across.
        boxes: Closed boxes, from the middle of their lines to the middle of their lines.
    """

    across: tuple[Rect, ...]
    down: tuple[Rect, ...]
    dotted: tuple[Rect, ...]
    boxes: tuple[Rect, ...]


def skew(mask: Mask) -> float:
    """Measure by how much the printed lines of a page lean.

    Args:
        mask: Ink of the page, (H, W) bool.

    Returns:
        Degrees by which the page must be turned counter-clockwise for its lines to run level; 0 when there are none.
    """
    scale = min(1.0, 1400 / max(mask.shape))
    small = cv2.resize(mask.astype(np.uint8) * 255, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    least = max(small.shape) / 25
    lines = cv2.HoughLinesP((small > 60).astype(np.uint8) * 255, 1, np.pi / 1800, 60, minLineLength=least, maxLineGap=2)
    if lines is None:
        return 0.0
    x0, y0, x1, y1 = lines.reshape(-1, 4).astype(np.float64).T
    angles, lengths = np.rad2deg(np.arctan2(y1 - y0, x1 - x0)), np.hypot(x1 - x0, y1 - y0)
    angles = (angles + 45) % 90 - 45
    near = np.abs(angles) < 20
    if not near.any():
        return 0.0
    votes = np.histogram(angles[near], bins=400, range=(-20, 20), weights=lengths[near])[0]
    votes = np.convolve(votes, np.ones(5), mode="same")
    peak = float(np.argmax(votes)) * 0.1 - 19.95
    close = near & (np.abs(angles - peak) < 0.6)
    return float(np.average(angles[close], weights=lengths[close] ** 2)) if close.any() else 0.0


def find_lines(mask: Mask, faint: Mask, dpi: float) -> FormLines:
    """Find the lines of a form.

    Args:
        mask: Ink of a page that lies level, (H, W) bool.
        faint: The same with the faintest ink, in which lines of drop-out colour show.
        dpi: Its resolution.
    """
    ink = faint.astype(np.uint8) * np.uint8(255)
    across = _straight(ink, round(0.17 * dpi), dpi)
    down = _straight(np.ascontiguousarray(ink.T), round(0.1 * dpi), dpi).T
    rows, columns = _extents(across), [_flipped(extent) for extent in _extents(np.ascontiguousarray(down.T))]
    return FormLines(
        tuple(rows),
        tuple(columns),
        tuple(_dotted(mask.astype(np.uint8) * np.uint8(255), across, dpi)),
        tuple(_boxes(across, down, dpi)),
    )


def _straight(ink: Binary, run: int, dpi: float) -> Binary:
    """What of the ink runs straight across for a while and is thin."""
    wide = cv2.dilate(ink, np.ones((3, 1), np.uint8))
    level = cv2.morphologyEx(wide, cv2.MORPH_OPEN, np.ones((1, run), np.uint8))
    # What a line is broken by is bridged, over a fortieth of an inch.
    level = cv2.morphologyEx(level, cv2.MORPH_CLOSE, np.ones((1, max(3, round(dpi / 40)) | 1), np.uint8))
    thick = cv2.morphologyEx(level, cv2.MORPH_OPEN, np.ones((2 + max(7, round(0.06 * dpi)), 1), np.uint8))
    thin = cv2.subtract(level, thick)
    # A stroke that crosses a line makes it thick for a moment.
    return cv2.morphologyEx(thin, cv2.MORPH_CLOSE, np.ones((1, round(0.08 * dpi) | 1), np.uint8)).astype(np.uint8)


def _extents(lines: cv2.typing.MatLike) -> list[Rect]:
    _, _, stats, _ = cv2.connectedComponentsWithStats(lines, connectivity=8)
    return [(x, y, x + w - 1, y + h - 1) for x, y, w, h, _ in stats[1:].tolist() if w > 3 * h]


def _flipped(extent: Rect) -> Rect:
    return extent[1], extent[0], extent[3], extent[2]


def _dotted(ink: Binary, across: Binary, dpi: float) -> list[Rect]:
    """Rows of dots or dashes: small marks that join to a thin line where whole letters would not."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    small = (stats[:, 3] < 0.06 * dpi) & (stats[:, 2] < 0.15 * dpi)
    small[0] = False
    marks = (small[labels] & (across == 0)).astype(np.uint8) * np.uint8(255)
    joined = cv2.morphologyEx(marks, cv2.MORPH_CLOSE, np.ones((1, round(0.1 * dpi) | 1), np.uint8))
    joined = cv2.morphologyEx(joined, cv2.MORPH_OPEN, np.ones((1, round(0.35 * dpi)), np.uint8))
    joined = cv2.morphologyEx(joined, cv2.MORPH_CLOSE, np.ones((1, round(0.4 * dpi) | 1), np.uint8))
    return [extent for extent in _extents(joined) if extent[3] - extent[1] < 0.08 * dpi]


def _boxes(across: Binary, down: Binary, dpi: float) -> list[Rect]:
    """Rectangles of paper that lines close in."""
    gap = max(3, round(dpi / 60)) | 1
    for _ in range(2):
        across, down = _joined(across, down, dpi), _joined(down.T, across.T, dpi).T
    walls: Binary = cv2.morphologyEx(
        cv2.bitwise_or(across, down), cv2.MORPH_CLOSE, np.ones((gap, gap), np.uint8)
    ).astype(np.uint8)
    walls = _without_loops(walls, dpi)
    count, _, stats, _ = cv2.connectedComponentsWithStats(cv2.bitwise_not(walls), connectivity=4)
    height, width = walls.shape
    found = []
    for label in range(1, count):
        x, y, w, h, area = stats[label].tolist()
        on_edge = x == 0 or y == 0 or x + w == width or y + h == height
        if on_edge or min(w, h) < 0.09 * dpi or area < 0.8 * w * h:
            continue
        inside = (x, y, x + w - 1, y + h - 1)
        if not _is_closed(across, down, inside, gap):
            continue
        half = _half_line(walls, inside)
        found.append((x - half[0], y - half[1], x + w - 1 + half[2], y + h - 1 + half[3]))
    return found


def _without_loops(walls: Binary, dpi: float) -> Binary:
    """Drop the small figures that have no corners: loops of digits."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(walls, connectivity=8)
    keep = np.ones(len(stats), np.bool_)
    keep[0] = False
    near = max(3, round(0.03 * dpi))
    for label in range(1, len(stats)):
        x, y, width, height = stats[label, :4].tolist()
        if max(width, height) < 0.9 * dpi:
            shape = labels[y : y + height, x : x + width] == label
            corners = (shape[:near, :near], shape[:near, -near:], shape[-near:, :near], shape[-near:, -near:])
            keep[label] = all(bool(corner.any()) for corner in corners)
    return np.where(keep[labels], np.uint8(255), np.uint8(0))


def _joined(lines: Binary, others: Binary, dpi: float) -> Binary:
    """Lines that run across and either are long or end on lines that run down, as no stroke of a digit does."""
    lines = np.ascontiguousarray(lines)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(lines, connectivity=8)
    reach = max(2, round(0.02 * dpi))
    near = cv2.dilate(np.ascontiguousarray(others), np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    keep = np.zeros(len(stats), np.bool_)
    for label in range(1, len(stats)):
        x, y, width, height = stats[label, :4].tolist()
        ends = near[y : y + height, x], near[y : y + height, x + width - 1]
        keep[label] = width > 1.2 * dpi or all(bool(end.any()) for end in ends)
    return np.where(keep[labels], np.uint8(255), np.uint8(0))


def _is_closed(across: Binary, down: Binary, inside: Rect, reach: int) -> bool:
    """Tell a box from the loop of a digit: straight lines run along nearly the whole of its four sides."""
    left, top, right, bottom = inside
    reach += 2
    # Lines of a box meet in its corners, where a loop is round.
    corner = 3
    x, y = slice(max(left - corner, 0), right + corner + 1), slice(max(top - corner, 0), bottom + corner + 1)
    sides = (
        across[max(top - reach, 0) : top + 2, x],
        across[bottom - 1 : bottom + reach, x],
        down[y, max(left - reach, 0) : left + 2].T,
        down[y, right - 1 : right + reach].T,
    )
    # Three rows of pixels hold a line that leans a little, and never the bow of a loop.
    bands = (cv2.dilate(np.ascontiguousarray(side), np.ones((3, 1), np.uint8)) for side in sides)
    return all(float((band > 0).mean(axis=1).max(initial=0)) > 0.85 for band in bands)


def _half_line(walls: Binary, inside: Rect) -> tuple[int, int, int, int]:
    """Half the thickness of the lines to the left, top, right and bottom of a box's inside."""
    left, top, right, bottom = inside
    middle_y, middle_x = (top + bottom) // 2, (left + right) // 2
    return (
        _run(walls[middle_y, :left][::-1]),
        _run(walls[:top, middle_x][::-1]),
        _run(walls[middle_y, right + 1 :]),
        _run(walls[bottom + 1 :, middle_x]),
    )


def _run(values: NDArray[np.uint8], most: int = 40) -> int:
    ends = np.flatnonzero(values[:most] == 0)
    return int(ends[0] if len(ends) else 0) // 2
