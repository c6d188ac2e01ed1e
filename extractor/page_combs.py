"""Combs on a page: the dividers that stand on its lines, also where they are broken or only teeth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from extractor.dividers import dividers_between
from extractor.line_parts import Binary, LinePart, course_of, pixels_at
from extractor.preprocess import Mask
from extractor.teeth import find_teeth

_FEWEST_TEETH = 4
"""Narrow strokes on a line that may be those of a comb."""
_FILLED = 0.6
"""Share of the lines' length along which the dividers of a comb stand at least."""
_FEWEST_WALLS = 2
"""Walls among a row's dividers that make it one of a table."""
_BESIDE = 4.0
"""Distance, in pixels of the small picture, up to which a line stands where a divider does."""


def may_have_teeth(small: Binary, part: LinePart, tall: float) -> bool:
    """Tell a line on which narrow strokes stand, as the teeth of a comb do.

    Args:
        small: Ink of the small picture, (h, w) 0 or 1.
        part: The line, in it.
        tall: Height of the writing, in it.
    """
    above = pixels_at(small, np.rint(part.ys - 0.5 * part.thickness - 2.5).astype(np.intp), part.xs) > 0
    starts, ends = (np.flatnonzero(change) for change in (above[1:] & ~above[:-1], above[:-1] & ~above[1:]))
    if above[0]:
        starts = np.concatenate(([-1], starts))
    count = min(len(starts), len(ends))
    return bool(np.count_nonzero(ends[:count] - starts[:count] <= 0.35 * tall) >= _FEWEST_TEETH)


def line_above(rows: list[LinePart], part: LinePart, tall: float) -> LinePart | None:
    """Find the line that closes a box above another, as high as a cell for a digit may be.

    Args:
        rows: All lines that run across.
        part: The lower one.
        tall: Height of the writing.

    Returns:
        The nearest; None where there is none.
    """
    y = float(part.ys[len(part.ys) // 2])
    found = []
    for other in rows:
        distance = y - float(other.ys[len(other.ys) // 2])
        if 0.8 * tall < distance < 4 * tall:
            shared = min(other.xs[-1], part.xs[-1]) - max(other.xs[0], part.xs[0])
            if shared > 0.6 * min(other.length, part.length):
                found.append((distance, other))
    return min(found, key=lambda item: item[0])[1] if found else None


def take_comb(
    ink: Mask, part: LinePart, upper: LinePart | None, columns: list[LinePart], scale: float, unit: float
) -> list[LinePart]:
    """Take the dividers or teeth of a comb that stand on a line out of the ink of a page.

    Args:
        ink: Without lines that run across, (H, W) bool; written to.
        part: The line, in pixels of the small picture.
        upper: The line above it, see `line_above`.
        columns: The lines that run down, with x for y.
        scale: Size of the small picture relative to the page.
        unit: Height of the writing on the page.

    Returns:
        The dividers of a closed comb some of which are broken; none where all are lines among ``columns``.
    """
    beside = round(0.2 * unit)
    left, right = max(int(part.xs[0] / scale) - beside, 0), min(int(part.xs[-1] / scale) + beside, ink.shape[1])

    def edge(line: LinePart, side: float) -> NDArray[np.float64]:
        xs, ys = course_of(line, scale, ink.shape[1])
        return np.interp(np.arange(left, right), xs, ys) + side * (0.5 * line.thickness / scale + 0.5)

    lower = edge(part, -1.0)
    bottom = min(int(np.ceil(lower.max())) + 1, len(ink))
    if upper is not None:
        under = edge(upper, 1.0)
        top = max(int(under.min()) - 1, 0)
        window = ink[top:bottom, left:right]
        found = dividers_between(window, under - top, lower - top)
        places = (left + found.places) * scale
        between = [column for column in columns if _stands_between(column, part, upper)]
        shared = min(part.xs[-1], upper.xs[-1]) - max(part.xs[0], upper.xs[0])
        is_comb = _fills(places, float(shared)) and not _is_table(places, columns, part, upper)
        if is_comb and not _are_all(places, between):
            window &= ~found.ink
            down = np.arange(int(upper.ys.mean()), int(part.ys.mean()) + 1)
            return [LinePart(down, np.full(len(down), place), 1.0) for place in places.tolist()]
    top = max(int(lower.min() - 2 * unit), 0)
    window = ink[top:bottom, left:right]
    teeth = find_teeth(window, lower - top, unit)
    if _fills(teeth.places * scale, float(part.length)):
        window &= ~teeth.ink
    return []


def _fills(places: NDArray[np.float64], length: float) -> bool:
    """Tell the comb of a box from strokes on a ruled sheet: its dividers stand along most of its lines."""
    if len(places) < 2:
        return False
    return bool(len(places) * (places[-1] - places[0]) >= _FILLED * (len(places) - 1) * length)


def _stands_between(column: LinePart, lower: LinePart, upper: LinePart) -> bool:
    """Tell whether a line that runs down, with x for y, is one between two that run across."""
    return bool(upper.ys.min() < 0.5 * float(column.xs[0] + column.xs[-1]) < lower.ys.max())


def _is_table(places: NDArray[np.float64], columns: list[LinePart], lower: LinePart, upper: LinePart) -> bool:
    """Tell the row of a table, where strokes between its walls look like dividers: its walls go on beyond the row."""
    top, bottom = float(upper.ys.mean()), float(lower.ys.mean())
    height = bottom - top
    walls = [
        float(column.ys.mean())
        for column in columns
        if min(column.xs[-1], bottom) - max(column.xs[0], top) > 0.8 * height and column.length > 1.8 * height
    ]
    return sum(bool(np.abs(places - wall).min() <= _BESIDE) for wall in walls) >= _FEWEST_WALLS


def _are_all(places: NDArray[np.float64], columns: list[LinePart]) -> bool:
    """Tell whether dividers are lines from one end to the other: whole ones are told from ones as such."""
    known = [x for x in (float(column.ys.mean()) for column in columns) if np.abs(places - x).min() <= _BESIDE]
    if len(known) < 2:
        return False
    between = places[(places > min(known) - _BESIDE) & (places < max(known) + _BESIDE)]
    return all(min(abs(place - x) for x in known) <= _BESIDE for place in between.tolist())
