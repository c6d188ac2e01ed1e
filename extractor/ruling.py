"""Printed lines of a page: ruled and squared paper, boxes, combs, tables; found at low resolution, taken out at full.

A line is found where ink runs straight over many times the height of the writing, or where it closes a box. It is
followed column by column, so that it may lean with the page and bend with the paper, and a stroke that crosses it stays
whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from extractor.line_parts import Binary, Course, LinePart, course_of, pixels_at
from extractor.page_combs import line_above, may_have_teeth, take_comb
from extractor.preprocess import Mask, components, median, shrink

_SEARCH_SIDE = 1250
_COMB_ASPECT = 1.4
_SQUARES, _SQUARE = 10, 3.0
"""Squares that squared paper has at least each way, and heights of the writing that one has at most."""
_COMB_HEIGHT = 3.0
"""A comb's cells are no higher than this many digits; higher ones are as narrow as one of such a height."""
_AT_ONCE = 512
"""Columns of a line that are taken out together: few, so that a leaning line does not span many rows in them."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """The lines of a page, and the page without them.

    Attributes:
        before: The page's ink with its lines, (H, W) bool.
        ink: The same without them, (H, W) bool.
        scale: Size of the maps below relative to the page.
        walls: Lines that run down, (h, w) 0 or 1.
        cells: Number of the box, table cell or open space of each pixel between lines, (h, w) int32.
        combs: For each such number, whether it is a narrow cell, made for one digit.
        count: Number of lines found.
    """

    before: Mask
    ink: Mask
    scale: float
    walls: Binary
    cells: NDArray[np.int32]
    combs: NDArray[np.bool_]
    count: int


def remove_ruling(mask: Mask) -> Ruling:
    """Take the printed lines out of a page.

    Args:
        mask: Ink of the page, (H, W) bool.

    Returns:
        The lines and the rest.
    """
    scale = min(1.0, _SEARCH_SIDE / max(mask.shape))
    small = _shrink(mask, scale)
    tall = _writing_height(small)
    across, down = _straight(small, tall), _straight(np.ascontiguousarray(small.T), tall)
    rows, columns = _select(across, down, tall)
    ink = mask.copy()
    for part in rows:
        _take(mask, part, scale, ink)
    dividers: list[LinePart] = []
    for part in rows:
        if may_have_teeth(small, part, tall):
            dividers += take_comb(ink, part, line_above(rows, part, tall), columns, scale, tall / scale)
    for part in columns:
        _take(mask.T, part, scale, ink.T)
    lines_across = _draw(rows, small.shape)
    walls = np.ascontiguousarray(_draw(columns + dividers, small.T.shape).T)
    pitch = _square_pitch(rows, columns)
    # With its lines the writing would be one piece, of which no height could be told.
    if pitch > 0 and pitch < _SQUARE * _writing_height(_shrink(ink, scale)):
        walls, lines_across = np.zeros_like(walls), np.zeros_like(walls)
    cells, combs = _spaces(lines_across | walls, tall)
    return Ruling(mask, ink, scale, walls, cells, combs, len(rows) + len(columns))


def _square_pitch(rows: list[LinePart], columns: list[LinePart]) -> float:
    """How far apart the lines of squared paper are, which part nothing: many and alike both ways; 0 for others."""
    pitches = []
    for parts in (rows, columns):
        steps = np.diff(np.unique([round(float(part.ys.mean())) for part in parts]))
        steps = steps[steps > 4]
        if len(steps) < _SQUARES:
            return 0.0
        pitches.append(float(np.median(steps)))
    return max(pitches) if max(pitches) < 1.3 * min(pitches) else 0.0


def line_ink(mask: Mask, course: Course, reach: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.bool_]]:
    """Find the ink of a line that runs across.

    In each pixel column a line is a run of ink of its usual thickness; ink that goes on at both sides is a stroke that
    crosses the line; ink that goes on at one side is a stroke that ends on it, and keeps all but the line.

    Args:
        mask: Ink, (H, W) bool.
        course: Where the line runs.
        reach: How far from its course the line may be, in pixels.

    Returns:
        Rows and columns of the band in which the line lies, and whether each pixel belongs to the line alone.
    """
    xs, first, last, crossed = _line_band(mask, course, reach)
    steps = np.arange(int((last - first).max(initial=0)) + 1)[:, None]
    rows = first + steps
    valid = rows <= last
    columns = np.broadcast_to(xs, rows.shape)
    return rows[valid], columns[valid], np.broadcast_to(~crossed, rows.shape)[valid]


def _line_band(
    mask: Mask, course: Course, reach: int
) -> tuple[NDArray[np.int_], NDArray[np.intp], NDArray[np.intp], NDArray[np.bool_]]:
    """Find the first and the last row of a line in each column, see `line_ink`, and whether a stroke crosses it."""
    height = mask.shape[0]
    xs, centre = course
    inside = (centre > 0) & (centre < height - 1)
    xs, centre = xs[inside], centre[inside]
    thickness, shift = _thickness(mask, xs, centre, reach)
    if thickness == 0:
        empty = np.zeros(0, np.intp)
        return empty, empty, empty, np.zeros(0, np.bool_)
    centre = centre + shift
    half = 0.5 * thickness + 0.5
    top, bottom = np.rint(centre - half).astype(np.intp), np.rint(centre + half).astype(np.intp)
    over = _unbroken(_rows_from(mask, top - reach, xs, reach)[::-1])
    under = _unbroken(_rows_from(mask, bottom + 1, xs, reach))
    slack = max(1, round(0.5 * thickness))
    crossed = (over > slack) & (under > slack)
    first = np.maximum(np.where(over <= slack, top - over, top), 0)
    last = np.minimum(np.where(under <= slack, bottom + under, bottom), height - 1)
    return xs, first, last, crossed


def _shrink(mask: Mask, scale: float) -> Binary:
    flat = mask.view(np.uint8)
    if scale >= 1:
        return flat
    # A third of a pixel of ink is enough, or hair lines would be lost.
    return (shrink(flat * np.uint8(255), scale) > 80).astype(np.uint8)


def _writing_height(small: Binary) -> float:
    """Height of the larger writing of a page: the upper quartile of the components that may be writing."""
    labels, stats, _ = components(small)
    width, height = stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT]
    writing = (height >= 6) & (width < 5 * height) & (height < 0.7 * small.shape[0])
    writing[0] = False
    hollow = stats[:, cv2.CC_STAT_AREA] < 0.4 * width * height
    for label in np.flatnonzero(writing & hollow & (width > 20) & (height > 20)):
        x, y, across, down = stats[label, :4]
        writing[label] = not _has_corners(labels[y : y + down, x : x + across] == label)
    return float(np.percentile(height[writing], 75)) if writing.any() else 12.0


def _has_corners(shape: Mask) -> bool:
    """Tell a box from a round digit: it has ink in all four corners of its extent."""
    near = 4 + max(shape.shape) // 16
    corners = (shape[:near, :near], shape[:near, -near:], shape[-near:, :near], shape[-near:, -near:])
    return all(bool(corner.any()) for corner in corners)


def _straight(small: Binary, tall: float) -> list[LinePart]:
    """Find ink that runs straight across."""
    run = int(np.clip(0.8 * tall, 18, 30))
    # Widened by a pixel to both sides a leaning line still holds a level run.
    wide = cv2.dilate(small, np.ones((3, 1), np.uint8))
    level = cv2.morphologyEx(wide, cv2.MORPH_OPEN, np.ones((1, run), np.uint8))
    level = cv2.morphologyEx(level, cv2.MORPH_CLOSE, np.ones((1, 9), np.uint8))
    labels, stats, _ = components(level.astype(np.uint8, copy=False))
    parts = []
    wide, high, areas = stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT], stats[:, cv2.CC_STAT_AREA]
    straight = (wide >= 1.2 * tall) & (high <= 0.15 * wide + 8) & (areas <= 13 * wide)
    for label in (np.flatnonzero(straight[1:]) + 1).tolist():
        x, y, width, height, area = stats[label].tolist()
        # Connected, so that there is some of it in each of its columns.
        piece = (labels[y : y + height, x : x + width] == label).astype(np.float32)
        amount, moment = np.stack((np.ones(height), np.arange(height))).astype(np.float32) @ piece
        part = LinePart(np.arange(x, x + width), moment / amount.astype(np.float64) + y, max(area / width - 2.0, 1.0))
        if _stands_alone(small, part):
            parts.append(part)
    return parts


def _stands_alone(small: Binary, part: LinePart) -> bool:
    """Tell a line from a line of print: along most of it there is ink on its course and paper on both sides."""
    beside = 0.5 * part.thickness + 2.5
    rows = np.rint(part.ys + np.array([[-beside], [0.0], [beside]])).astype(np.intp)
    above, on, below = pixels_at(small, rows, part.xs) > 0
    free = np.count_nonzero(~(above | below))
    return bool(np.count_nonzero(on) > 0.6 * on.size and free > 0.5 * on.size)


def _select(across: list[LinePart], down: list[LinePart], tall: float) -> tuple[list[LinePart], list[LinePart]]:
    """Tell printed lines from straight strokes of the writing.

    A line is long for its thickness and for the writing, or it ends on lines at both ends and so closes a box. Of two
    lines that wait for each other, such as the sides of a small box, each is taken for the other's sake.
    """
    rows = [part.length > 4 * tall and part.length > 15 * part.thickness and _is_even(part) for part in across]
    columns = [part.length > 5 * tall and part.length > 25 * part.thickness and _is_even(part) for part in down]
    slack = 4.0
    spans = np.array([(row.xs[0], row.ys.min(), row.xs[-1], row.ys.max()) for row in across]).reshape(-1, 4).T
    # A side closes a box where it stands on the ends of the lines it joins; dividers may stand between two such sides.
    joined: dict[int, list[tuple[int, int]]] = {}
    sides: dict[tuple[int, int], int] = {}
    for index, part in enumerate(down):
        above, below = ((float(part.ys[end]), float(part.xs[end])) for end in (0, -1))
        upper, lower = _rows_at(across, spans, *above, slack), _rows_at(across, spans, *below, slack)
        pairs = [(k, m) for k in upper for m in lower if k != m]
        if not pairs or not (columns[index] or _is_even(part)):
            continue
        joined[index] = pairs
        for k, m in pairs:
            if _at_end(across[k], above[0], slack + 2) and _at_end(across[m], below[0], slack + 2):
                sides[k, m] = sides.get((k, m), 0) + 1
    for index, pairs in joined.items():
        boxed = [pair for pair in pairs if sides.get(pair, 0) >= 2]
        for k, m in boxed:
            rows[k] = rows[m] = True
        # One side alone, the other hidden under a stroke, is enough between lines that are lines anyway.
        columns[index] = columns[index] or bool(boxed) or any(rows[k] and rows[m] and (k, m) in sides for k, m in pairs)
    return (
        [part for part, chosen in zip(across, rows, strict=True) if chosen],
        [part for part, chosen in zip(down, columns, strict=True) if chosen],
    )


def _is_even(part: LinePart) -> bool:
    """Tell whether a piece runs straight, but for the slow bend of paper."""
    xs = part.xs.astype(np.float64)
    degree = 1 if part.length < 60 else 2 if part.length < 300 else 3
    powers = np.vander(2 * (xs - xs[0]) / (xs[-1] - xs[0]) - 1, degree + 1)
    # Of so low a degree over -1 to 1 the normal equations are as good as any solver, and much cheaper.
    fitted = powers @ np.linalg.solve(powers.T @ powers, powers.T @ part.ys)
    far = np.abs(part.ys - fitted) > 1.0 + 0.003 * part.length
    return bool(np.count_nonzero(far) < 0.15 * part.length)


def _rows_at(across: list[LinePart], spans: NDArray[np.float64], x: float, y: float, slack: float) -> list[int]:
    """Indices of the pieces that run across through a point; ``spans`` are their left, top, right, bottom."""
    left, top, right, bottom = spans
    near = (left - slack <= x) & (x <= right + slack) & (top - 2 * slack <= y) & (y <= bottom + 2 * slack)
    found = []
    for k in np.flatnonzero(near):
        row = across[k]
        course = row.ys[min(max(int(x) - int(row.xs[0]), 0), len(row.ys) - 1)]
        if abs(course - y) <= slack + 0.5 * row.thickness:
            found.append(int(k))
    return found


def _at_end(row: LinePart, x: float, slack: float) -> bool:
    return bool(min(abs(x - row.xs[0]), abs(x - row.xs[-1])) <= slack)


def _take(mask: Mask, part: LinePart, scale: float, ink: Mask) -> None:
    """Take a line out of ``ink``, as it shows in ``mask``."""
    reach = max(4, round(0.004 * max(mask.shape)))
    xs, ys = course_of(part, scale, mask.shape[1])
    top, left = max(int(ys.min()) - 4 * reach, 0), int(xs[0])
    strip = mask[top : int(ys.max()) + 4 * reach, left : xs[-1] + 1]
    if strip.strides[0] < strip.strides[1]:  # A page on its side: turned in blocks, or each pixel is far from the next.
        strip = cv2.transpose(strip.T.view(np.uint8)).view(np.bool_)
    columns, first, last, crossed = _line_band(strip, (xs - left, ys - top), reach)
    begin, end = np.full(strip.shape[1], strip.shape[0]), np.full(strip.shape[1], -1)
    begin[columns[~crossed]], end[columns[~crossed]] = first[~crossed], last[~crossed]
    for start in range(0, len(begin), _AT_ONCE):
        above, below = begin[start : start + _AT_ONCE], end[start : start + _AT_ONCE]
        low, high = int(above.min()), int(below.max()) + 1
        rows = np.arange(low, high)[:, None]
        window = ink[top + low : top + high, left + start : left + start + len(above)]
        window &= (rows < above) | (rows > below)


def _draw(parts: list[LinePart], shape: tuple[int, ...]) -> Binary:
    """Draw pieces that run across, a little longer than they are, so that corners are closed."""
    drawn = np.zeros(shape, np.uint8)
    for part in parts:
        xs = np.concatenate(([part.xs[0] - 4], part.xs, [part.xs[-1] + 4]))
        ys = np.concatenate((part.ys[:1], part.ys, part.ys[-1:]))
        points = np.rint(np.column_stack((xs, ys))).astype(np.int32).reshape(-1, 1, 2)
        cv2.polylines(drawn, [points], isClosed=False, color=1, thickness=2)
    return drawn


def _spaces(lines: Binary, tall: float) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Number the spaces between lines, and tell which are narrow cells: for their height, and for the writing's."""
    count, cells, stats, _ = cv2.connectedComponentsWithStats(1 - lines, connectivity=4)
    width, height = stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT]
    edge = (stats[:, cv2.CC_STAT_LEFT] == 0) | (stats[:, cv2.CC_STAT_LEFT] + width == lines.shape[1])
    combs = (width < _COMB_ASPECT * np.minimum(height, _COMB_HEIGHT * tall)) & ~edge & (np.arange(count) > 0)
    return cells.astype(np.int32, copy=False), combs


def _thickness(mask: Mask, xs: NDArray[np.int_], course: NDArray[np.float64], reach: int) -> tuple[float, float]:
    """Typical thickness of the line near a course, and how far beside the course it runs; zeros when there is none."""
    if xs.size == 0:
        return 0.0, 0.0
    window = _rows_from(mask, np.rint(course).astype(np.intp) - reach, xs, 2 * reach + 1)
    amount = cv2.reduce(window, 0, cv2.REDUCE_SUM, dtype=cv2.CV_32S)[0]
    counts = np.bincount(amount)
    counts[0] = 0
    if counts.sum() < 0.2 * xs.size:
        return 0.0, 0.0
    thickness = float(np.cumsum(counts).searchsorted(0.4 * counts.sum()))
    plain = (amount > 0) & (amount <= 1.5 * thickness)
    # Whole numbers, and so exact.
    moment = np.arange(-reach, reach + 1).astype(np.float32) @ window.astype(np.float32)
    return thickness, median(moment[plain] / amount[plain].astype(np.float64))


def _unbroken(band: Binary) -> NDArray[np.intp]:
    """How many rows from the first on are ink without a break, in each column."""
    inked = band.view(np.bool_)
    return np.where(inked.all(axis=0), len(band), inked.argmin(axis=0))


def _rows_from(mask: Mask, start: NDArray[np.intp], xs: NDArray[np.int_], depth: int) -> Binary:
    """Pixels of columns (M,) from each one's first row down, (depth, M); a row outside is the nearest one inside."""
    turns = np.flatnonzero((start[1:] != start[:-1]) | (xs[1:] != xs[:-1] + 1)) + 1
    if 8 * len(turns) > len(xs) or start.min(initial=0) < 0 or start.max(initial=0) + depth > mask.shape[0]:
        return pixels_at(mask, start + np.arange(depth)[:, None], xs).view(np.uint8)
    # A line keeps its row over many columns: these are copied together.
    band = np.empty((depth, len(xs)), np.uint8)
    for first, last in pairwise([0, *turns.tolist(), len(xs)]):
        row, column = int(start[first]), int(xs[first])
        band[:, first:last] = mask[row : row + depth, column : column + last - first]
    return band
