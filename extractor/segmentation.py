"""A line image becomes a lattice: pieces of ink from left to right, and runs of neighbouring pieces as candidates.

Over-segmentation and recognition (Casey and Lecolinet, "A survey of methods and strategies in character segmentation",
1996): every cut that might be right is made, and the network says later which pieces belong together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from extractor.lines import LineImage
from extractor.normalize import normalize_runs
from extractor.preprocess import Mask, components, median

SLANTS = (-0.25, 0.0, 0.25, 0.5, 0.75)
"""Horizontal pixels per vertical pixel along which cuts are looked for; positive leans to the right as writing does."""
MAX_PIECES = 5
"""A candidate holds at most this many pieces."""
MAX_GAP = 0.25
"""Pieces with a wider gap between them, in digit heights, are no one digit."""
MAX_LINE_PIECES = 240
"""Of more pieces in one line only the largest are kept: dirt and patterns fall into thousands."""
GEOMETRY = ("height", "width", "top", "bottom", "gap_left", "gap_right", "ink_share", "stroke")
"""What the geometry numbers of a candidate are, in units of the digit height."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A run of neighbouring pieces that may be one digit.

    Attributes:
        start: Index of its first piece.
        stop: Index after its last piece.
        box: x, y, width, height in line pixels.
    """

    start: int
    stop: int
    box: tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Lattice:
    """All candidates of one line.

    Attributes:
        line: The line image.
        labels: Piece of each pixel from 1, left to right; 0 paper; (H, W) int32.
        areas: Ink pixels of each piece, (pieces,).
        candidates: Every candidate, by start, then by stop; each piece is one by itself.
    """

    line: LineImage
    labels: NDArray[np.int32]
    areas: NDArray[np.intp]
    candidates: tuple[Candidate, ...]

    @property
    def pieces(self) -> int:
        """Number of pieces."""
        return len(self.areas)


def segment(line: LineImage) -> Lattice:
    """Cut a line into pieces and list the candidates.

    Args:
        line: The line at working scale.

    Returns:
        The lattice; without candidates when no ink is left.
    """
    labels, boxes, areas = _pieces(line)
    return Lattice(line, labels, areas, _candidates(boxes, line.digit_height))


def crops(lattice: Lattice) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float32]]:
    """Normalise all candidates of a lattice.

    Args:
        lattice: N candidates.

    Returns:
        Digits (N, 28, 28) uint8, their surroundings (N, 28, 28) uint8, their geometry (N, 8) float32, see `GEOMETRY`.
    """
    runs = np.array([(item.start + 1, item.stop, *item.box) for item in lattice.candidates], np.int64).reshape(-1, 6)
    digits, context = normalize_runs(lattice.line.ink, lattice.labels, runs)
    return digits, context, geometry(lattice)


def geometry(lattice: Lattice) -> NDArray[np.float32]:
    """Measure what normalisation throws away: size, position and gaps, in units of the line's digit height.

    Args:
        lattice: N candidates.

    Returns:
        (N, 8) float32, columns as in `GEOMETRY`.
    """
    candidates = lattice.candidates
    if not candidates:
        return np.zeros((0, len(GEOMETRY)), np.float32)
    unit = lattice.line.digit_height
    boxes = np.array([item.box for item in candidates], np.float32)
    start, stop = np.array([(item.start, item.stop) for item in candidates]).T
    singles = boxes[stop - start == 1]
    tall = singles[singles[:, 3] >= 0.6 * unit]
    reference = tall if len(tall) else singles
    top, bottom = median(reference[:, 1]), median(reference[:, 1] + reference[:, 3])
    right_edges = np.maximum.accumulate(singles[:, 0] + singles[:, 2])
    left_edges = np.minimum.accumulate(singles[::-1, 0])[::-1]
    total = np.concatenate([[0], np.cumsum(lattice.areas)])
    x, y, width, height = boxes.T
    rows = np.empty((len(candidates), len(GEOMETRY)), np.float32)
    rows[:, 0] = height / unit
    rows[:, 1] = width / unit
    rows[:, 2] = (y - top) / unit
    rows[:, 3] = (y + height - bottom) / unit
    rows[:, 4] = np.where(start > 0, (x - right_edges[start - 1]) / unit, 2.0)
    rows[:, 5] = np.where(stop < lattice.pieces, (left_edges[stop % lattice.pieces] - x - width) / unit, 2.0)
    rows[:, 6] = (total[stop] - total[start]) / np.maximum(1.0, width * height)
    rows[:, 7] = lattice.line.stroke / unit
    return np.clip(rows, -2.0, 3.0)


def _pieces(line: LineImage) -> tuple[NDArray[np.int32], list[tuple[int, int, int, int]], NDArray[np.intp]]:
    """Split components at all plausible cuts and number the pieces by their horizontal centre.

    Returns:
        Piece of each pixel, box and ink of each piece.
    """
    labels, stats, _ = components(line.mask.view(np.uint8))
    cut: list[tuple[int, int, NDArray[np.uint16], slice]] = []
    found: list[tuple[float, int, tuple[int, int, int, int]]] = []
    amounts = [0]
    for index, (x, y, width, height, area) in enumerate(stats.tolist()):
        if index == 0:
            continue
        part = labels[y : y + height, x : x + width] == index
        pieces, inside = _split(part, area, line)
        cut.append((x, y, pieces, slice(len(amounts), len(amounts) + len(inside))))
        for place, amount in enumerate(inside, start=1):
            whole = len(inside) == 1
            px, py, pw, ph = (0, 0, width, height) if whole else cv2.boundingRect(cv2.inRange(pieces, place, place))
            found.append((x + px + pw / 2, len(amounts), (x + px, y + py, pw, ph)))
            amounts.append(amount)
    groups = _attach(found, line.digit_height)
    groups.sort(key=lambda group: -group[2][2] * group[2][3])
    groups = sorted(groups[:MAX_LINE_PIECES], key=lambda group: group[0])
    lookup = np.zeros(len(found) + 1, np.int32)
    for order, (_, numbers, _) in enumerate(groups, start=1):
        lookup[numbers] = order
    numbered = np.zeros(labels.shape, np.int32)
    for x, y, pieces, own in cut:
        window = numbered[y : y + pieces.shape[0], x : x + pieces.shape[1]]
        window += np.append(lookup[:1], lookup[own])[pieces]
    areas = np.array([sum(amounts[number] for number in numbers) for _, numbers, _ in groups], np.intp)
    return numbered, [box for _, _, box in groups], areas


def _attach(
    found: list[tuple[float, int, tuple[int, int, int, int]]], unit: float
) -> list[tuple[float, list[int], tuple[int, int, int, int]]]:
    """Join what lies above or below a larger piece and within its width: a floating bar of a 5, a broken loop."""
    order = sorted(found, key=lambda item: -item[2][2] * item[2][3])[: 2 * MAX_LINE_PIECES]
    groups: list[tuple[float, list[int], tuple[int, int, int, int]]] = []
    for centre, number, (x, y, width, height) in order:
        right, bottom = x + width, y + height
        for index, (_, numbers, (gx, gy, gw, gh)) in enumerate(groups):
            if min(right, gx + gw) - max(x, gx) < 0.75 * width or height < 0.1 * unit:
                continue
            distance = max(gy - bottom, y - (gy + gh))
            together = max(bottom, gy + gh) - min(y, gy)
            if distance <= 0.3 * unit and together <= 1.35 * unit:
                left, top = min(x, gx), min(y, gy)
                merged = (left, top, max(right, gx + gw) - left, max(bottom, gy + gh) - top)
                groups[index] = (merged[0] + merged[2] / 2, [*numbers, number], merged)
                break
        else:
            groups.append((centre, [number], (x, y, width, height)))
    return groups


def _split(part: Mask, area: int, line: LineImage) -> tuple[NDArray[np.uint16], list[int]]:
    """Cut one component of some area along every plausible slanted line.

    Returns:
        Piece of each pixel from 1, 0 beside the component, and the pixels in each piece.
    """
    height, width = part.shape
    unit, stroke = line.digit_height, line.stroke
    pieces = part.astype(np.uint16)
    if width < max(0.42 * unit, 3 * stroke) or height < 0.3 * unit:
        return pieces, [area]
    cuts = _cuts(part, unit, stroke)
    if not cuts:
        return pieces, [area]
    rows = np.arange(height, dtype=np.float32)[:, None] - height / 2
    columns = np.arange(width, dtype=np.float32)[None, :]
    for position, slant in cuts:
        pieces += columns > position - slant * rows
    pieces *= part
    amounts = np.bincount(pieces.ravel(), minlength=len(cuts) + 2)[1:].tolist()
    return _absorb_slivers(pieces, amounts, stroke)


def _cuts(part: Mask, unit: float, stroke: float) -> list[tuple[float, float]]:
    """List cuts as (column at mid height, slant), best ones where several compete."""
    width = part.shape[1]
    generous = width > 0.95 * unit
    ink_limit, run_limit = (4.2 * stroke, 2) if generous else (2.3 * stroke, 1)
    edge = max(0.14 * unit, 1.2 * stroke)
    ink, runs = _profiles(part)
    smooth = cv2.blur(ink, (3, 1))
    before = (ink.shape[1] - width) // 2
    # Columns that are at least this far from both ends; the profiles reach beyond these.
    first, last = before + math.ceil(np.float32(edge)), before + math.floor(np.float32(width - edge)) + 1
    middle = smooth[:, first:last]
    low = (middle <= smooth[:, first - 1 : last - 1]) & (middle <= smooth[:, first + 1 : last + 1])
    slants, columns = np.nonzero(low)
    amount, number = ink[:, first:last][low], runs[:, first:last][low]
    leaning = np.array([0.3 * stroke * abs(slant - 0.25) for slant in SLANTS], np.float32)
    cost = amount + 1.2 * stroke * (number - 1) + leaning[slants]
    allowed = (amount <= ink_limit) & (number <= run_limit)
    order = np.lexsort((slants, columns, cost))
    places = (columns[order] + (first - before)).astype(np.float64).tolist()
    leans = [SLANTS[slant] for slant in slants[order].tolist()]
    ordered = list(zip(places, leans, allowed[order].tolist(), strict=True))
    chosen: list[tuple[float, float]] = []
    apart = max(0.13 * unit, 1.1 * stroke)
    for position, slant, free in ordered:
        if free and all(abs(position - other) >= apart for other, _ in chosen):
            chosen.append((position, slant))
    # What is still wider than most digits may hold several: there the best cut is taken however much ink it crosses.
    widest = 0.9 * unit
    if not _has_wide(chosen, width, widest):
        return sorted(chosen)
    for position, slant, free in ordered:
        if free:
            continue
        before_it = max([other for other, _ in chosen if other <= position], default=0.0)
        after = min([other for other, _ in chosen if other > position], default=float(width))
        if after - before_it > widest and min(position - before_it, after - position) >= 0.26 * unit:
            chosen.append((position, slant))
    return sorted(chosen)


def _has_wide(cuts: list[tuple[float, float]], width: int, limit: float) -> bool:
    """Tell whether a part between two cuts, or beside the outer ones, is wider than a limit."""
    edges = [0.0, *sorted(position for position, _ in cuts), float(width)]
    return any(after - before > limit for before, after in pairwise(edges))


def _profiles(part: Mask) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Measure, for each slant, how much ink a cut at each column crosses and in how many runs, (slants, columns)."""
    flat = part.view(np.uint8)
    height = flat.shape[0]
    reach = int(np.ceil(max(abs(slant) for slant in SLANTS) * height / 2)) + 1
    padded = cv2.copyMakeBorder(flat, 1, 0, reach, reach, cv2.BORDER_CONSTANT, value=0)
    width = padded.shape[1]
    # Side by side, so that all are measured at once.
    sheared = np.empty((height + 1, len(SLANTS) * width), np.uint8)
    for index, slant in enumerate(SLANTS):
        _shear(padded, slant, sheared[:, index * width : (index + 1) * width])
    ink = cv2.reduce(sheared, 0, cv2.REDUCE_SUM, dtype=cv2.CV_32F)
    begun = cv2.subtract(sheared[1:], sheared[:-1])
    runs = cv2.reduce(begun, 0, cv2.REDUCE_SUM, dtype=cv2.CV_32F)
    shape = (len(SLANTS), width)
    return ink.reshape(shape).astype(np.float32, copy=False), runs.reshape(shape).astype(np.float32, copy=False)


def _shear(flat: cv2.typing.MatLike, slant: float, out: NDArray[np.uint8]) -> None:
    """Move rows sideways so that lines of a slant become columns."""
    if slant == 0.0:
        out[:] = flat
        return
    height, width = flat.shape
    matrix = np.array([[1.0, slant, -slant * height / 2], [0.0, 1.0, 0.0]], np.float32)
    cv2.warpAffine(flat, matrix, (width, height), dst=out, flags=cv2.INTER_NEAREST)


def _absorb_slivers(
    pieces: NDArray[np.uint16], amounts: list[int], stroke: float
) -> tuple[NDArray[np.uint16], list[int]]:
    """Give slivers back to the piece before them, or the first to the one after it: a cut may shave a stroke's edge.

    Args:
        pieces: Piece of each pixel from 1, (H, W).
        amounts: Pixels of each piece, perhaps none.
        stroke: Width of the pen.

    Returns:
        The same without slivers and pieces of no pixel.
    """
    least = 1.2 * stroke * stroke
    kept: list[int] = []
    place = [0]
    for amount in amounts:
        if amount and kept and amount < least:
            kept[-1] += amount
        elif amount:
            kept.append(amount)
        place.append(len(kept))
    if len(kept) > 1 and kept[0] < least:
        kept[:2] = [kept[0] + kept[1]]
        place = [min(number, 1) if number < 2 else number - 1 for number in place]
    return (pieces if len(kept) == len(amounts) else np.array(place, np.uint16)[pieces]), kept


def _candidates(boxes: list[tuple[int, int, int, int]], unit: float) -> tuple[Candidate, ...]:
    """List runs of neighbouring pieces no wider than a digit can be."""
    out: list[Candidate] = []
    for start, (x, y, width, height) in enumerate(boxes):
        left, top, right, bottom = x, y, x + width, y + height
        out.append(Candidate(start, start + 1, (x, y, width, height)))
        for stop in range(start + 2, min(start + MAX_PIECES, len(boxes)) + 1):
            nx, ny, nw, nh = boxes[stop - 1]
            gap = nx - right
            left, top = min(left, nx), min(top, ny)
            right, bottom = max(right, nx + nw), max(bottom, ny + nh)
            if right - left > 1.45 * unit or gap > MAX_GAP * unit:
                break
            out.append(Candidate(start, stop, (left, top, right - left, bottom - top)))
    return tuple(out)
