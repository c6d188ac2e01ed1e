"""The dividers of a comb: found by their one distance from each other, broken or whole.

A single bar between two lines may be a 1. Bars at one pitch, down to the lines above and below, with the writing
between them, are printed: few strokes of the writing come near both lines, and those do not stand in the gaps. Of an
open comb only the lower ends of its dividers are there, the teeth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from extractor.preprocess import Mask

_Floats = NDArray[np.float64]

_FEWEST = 4
"""Dividers that make a comb."""
_LEAST_HEIGHT = 10.0
"""Pixels between the lines of a box from which on its inside can be told from its lines."""
_LEAST_WIDTH = 1.8
"""Of the picture's height, how much of both lines there is at least."""
_RUN = 0.5
"""Of the picture's height, how long what dividers and strokes have left of a line is at least."""
_PITCHES = (0.55, 1.25)
"""Widths of a cell, of its height: narrower ones hold no digit."""
_ENDS = 0.22
"""Of the height, how far from either line the ends of dividers are looked for."""
_BESIDE = 0.2
"""Of the height, how far from a divider there is less ink at its ends than on it: what is written there runs on."""
_CLEAR = 0.3
"""By how much more of its ends than of those beside it is ink where a divider may stand."""
_EVIDENCE = 9.0
"""What the places of a comb come to at least, see `_evidence`: three clear dividers and more that are broken."""
_EVIDENCE_ONE_LINE = 14.0
"""The same where there is one line, or the picture has cut one off and strokes of the writing with it: four clear
ones."""
_TRACE = -2.9
"""Evidence above which a comb goes on to a place: there is some ink at least."""
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
_LIKELY = 4
"""Distances between dividers that are looked at more closely."""
_CLOSED = 0.6
"""Share of a comb's columns that have both lines."""
_MANY, _SURE = 6, 2.6
"""So many dividers of so much evidence on average are a comb wherever the writing stands."""
_INSIDE = 0.55
"""Share of the writing between dividers that stands in the middle half of its cell."""


@dataclass(frozen=True, slots=True)
class Dividers:
    """The dividers of a comb.

    Attributes:
        places: Where they stand, x, rising, (N,) float64; none when there is no comb.
        thickness: How thick they are, in pixels.
        ink: Their ink, without the strokes that cross them, (H, W) bool.
    """

    places: _Floats
    thickness: float
    ink: Mask


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


def dividers_between(ink: Mask, upper: _Floats, lower: _Floats) -> Dividers:
    """Find the dividers of a comb between two lines.

    Args:
        ink: The space between the lines and what is written there, without the lines, (H, W) bool.
        upper: For each column the first row under the upper line, (W,) float64.
        lower: For each column the first row of the lower line, (W,) float64.

    Returns:
        What was found; no places where there is no comb.
    """
    everywhere = np.ones(ink.shape[1], np.bool_)
    return _in_box(ink, ink, _Box(upper, lower, everywhere, everywhere, _EVIDENCE))


def find_teeth(ink: Mask, line: _Floats, unit: float) -> Dividers:
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
    box = _Box(line - _TEETH_UNDER * unit, line, everywhere, everywhere, _EVIDENCE_ONE_LINE)
    if box.height < _LEAST_HEIGHT or ink.shape[1] < _FEWEST * _CELLS[0] * unit:
        return nothing
    columns = _measure_teeth(ink, line, unit)
    if np.count_nonzero(np.diff((columns.ends >= _CLEAR).astype(np.int8)) > 0) < _FEWEST:
        return nothing
    evidence = _evidence(columns)
    places = _best_comb(evidence, box, (_CELLS[0] * unit, _CELLS[1] * unit))
    if not len(places) or not _is_written_between(places, evidence, columns.middle):
        return nothing
    places = _continued(_fitted(places, columns.ends, unit), evidence, 0.0)
    return _teeth_at(ink, places, box)


@dataclass(frozen=True, slots=True)
class _Box:
    """The inside of a box.

    Attributes:
        top: For each column the first row under its upper line, (W,) float64.
        bottom: For each column the first row of its lower line, (W,) float64.
        both: Columns that have both lines, (W,) bool.
        either: Columns that have one, (W,) bool.
        evidence: What makes a comb in it.
    """

    top: _Floats
    bottom: _Floats
    both: NDArray[np.bool_]
    either: NDArray[np.bool_]
    evidence: float

    @property
    def height(self) -> float:
        return float(np.median((self.bottom - self.top)[self.both]))


def _in_box(mask: Mask, ink: Mask, box: _Box) -> Dividers:
    """Find the dividers in a box; ``ink`` is what there is without its lines."""
    nothing = Dividers(np.zeros(0), 0.0, np.zeros_like(mask))
    if box.height < _LEAST_HEIGHT or ink.shape[1] < _LEAST_WIDTH * box.height:
        return nothing
    columns = _measure(ink, box)
    if np.count_nonzero(np.diff((columns.ends >= _CLEAR).astype(np.int8)) > 0) < _FEWEST:
        return nothing
    evidence = _evidence(columns)
    places = _best_comb(evidence, box, (_PITCHES[0] * box.height, _PITCHES[1] * box.height))
    if not len(places) or not _is_written_between(places, evidence, columns.middle):
        return nothing
    return _at(mask, _continued(_fitted(places, columns.ends, box.height), evidence, _TRACE), box)


def _reaches(edge: Mask) -> bool:
    """Tell whether as many strokes as a comb has reach an edge of the picture, which has cut off its line then."""
    return bool(np.count_nonzero(np.diff(edge.any(axis=0).astype(np.int8)) > 0) >= _FEWEST)


def _broken_lines(mask: Mask) -> Mask:
    """Find what dividers and strokes have left of lines that run across."""
    flat = mask.view(np.uint8)
    wide = cv2.dilate(flat, np.ones((3, 1), np.uint8))
    run = max(12, round(_RUN * len(mask)))
    level = cv2.morphologyEx(wide, cv2.MORPH_OPEN, np.ones((1, run), np.uint8), borderValue=0)
    return np.asarray(cv2.bitwise_and(level, flat), np.uint8).view(np.bool_)


def _box(across: Mask, is_cut: tuple[bool, bool]) -> _Box | None:
    """Find the lines above and below a string; the picture's edge stands for one that it has cut off."""
    height, width = across.shape
    half = height // 2
    least = _LEAST_WIDTH * height
    if width < least or half == 0:
        return None
    upper, lower = across[:half], across[half:]
    above, below = (np.asarray(part.any(axis=0), np.bool_) for part in (upper, lower))
    top, bottom, evidence = np.zeros(width), np.full(width, float(height)), _EVIDENCE
    if np.count_nonzero(above) >= least:
        top = _course(above, half - upper[::-1].argmax(axis=0))
    elif is_cut[0]:
        above, evidence = np.ones_like(above), _EVIDENCE_ONE_LINE
    if np.count_nonzero(below) >= least:
        bottom = _course(below, half + lower.argmax(axis=0))
    elif is_cut[1]:
        below, evidence = np.ones_like(below), _EVIDENCE_ONE_LINE
    if np.count_nonzero(above & below) < least:
        return None
    return _Box(top, bottom, above & below, above | below, evidence)


def _course(present: NDArray[np.bool_], rows: NDArray[np.intp]) -> _Floats:
    """Lay a straight line through the rows of those columns that have one; what lies far off it counts no more."""
    xs = np.flatnonzero(present)
    slope, offset = 0.0, float(np.median(rows[xs]))
    for reach in (max(3.0, 0.1 * xs.size), 2.0, 1.0):
        near = xs[np.abs(rows[xs] - slope * xs - offset) <= reach]
        if len(near) > 1:
            slope, offset = np.polyfit(near, rows[near], 1).tolist()
    return np.asarray(slope * np.arange(len(present)) + offset, np.float64)


@dataclass(frozen=True, slots=True)
class _Columns:
    """What the columns of a box hold.

    Attributes:
        ends: Share of its upper and lower end that is ink, less that beside it, (W,) float64.
        whole: Share of its whole height that is ink, (W,) float64.
        middle: Share between its ends that is ink, (W,) float64.
    """

    ends: _Floats
    whole: _Floats
    middle: _Floats


def _shares(ink: Mask, height: float, bands: Sequence[tuple[_Floats, _Floats]]) -> list[_Floats]:
    """Share of each column, and of those next to it, that is ink between two rows, (W,), for some pairs of rows."""
    slack = 2 * round(0.04 * height) + 1
    sums = cv2.integral(cv2.dilate(ink.view(np.uint8), np.ones((1, slack), np.uint8)))
    columns = np.arange(ink.shape[1])

    def until(rows: NDArray[np.intp]) -> NDArray[np.int32]:
        return np.asarray(sums[rows, columns + 1] - sums[rows, columns], np.int32)

    found = []
    for band in bands:
        start, end = (np.clip(np.rint(rows).astype(np.intp), 0, len(ink)) for rows in band)
        found.append(np.asarray((until(end) - until(start)) / np.maximum(end - start, 1), np.float64))
    return found


def _less_beside(ends: _Floats, height: float) -> _Floats:
    """How much more ink there is in each column than beside it."""
    beside = max(2, round(_BESIDE * height))
    around = np.pad(ends, beside)
    return ends - (around[: -2 * beside] + around[2 * beside :]) / 2


def _measure(ink: Mask, box: _Box) -> _Columns:
    """Measure the columns of a box."""
    reach, top, bottom = _ENDS * box.height, box.top + 1, box.bottom
    bands = ((top, top + reach), (bottom - reach, bottom), (top, bottom), (top + reach, bottom - reach))
    upper, lower, whole, middle = _shares(ink, box.height, bands)
    return _Columns(_less_beside((upper + lower) / 2, box.height), whole, middle)


def _measure_teeth(ink: Mask, line: _Floats, unit: float) -> _Columns:
    """Measure the columns above a line: near it, and where the writing is."""
    bands = ((line - _TEETH[0] * unit, line), (line - 1.1 * unit, line - _TEETH[1] * unit))
    low, middle = _shares(ink, unit, bands)
    return _Columns(_less_beside(low, unit), low, middle)


def _evidence(columns: _Columns) -> _Floats:
    """Log-odds, roughly, that a column is one of a divider: -3 to 3.5."""
    return np.clip(8 * (columns.ends - 0.25), -2.0, 2.5) + np.clip(4 * (columns.whole - 0.4), -1.0, 1.0)


def _best_comb(evidence: _Floats, box: _Box, pitches: tuple[float, float]) -> _Floats:
    """Find the pitch, the phase and the extent at which places come to most; none when they come to too little."""
    best, found = box.evidence, np.zeros(0)
    starts = np.flatnonzero(np.diff((evidence > 0).astype(np.int8), prepend=0) > 0)
    if len(starts) < _FEWEST or np.maximum.reduceat(evidence, starts).sum() <= best:  # No comb could come to more.
        return found
    step = max(1.0, box.height / 27)
    first, last = np.flatnonzero(box.either)[[0, -1]].tolist()
    for pitch in _likely_pitches(evidence, step, pitches):
        count = int((last - first) / pitch)
        if count < _FEWEST:
            continue
        places = first + np.arange(0, pitch, step)[:, None] + pitch * np.arange(count)
        sums = np.cumsum(evidence[np.minimum(np.rint(places).astype(np.intp), last)], axis=1)
        # For each phase the stretch of places with the largest sum (Kadane's algorithm).
        before = np.concatenate((np.zeros((len(sums), 1)), sums[:, :-1]), axis=1)
        gains = sums - np.minimum.accumulate(before, axis=1)
        for phase in np.flatnonzero(gains.max(axis=1) > best).tolist():
            stop = int(gains[phase].argmax()) + 1
            chosen = places[phase, int(before[phase, :stop].argmin()) : stop]
            closed = box.both[round(chosen[0]) : round(chosen[-1]) + 1]
            if len(chosen) >= _FEWEST and closed.mean() >= _CLOSED:
                best, found = float(gains[phase, stop - 1]), chosen
    return found


def _likely_pitches(evidence: _Floats, step: float, pitches: tuple[float, float]) -> list[float]:
    """Distances at which there is evidence twice: those about the highest peaks of its autocorrelation."""
    bins = np.maximum.reduceat(np.maximum(evidence, 0.0), np.arange(0, len(evidence), step).astype(np.intp))
    alike = np.correlate(bins, bins, "full")[len(bins) - 1 :]
    alike = np.convolve(alike, np.ones(3), "same")
    low, high = round(pitches[0] / step), min(round(pitches[1] / step) + 1, len(alike))
    lags = low + np.argsort(-alike[low:high])
    chosen: list[int] = []
    for lag in lags.tolist():
        if len(chosen) < _LIKELY and all(abs(lag - other) > 1 for other in chosen):
            chosen.append(lag)
    quarters = {4 * lag + part for lag in chosen for part in range(-4, 5)}
    return [step * quarter / 4 for quarter in sorted(quarters) if pitches[0] <= step * quarter / 4 <= pitches[1]]


def _is_written_between(places: _Floats, evidence: _Floats, middle: _Floats) -> bool:
    """Tell whether the writing stands in the cells: where it stands on the places, they are digits.

    Where many places are surely those of dividers, it may stand anywhere in the cells.
    """
    columns = np.arange(int(places[0]) + 1, int(places[-1]))
    cells, phase = np.divmod((columns - places[0]) / (places[1] - places[0]), 1)
    aside, writing = np.abs(phase - 0.5), middle[columns]
    inside = aside < 0.38
    if writing[aside < 0.25].sum() > _INSIDE * writing[inside].sum():
        return True
    is_sure = len(places) >= _MANY and evidence[np.rint(places).astype(np.intp)].mean() >= _SURE
    written = len(np.unique(cells[inside & (writing > 0.1)]))
    return bool(is_sure and written >= (len(places) - 1) / 2)


def _fitted(places: _Floats, ends: _Floats, height: float) -> _Floats:
    """Lay places, which may be anywhere on their dividers, through the middles of these at one distance."""
    reach = max(2, round(0.12 * height))
    offsets = np.arange(-reach, reach + 1)
    for _ in range(2):
        around = np.rint(places).astype(np.intp)[:, None] + offsets
        weights = np.maximum(ends[np.clip(around, 0, len(ends) - 1)], 0.0)
        seen = np.flatnonzero(weights.max(axis=1) >= _CLEAR)
        if len(seen) < 2:
            break
        middles = (weights[seen] * around[seen]).sum(axis=1) / weights[seen].sum(axis=1)
        slope, offset = np.polyfit(seen, middles, 1).tolist()
        if abs(slope - (places[1] - places[0])) > 0.1 * slope:  # What is near the places is no comb's.
            break
        places = slope * np.arange(len(places)) + offset
    return places


def _continued(places: _Floats, evidence: _Floats, least: float) -> _Floats:
    """Follow a comb to either side as long as there is enough evidence in the place of a divider."""
    pitch = float(places[1] - places[0])
    before, after = [float(places[0])], [float(places[-1])]
    for found, step in ((before, -pitch), (after, pitch)):
        while 0 <= (place := found[-1] + step) <= len(evidence) - 1 and evidence[round(place)] > least:
            found.append(place)
    return np.array([*before[:0:-1], *places, *after[1:]])


@dataclass(frozen=True, slots=True)
class _Bar:
    """The surroundings of a divider, and in each of their rows the run of ink in its place.

    Attributes:
        top: First row.
        left: First column.
        window: Ink, (h, w) bool.
        first: First column of each run, (h,).
        stop: The column after each run, (h,); not after the first one where there is none.
        plain: Rows near its ends, of which the run lies within the surroundings: most likely there is nothing else.
    """

    top: int
    left: int
    window: Mask
    first: NDArray[np.intp]
    stop: NDArray[np.intp]
    plain: NDArray[np.bool_]


def _at(mask: Mask, places: _Floats, box: _Box) -> Dividers:
    """Find the ink of dividers, as thick as they are at their ends; a stroke that crosses one keeps its own."""
    bars = [_bar(mask, float(place), box) for place in places]
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


def _teeth_at(ink: Mask, places: _Floats, box: _Box) -> Dividers:
    """Find the ink of teeth, as high as most of them are, and of walls at both ends, which may be higher."""
    bars = [_bar(ink, float(place), box) for place in places]
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


def _is_tooth(bar: _Bar, height: int) -> bool:
    """Tell a tooth, which stands upright and ends, from the foot of a stroke, which leans or goes on."""
    top = len(bar.window) - height
    middles = (bar.first + bar.stop - 1)[top:] / 2
    part = max(1, height // 3)
    upper, lower = middles[:part], middles[-2 * part : -part] if height > 2 * part else middles[-part:]
    if abs(float(np.median(upper)) - float(np.median(lower))) > max(1.0, 0.08 * height):
        return False
    left, right = int(bar.first[top]), int(bar.stop[top])
    return top == 0 or not bar.window[max(top - 2, 0) : top, left:right].any()


def _height_of(bar: _Bar, most: float) -> int:
    """Count the rows from the line up in which there is a tooth and nothing else; the lowest may have gone with it."""
    single = ((bar.stop > bar.first) & (bar.stop - bar.first <= most))[::-1]
    if not single.any() or (start := int(single.argmax())) > 0.1 * len(single) + 2:
        return 0
    rest = single[start:]
    return start + (len(rest) if rest.all() else int(rest.argmin()))


def _bar(mask: Mask, place: float, box: _Box) -> _Bar:
    """Cut out the surroundings of a divider."""
    reach = max(2, round(0.15 * box.height))
    column = min(max(round(place), reach), mask.shape[1] - 1 - reach)
    top, bottom = max(round(box.top[column]), 0), min(round(box.bottom[column]) + 1, mask.shape[0])
    left, near = column - reach, _ENDS * box.height
    window = mask[top:bottom, left : column + reach + 1]
    first, stop = _runs(window, reach)
    rows = np.arange(bottom - top)
    is_end = (rows < near) | (rows >= len(rows) - near)
    return _Bar(top, left, window, first, stop, is_end & (stop > first) & (first > 0) & (stop < window.shape[1]))


def _runs(window: Mask, middle: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Find in each row the run of ink that holds a column or ends beside it: its first column and the one after it."""
    beside = np.where(window[:, middle - 1], middle - 1, middle + 1)
    start = np.where(window[:, middle], middle, beside)
    inked = window[np.arange(len(window)), start]
    columns = np.arange(window.shape[1])
    after = np.where(~window & (columns >= start[:, None]), columns, window.shape[1]).min(axis=1)
    before = np.where(~window & (columns <= start[:, None]), columns, -1).max(axis=1) + 1
    return np.where(inked, before, 0), np.where(inked, after, 0)
