"""Points, commas, dashes and slashes among the digits of a string: told by shape and place, not by the networks.

Both networks know such marks as ink of no digit. Here the ink beside the chosen digits is looked at once more. A mark
is reported only when its shape and its place on the line speak for it; a speck, a rest of a printed line or the loose
end of a digit is not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from extractor.decoding import Path
from extractor.preprocess import components
from extractor.readings import SeparatorKind
from extractor.segmentation import Candidate, Lattice

Box = tuple[int, int, int, int]

DOT = (0.07, 0.34)
"""Least and largest side of a point, in digit heights."""
COMMA = (0.16, 0.55)
"""Least and largest height of a comma, in digit heights."""
DASH = (0.22, 1.7)
"""Least and largest length of a dash, in digit heights."""
LEAST_THICKNESS = 0.85
"""Least thickness of a mark, in stroke widths."""
LEAST_PRINT = 0.2
"""Length of print beside a mark, in digit heights, from which the mark is a rest of it."""
REACH = 0.7
"""A point or comma stands no farther after the last digit than this, in digit heights."""
SLASH_LENGTH = 0.75
"""Least length of a slash, in digit heights."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A separator in a line image.

    Attributes:
        position: How many digits stand before it.
        kind: What it is.
        box: x, y, width, height in line pixels.
    """

    position: int
    kind: SeparatorKind
    box: Box


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where the digits stand, and how large they are, in line pixels.

    Attributes:
        boxes: Of the digits, (N, 4): x, y, width, height.
        feet: First and last column of each digit near the base line, (N, 2).
        unit: Height of a typical digit.
        stroke: Width of the pen.
    """

    boxes: NDArray[np.float64]
    feet: NDArray[np.float64]
    unit: float
    stroke: float

    def top_and_base(self, x: float) -> tuple[float, float]:
        """The rows between which the digits next to a column stand."""
        centres = self.boxes[:, 0] + self.boxes[:, 2] / 2
        near = np.argsort(np.abs(centres - x))[:2]
        return float(self.boxes[near, 1].mean()), float((self.boxes[near, 1] + self.boxes[near, 3]).mean())

    def position(self, x: float) -> int:
        """How many digits stand before a column near the base line."""
        return int(np.count_nonzero(self.feet.mean(axis=1) < x))

    def is_under_a_digit(self, x: float) -> bool:
        """Whether a column is amid the foot of a digit."""
        left, right = self.feet.T
        inset = np.minimum(0.25 * (right - left), 0.12 * self.unit)
        return bool(((left + inset < x) & (x < right - inset)).any())

    def is_apart(self, number: int, x: float, width: float) -> bool:
        """Whether a mark stands beside a digit, counted from 1, and not above or below any of it."""
        left, _, wide, _ = self.boxes[number - 1]
        slack = 0.08 * self.unit
        return bool(x + width <= left + slack or x >= left + wide - slack)


def find_separators(lattice: Lattice, path: Path) -> list[Mark]:
    """Find the separators of a string.

    Args:
        lattice: The lattice.
        path: The chosen string.

    Returns:
        The marks that follow some digit, from left to right.
    """
    if not path.candidates:
        return []
    chosen = [lattice.candidates[index] for index in path.candidates]
    owner = np.zeros(lattice.pieces + 1, np.int32)
    for number, item in enumerate(chosen, start=1):
        owner[item.start + 1 : item.stop + 1] = number
    labels, stats, _ = components(lattice.line.mask.view(np.uint8))
    count = len(stats)
    bodies = [_body(lattice, labels, item) for item in chosen]
    main = [0, *(label for label, _ in bodies)]
    if len(set(main[1:])) == count - 1:  # Each component is the body of a digit: most strings end here.
        return []
    frame = _frame(lattice, [(item.box, body) for item, (_, body) in zip(chosen, bodies, strict=True)])
    marks: list[Mark] = []
    for index in range(1, count):
        x, y, width, height, _ = (int(value) for value in stats[index])
        if max(width, height) > DASH[1] * frame.unit:
            continue
        part = labels[y : y + height, x : x + width] == index
        owners = np.unique(owner[lattice.labels[y : y + height, x : x + width][part]])
        if len(owners) > 1 or (owners[0] and main[owners[0]] == index):
            continue
        # What was read as part of a digit may be a stroke of its own only where the rest of the digit does not reach.
        is_apart = not owners[0] or frame.is_apart(int(owners[0]), x, width)
        kind = _kind(part, (x, y, width, height), frame, is_apart=is_apart)
        position = frame.position(x + width / 2)
        if kind is None or not position or (kind == "/" and position == len(chosen)):
            continue
        if kind not in (".", ",") or not _is_rest_of_line(lattice, (x, y, width, height), frame):
            marks.append(Mark(position, kind, (x, y, width, height)))
    return _plausible(_joined(marks), len(chosen))


def _body(lattice: Lattice, labels: NDArray[np.int32], digit: Candidate) -> tuple[int, NDArray[np.bool_]]:
    """The component that holds most of a digit's ink, 0 if it has none, and which pixels of the digit's box that is."""
    x, y, width, height = digit.box
    window = (slice(y, y + height), slice(x, x + width))
    own = cv2.inRange(lattice.labels[window], digit.start + 1, digit.stop).view(np.bool_)
    inside = labels[window]
    label = int(np.bincount(inside[own], minlength=1).argmax())
    return label, own & (inside == label)


def _frame(lattice: Lattice, bodies: list[tuple[Box, NDArray[np.bool_]]]) -> _Frame:
    """Measure the digits, given their boxes and the ink in these."""
    boxes = np.zeros((len(bodies), 4))
    feet = np.zeros((len(bodies), 2))
    for number, ((x, y, _, _), body) in enumerate(bodies):
        rows, columns = np.flatnonzero(body.any(axis=1)), np.flatnonzero(body.any(axis=0))
        if not rows.size:
            continue
        boxes[number] = x + columns[0], y + rows[0], np.ptp(columns) + 1, np.ptp(rows) + 1
        low = np.flatnonzero(body[math.ceil(rows[-1] - 0.3 * np.ptp(rows)) :].any(axis=0))
        feet[number] = x + low[0], x + low[-1] + 1
    return _Frame(boxes, feet, float(np.median(boxes[:, 3])), lattice.line.stroke)


def _is_rest_of_line(lattice: Lattice, box: Box, frame: _Frame) -> bool:
    """Tell whether print that was taken away goes on beside or below a mark: it is what was left of a line or box."""
    x, y, width, height = box
    gone = (lattice.line.raw > 110) & (cv2.dilate(lattice.line.mask.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0)
    near = round(0.8 * frame.unit)
    beside = gone[max(0, y - 1) : y + height + 1, max(0, x - near) : x + width + near]
    above = gone[max(0, y - near) : y + height + near, max(0, x - 1) : x + width + 1]
    longest = max(np.count_nonzero(beside.any(axis=0)), np.count_nonzero(above.any(axis=1)))
    return bool(longest >= LEAST_PRINT * frame.unit)


def _kind(part: NDArray[np.bool_], box: Box, frame: _Frame, *, is_apart: bool) -> SeparatorKind | None:
    x, y, width, height = box
    unit, middle = frame.unit, x + width / 2
    top, base = frame.top_and_base(middle)
    thickness = _thickness(part) / frame.stroke
    if thickness < LEAST_THICKNESS:
        return None
    if not frame.is_under_a_digit(middle) and middle - frame.feet[:, 1].max() <= REACH * unit:
        short, long = sorted((width, height))
        solid = np.count_nonzero(part) >= 0.55 * width * height
        # What is as thick as the pen may stand a little higher: people do not look at the base line for a point.
        on_base = -(0.32 if thickness >= 1 else 0.2) * unit <= y + height / 2 - base <= 0.25 * unit
        if solid and on_base and DOT[0] * unit <= short and long <= min(DOT[1] * unit, 1.9 * short):
            return "," if height >= 1.5 * width and y + height >= base + 0.08 * unit else "."
        hangs = y >= base - 0.36 * unit and y + height >= base + 0.06 * unit
        if COMMA[0] * unit <= height <= COMMA[1] * unit and width <= min(0.75 * height, 0.4 * unit) and hangs:
            return ","
    return _stroke_kind(part, box, (top, base), frame) if is_apart else None


def _thickness(part: NDArray[np.bool_]) -> float:
    """Width of a mark's thickest place: the pen leaves nothing thinner than its strokes, printed lines do."""
    padded = cv2.copyMakeBorder(part.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    return 2 * float(cv2.distanceTransform(padded, cv2.DIST_L2, 3).max()) - 1


def _stroke_kind(part: NDArray[np.bool_], box: Box, rows: tuple[float, float], frame: _Frame) -> SeparatorKind | None:
    """Tell a dash or a slash: a straight stroke of the pen, lying at half height or leaning as high as a digit."""
    unit, (top, base) = frame.unit, rows
    points = np.column_stack(np.nonzero(part)[::-1]).astype(np.float32)
    if len(points) < 6:
        return None
    centre = points.mean(axis=0)
    spread, axes = np.linalg.eigh(np.cov((points - centre).T))
    # A uniform bar of length l has variance l^2 / 12 along itself.
    thin, length = np.sqrt(12 * np.maximum(spread, 0.05))
    along = axes[:, 1] if axes[0, 1] >= 0 else -axes[:, 1]
    slope = np.degrees(np.arctan2(-along[1], along[0]))
    if thin > max(2.2 * frame.stroke, 0.2 * unit):
        return None
    middle = box[1] + box[3] / 2
    if DASH[0] * unit <= length <= DASH[1] * unit and length >= 2.2 * thin and -25 <= slope <= 40:
        return "-" if top + 0.2 * unit <= middle <= base - 0.18 * unit else None
    if length >= max(SLASH_LENGTH * unit, 4.5 * thin) and 45 <= slope <= 82:
        return "/"
    return None


def _joined(marks: list[Mark]) -> list[Mark]:
    """Make two dashes one above the other an equals sign, and put the marks in order."""
    out: list[Mark] = []
    for mark in sorted(marks, key=lambda mark: (mark.box[0], mark.box[1])):
        twin = next(
            (at for at, other in enumerate(out) if mark.kind == other.kind == "-" and _overlap(mark, other)), None
        )
        if twin is None:
            out.append(mark)
        else:
            out[twin] = Mark(out[twin].position, "=", _around(mark.box, out[twin].box))
    return out


def _overlap(first: Mark, second: Mark) -> bool:
    """Whether one mark stands above the other."""
    (x, _, width, _), (other_x, _, other_width, _) = first.box, second.box
    shared = min(x + width, other_x + other_width) - max(x, other_x)
    return shared >= 0.5 * min(width, other_width)


def _around(first: Box, second: Box) -> Box:
    left, top = min(first[0], second[0]), min(first[1], second[1])
    right = max(first[0] + first[2], second[0] + second[2])
    bottom = max(first[1] + first[3], second[1] + second[3])
    return left, top, right - left, bottom - top


def _plausible(marks: list[Mark], digits: int) -> list[Mark]:
    """Leave out points and commas that follow each other too closely: a dotted line, not separators."""
    small = [mark.position for mark in marks if mark.kind in (".", ",")]
    if len(small) > 1 + digits // 2 or len(set(small)) < len(small):
        return [mark for mark in marks if mark.kind not in (".", ",")]
    return marks
