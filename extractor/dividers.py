"""The dividers of a comb: found by their one distance from each other, broken or whole.

A single bar between two lines may be a 1. Bars at one pitch, down to the lines above and below, with the writing
between them, are printed: few strokes of the writing come near both lines, and those do not stand in the gaps.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from extractor.comb_search import (
    ENDS,
    EVIDENCE,
    EVIDENCE_ONE_LINE,
    FEWEST,
    LEAST_HEIGHT,
    Box,
    Columns,
    Dividers,
    Floats,
    bar_at,
    find_places,
    less_beside,
    shares,
)
from extractor.preprocess import Mask
from extractor.teeth import find_teeth

_LEAST_WIDTH = 1.8
"""Of the picture's height, how much of both lines there is at least."""
_RUN = 0.5
"""Of the picture's height, how long what dividers and strokes have left of a line is at least."""
_PITCHES = (0.55, 1.25)
"""Widths of a cell, of its height: narrower ones hold no digit."""
_TRACE = -2.9
"""Evidence above which a comb goes on to a place: there is some ink at least."""


def find_dividers(mask: Mask, across: Mask, unit: float) -> Dividers:
    """Find the dividers of a comb in a picture of one string, or the teeth of an open one.

    Args:
        mask: Ink, (H, W) bool.
        across: Of it, the printed lines that run across, (H, W) bool.
        unit: Height of the writing in pixels.

    Returns:
        What was found; no places where there is no comb.
    """
    nothing = Dividers(np.zeros(0), 0.0, np.zeros_like(mask))
    is_cut = (_reaches(mask[:2]), _reaches(mask[-2:]))
    if not (across.any() or all(is_cut)):  # Most strings end here.
        return nothing
    across = across | _broken_lines(mask)
    ink = mask & ~across
    box = _box(across, is_cut)
    found = nothing if box is None else _in_box(mask, ink, box)
    if len(found.places):
        return found
    half = len(mask) // 2
    below = np.asarray(across[half:].any(axis=0), np.bool_)
    if np.count_nonzero(below) < max(2.0, _LEAST_WIDTH * unit):
        return nothing
    return find_teeth(ink, _course(below, half + across[half:].argmax(axis=0)), unit)


def dividers_between(ink: Mask, upper: Floats, lower: Floats) -> Dividers:
    """Find the dividers of a comb between two lines.

    Args:
        ink: The space between the lines and what is written there, without the lines, (H, W) bool.
        upper: For each column the first row under the upper line, (W,) float64.
        lower: For each column the first row of the lower line, (W,) float64.

    Returns:
        What was found; no places where there is no comb.
    """
    everywhere = np.ones(ink.shape[1], np.bool_)
    return _in_box(ink, ink, Box(upper, lower, everywhere, everywhere, EVIDENCE))


def _in_box(mask: Mask, ink: Mask, box: Box) -> Dividers:
    """Find the dividers in a box; ``ink`` is what there is without its lines."""
    nothing = Dividers(np.zeros(0), 0.0, np.zeros_like(mask))
    if box.height < LEAST_HEIGHT or ink.shape[1] < _LEAST_WIDTH * box.height:
        return nothing
    columns = _measure(ink, box)
    places = find_places(columns, box, (_PITCHES[0] * box.height, _PITCHES[1] * box.height), box.height, _TRACE)
    return _at(mask, places, box) if len(places) else nothing


def _reaches(edge: Mask) -> bool:
    """Tell whether as many strokes as a comb has reach an edge of the picture, which has cut off its line then."""
    return bool(np.count_nonzero(np.diff(edge.any(axis=0).astype(np.int8)) > 0) >= FEWEST)


def _broken_lines(mask: Mask) -> Mask:
    """Find what dividers and strokes have left of lines that run across."""
    flat = mask.view(np.uint8)
    wide = cv2.dilate(flat, np.ones((3, 1), np.uint8))
    run = max(12, round(_RUN * len(mask)))
    level = cv2.morphologyEx(wide, cv2.MORPH_OPEN, np.ones((1, run), np.uint8), borderValue=0)
    return np.asarray(cv2.bitwise_and(level, flat), np.uint8).view(np.bool_)


def _box(across: Mask, is_cut: tuple[bool, bool]) -> Box | None:
    """Find the lines above and below a string; the picture's edge stands for one that it has cut off."""
    height, width = across.shape
    half = height // 2
    least = _LEAST_WIDTH * height
    if width < least or half == 0:
        return None
    upper, lower = across[:half], across[half:]
    above, below = (np.asarray(part.any(axis=0), np.bool_) for part in (upper, lower))
    top, bottom, evidence = np.zeros(width), np.full(width, float(height)), EVIDENCE
    if np.count_nonzero(above) >= least:
        top = _course(above, half - upper[::-1].argmax(axis=0))
    elif is_cut[0]:
        above, evidence = np.ones_like(above), EVIDENCE_ONE_LINE
    if np.count_nonzero(below) >= least:
        bottom = _course(below, half + lower.argmax(axis=0))
    elif is_cut[1]:
        below, evidence = np.ones_like(below), EVIDENCE_ONE_LINE
    if np.count_nonzero(above & below) < least:
        return None
    return Box(top, bottom, above & below, above | below, evidence)


def _course(present: NDArray[np.bool_], rows: NDArray[np.intp]) -> Floats:
    """Lay a straight line through the rows of those columns that have one; what lies far off it counts no more."""
    xs = np.flatnonzero(present)
    slope, offset = 0.0, float(np.median(rows[xs]))
    for reach in (max(3.0, 0.1 * xs.size), 2.0, 1.0):
        near = xs[np.abs(rows[xs] - slope * xs - offset) <= reach]
        if len(near) > 1:
            slope, offset = np.polyfit(near, rows[near], 1).tolist()
    return np.asarray(slope * np.arange(len(present)) + offset, np.float64)


def _measure(ink: Mask, box: Box) -> Columns:
    """Measure the columns of a box."""
    reach, top, bottom = ENDS * box.height, box.top + 1, box.bottom
    bands = ((top, top + reach), (bottom - reach, bottom), (top, bottom), (top + reach, bottom - reach))
    upper, lower, whole, middle = shares(ink, box.height, bands)
    return Columns(less_beside((upper + lower) / 2, box.height), whole, middle)


def _at(mask: Mask, places: Floats, box: Box) -> Dividers:
    """Find the ink of dividers, as thick as they are at their ends; a stroke that crosses one keeps its own."""
    bars = [bar_at(mask, float(place), box) for place in places]
    thickness = float(np.median(np.concatenate([[1], *((bar.stop - bar.first)[bar.plain] for bar in bars)])))
    ink = np.zeros_like(mask)
    for bar in bars:
        height, width = bar.window.shape
        fits = bar.plain & (bar.stop - bar.first <= 1.5 * thickness)
        centre = float(np.median((bar.first + bar.stop - 1)[fits] / 2)) if fits.any() else (width - 1) / 2
        low, high = round(centre - (thickness - 1) / 2), round(centre + (thickness - 1) / 2) + 1
        # A run may be a pixel wider than its divider.
        ends_left, ends_right = bar.first >= low - 1, bar.stop <= high + 1
        alone = ends_left & ends_right
        start, end = np.where(alone, bar.first, low), np.where(alone, bar.stop, high)
        columns = np.arange(width)
        own = (columns >= start[:, None]) & (columns < end[:, None]) & (ends_left | ends_right)[:, None]
        ink[bar.top : bar.top + height, bar.left : bar.left + width] |= own & bar.window
    return Dividers(places, thickness, ink)
