"""Where the dividers of a comb stand: what speaks for each column, and the distance at which places come to most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from extractor.preprocess import Mask

Floats = NDArray[np.float64]
"""(N,) float64."""

FEWEST = 4
"""Dividers that make a comb."""
LEAST_HEIGHT = 10.0
"""Pixels between the lines of a box from which on its inside can be told from its lines."""
ENDS = 0.22
"""Of the height, how far from a line the ends of dividers are looked for."""
EVIDENCE = 9.0
"""What the places of a comb come to at least, see `_evidence_of`: three clear dividers and more that are broken."""
EVIDENCE_ONE_LINE = 14.0
"""The same where there is one line, or the picture has cut one off and strokes of the writing with it: four clear
ones."""
_BESIDE = 0.2
"""Of the height, how far from a divider there is less ink at its ends than on it: what is written there runs on."""
_CLEAR = 0.3
"""By how much more of its ends than of those beside it is ink where a divider may stand."""
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

    places: Floats
    thickness: float
    ink: Mask


@dataclass(frozen=True, slots=True)
class Box:
    """The inside of a box.

    Attributes:
        top: For each column the first row under its upper line, (W,) float64.
        bottom: For each column the first row of its lower line, (W,) float64.
        both: Columns that have both lines, (W,) bool.
        either: Columns that have one, (W,) bool.
        evidence: What makes a comb in it.
    """

    top: Floats
    bottom: Floats
    both: NDArray[np.bool_]
    either: NDArray[np.bool_]
    evidence: float

    @property
    def height(self) -> float:
        """Rows between the lines, mostly."""
        return float(np.median((self.bottom - self.top)[self.both]))


@dataclass(frozen=True, slots=True)
class Columns:
    """What the columns of a box hold.

    Attributes:
        ends: Share of its upper and lower end that is ink, less that beside it, (W,) float64.
        whole: Share of its whole height that is ink, (W,) float64.
        middle: Share between its ends that is ink, (W,) float64.
    """

    ends: Floats
    whole: Floats
    middle: Floats


def shares(ink: Mask, height: float, bands: Sequence[tuple[Floats, Floats]]) -> list[Floats]:
    """Measure the share of each column, and of those next to it, that is ink between two rows.

    Args:
        ink: (H, W) bool.
        height: Of a cell or of the writing, in pixels.
        bands: First row for each column, and the one after the last, (W,) each.

    Returns:
        For each band (W,) float64, 0 to 1.
    """
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


def less_beside(ends: Floats, height: float) -> Floats:
    """Say how much more ink there is in each column than beside it.

    Args:
        ends: Share of each column's ends that is ink, (W,).
        height: Of a cell or of the writing, in pixels.

    Returns:
        (W,) float64, -1 to 1.
    """
    beside = max(2, round(_BESIDE * height))
    around = np.pad(ends, beside)
    return ends - (around[: -2 * beside] + around[2 * beside :]) / 2


def find_places(columns: Columns, box: Box, pitches: tuple[float, float], height: float, least: float) -> Floats:
    """Find where the dividers of a comb stand.

    Args:
        columns: What those of the box hold.
        box: Where the comb would be.
        pitches: Least and greatest distance between dividers, in pixels.
        height: Of a cell or of the writing, in pixels.
        least: Log-odds above which a comb goes on to a place beside those that are found, -3 to 3.5.

    Returns:
        The places, x, rising, at one distance; none when this is no comb.
    """
    nothing = np.zeros(0)
    if np.count_nonzero(np.diff((columns.ends >= _CLEAR).astype(np.int8)) > 0) < FEWEST:
        return nothing
    evidence = _evidence_of(columns)
    places = _best_comb(evidence, box, pitches)
    if not len(places) or not _is_written_between(places, evidence, columns.middle):
        return nothing
    return _continued(_fitted(places, columns.ends, height), evidence, least)


def _evidence_of(columns: Columns) -> Floats:
    """Say how much speaks for each column being one of a divider.

    Args:
        columns: What they hold.

    Returns:
        Log-odds, roughly, -3 to 3.5, (W,) float64.
    """
    return np.clip(8 * (columns.ends - 0.25), -2.0, 2.5) + np.clip(4 * (columns.whole - 0.4), -1.0, 1.0)


def _best_comb(evidence: Floats, box: Box, pitches: tuple[float, float]) -> Floats:
    """Find the distance, the phase and the extent at which places come to most.

    Args:
        evidence: See `_evidence_of`, (W,).
        box: Where the comb would be.
        pitches: Least and greatest distance, in pixels.

    Returns:
        The places, x, rising, at one distance; none where they come to less than the box asks for.
    """
    best, found = box.evidence, np.zeros(0)
    starts = np.flatnonzero(np.diff((evidence > 0).astype(np.int8), prepend=0) > 0)
    if len(starts) < FEWEST or np.maximum.reduceat(evidence, starts).sum() <= best:  # No comb could come to more.
        return found
    step = max(1.0, box.height / 27)
    first, last = np.flatnonzero(box.either)[[0, -1]].tolist()
    for pitch in _likely_pitches(evidence, step, pitches):
        count = int((last - first) / pitch)
        if count < FEWEST:
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
            if len(chosen) >= FEWEST and closed.mean() >= _CLOSED:
                best, found = float(gains[phase, stop - 1]), chosen
    return found


def _likely_pitches(evidence: Floats, step: float, pitches: tuple[float, float]) -> list[float]:
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


def _is_written_between(places: Floats, evidence: Floats, middle: Floats) -> bool:
    """Tell whether the writing stands in the cells: where it stands on the places, they are digits.

    Where many places are surely those of dividers, it may stand anywhere in the cells.

    Args:
        places: Of dividers, x, rising.
        evidence: See `_evidence_of`, (W,).
        middle: Share of each column between its ends that is ink, (W,).
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


def _fitted(places: Floats, ends: Floats, height: float) -> Floats:
    """Lay places, which may be anywhere on their dividers, through the middles of these at one distance.

    Args:
        places: x, rising, at one distance.
        ends: How much more of each column's ends than of those beside it is ink, (W,).
        height: Of a cell or of the writing, in pixels.

    Returns:
        As many places; the same where there are no dividers near them.
    """
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


def _continued(places: Floats, evidence: Floats, least: float) -> Floats:
    """Follow a comb to either side as long as there is enough evidence in the place of a divider.

    Args:
        places: x, rising, at one distance.
        evidence: See `_evidence_of`, (W,).
        least: What it must be above.

    Returns:
        These places, and those before and after them.
    """
    pitch = float(places[1] - places[0])
    before, after = [float(places[0])], [float(places[-1])]
    for found, step in ((before, -pitch), (after, pitch)):
        while 0 <= (place := found[-1] + step) <= len(evidence) - 1 and evidence[round(place)] > least:
            found.append(place)
    return np.array([*before[:0:-1], *places, *after[1:]])


@dataclass(frozen=True, slots=True)
class Bar:
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


def bar_at(mask: Mask, place: float, box: Box) -> Bar:
    """Cut out the surroundings of a divider.

    Args:
        mask: Ink, (H, W) bool.
        place: Where it stands, x.
        box: From where to where.
    """
    reach = max(2, round(0.15 * box.height))
    column = min(max(round(place), reach), mask.shape[1] - 1 - reach)
    top, bottom = max(round(box.top[column]), 0), min(round(box.bottom[column]) + 1, mask.shape[0])
    left, near = column - reach, ENDS * box.height
    window = mask[top:bottom, left : column + reach + 1]
    first, stop = _runs(window, reach)
    rows = np.arange(bottom - top)
    is_end = (rows < near) | (rows >= len(rows) - near)
    return Bar(top, left, window, first, stop, is_end & (stop > first) & (first > 0) & (stop < window.shape[1]))


def _runs(window: Mask, middle: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Find in each row the run of ink that holds a column or ends beside it: its first column and the one after it."""
    beside = np.where(window[:, middle - 1], middle - 1, middle + 1)
    start = np.where(window[:, middle], middle, beside)
    inked = window[np.arange(len(window)), start]
    columns = np.arange(window.shape[1])
    after = np.where(~window & (columns >= start[:, None]), columns, window.shape[1]).min(axis=1)
    before = np.where(~window & (columns <= start[:, None]), columns, -1).max(axis=1) + 1
    return np.where(inked, before, 0), np.where(inked, after, 0)
