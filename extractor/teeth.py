"""The teeth of an open comb, of whose dividers only the lower ends are there, and the walls at its ends."""

from __future__ import annotations

import numpy as np

from extractor.comb_search import (
    EVIDENCE_ONE_LINE,
    FEWEST,
    LEAST_HEIGHT,
    Bar,
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

_CELLS = (0.7, 2.4)
"""Widths of a cell of an open comb, of the height of the writing."""
_TEETH = (0.22, 0.45)
"""Of that height, how far above the line teeth are looked for, and from where on the writing is."""
_TEETH_UNDER = 1.6
"""Of that height, up to where the walls of an open comb are looked for."""
_ALIKE = 0.35
"""Share of their height by which teeth differ at most."""
_ALIKE_SHARE = 0.5
"""Share of the teeth that do not differ by more; digits may stand on others."""


def find_teeth(ink: Mask, line: Floats, unit: float) -> Dividers:
    """Find the teeth of an open comb, and the walls at its ends.

    Args:
        ink: What stands on a printed line and above it, without the line, (H, W) bool.
        line: For each column the first row of the line, (W,) float64.
        unit: Height of the writing in pixels.

    Returns:
        What was found; no places where there is no comb.
    """
    nothing = Dividers(np.zeros(0), 0.0, np.zeros_like(ink))
    everywhere = np.ones(ink.shape[1], np.bool_)
    box = Box(line - _TEETH_UNDER * unit, line, everywhere, everywhere, EVIDENCE_ONE_LINE)
    if box.height < LEAST_HEIGHT or ink.shape[1] < FEWEST * _CELLS[0] * unit:
        return nothing
    columns = _measure_teeth(ink, line, unit)
    places = find_places(columns, box, (_CELLS[0] * unit, _CELLS[1] * unit), unit, 0.0)
    if not len(places):
        return nothing
    return _teeth_at(ink, places, box)


def _measure_teeth(ink: Mask, line: Floats, unit: float) -> Columns:
    """Measure the columns above a line: near it, and where the writing is."""
    bands = ((line - _TEETH[0] * unit, line), (line - 1.1 * unit, line - _TEETH[1] * unit))
    low, middle = shares(ink, unit, bands)
    return Columns(less_beside(low, unit), low, middle)


def _teeth_at(ink: Mask, places: Floats, box: Box) -> Dividers:
    """Find the ink of teeth, as high as most of them are, and of walls at both ends, which may be higher."""
    bars = [bar_at(ink, float(place), box) for place in places]
    low = round(_TEETH[0] / _TEETH_UNDER * box.height)
    widths = [(bar.stop - bar.first)[-low:][bar.plain[-low:]] for bar in bars]
    thickness = float(np.median(np.concatenate([[1], *widths])))
    heights = [_height_of(bar, 1.5 * thickness + 1) for bar in bars]
    found = np.zeros_like(ink)
    inner = list(zip(bars[1:-1], heights[1:-1], strict=True))
    teeth = np.array([height for bar, height in inner if height >= low / 2 and _is_tooth(bar, height)])
    usual = float(np.median(teeth)) if len(teeth) else 0.0
    if np.count_nonzero(np.abs(teeth - usual) <= _ALIKE * usual) < max(2, _ALIKE_SHARE * len(inner)):
        return Dividers(np.zeros(0), 0.0, found)
    for number, (bar, height) in enumerate(zip(bars, heights, strict=True)):
        is_wall = number in (0, len(bars) - 1)
        # A stroke that goes on upwards from a tooth is written on it.
        top = len(bar.window) - (height if is_wall or height <= 1.3 * usual else round(usual))
        columns = np.arange(bar.window.shape[1])
        own = (columns >= bar.first[top:, None]) & (columns < bar.stop[top:, None])
        own &= (bar.stop - bar.first <= 1.5 * thickness + 1)[top:, None]
        found[bar.top + top : bar.top + len(bar.window), bar.left : bar.left + len(columns)] |= own
    return Dividers(places, thickness, found)


def _is_tooth(bar: Bar, height: int) -> bool:
    """Tell a tooth, which stands upright and ends, from the foot of a stroke, which leans or goes on."""
    top = len(bar.window) - height
    middles = (bar.first + bar.stop - 1)[top:] / 2
    part = max(1, height // 3)
    upper, lower = middles[:part], middles[-2 * part : -part] if height > 2 * part else middles[-part:]
    if abs(float(np.median(upper)) - float(np.median(lower))) > max(1.0, 0.08 * height):
        return False
    left, right = int(bar.first[top]), int(bar.stop[top])
    return top == 0 or not bar.window[max(top - 2, 0) : top, left:right].any()


def _height_of(bar: Bar, most: float) -> int:
    """Count the rows from the line up in which there is a tooth and nothing else; the lowest may have gone with it."""
    single = ((bar.stop > bar.first) & (bar.stop - bar.first <= most))[::-1]
    if not single.any() or (start := int(single.argmax())) > 0.1 * len(single) + 2:
        return 0
    rest = single[start:]
    return start + (len(rest) if rest.all() else int(rest.argmin()))
