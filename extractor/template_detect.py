"""Propose a template from one scan of a form: boxes, combs, grids and ruled lines become fields for a person to name.

The scan is laid level first. Lines are found by their shape alone, so a filled-in form does as well as a blank one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from extractor.form_lines import FormLines, Rect, find_lines, skew
from extractor.grid import thin_ink
from extractor.preprocess import Mask, binarize, ink_darkness
from extractor.registration_structure import aruco_dictionary

_USUAL_DPI = (72, 100, 150, 200, 240, 300, 400, 600)
_PAPER = ((8.27, 11.69), (8.5, 11.0), (11.69, 16.54), (5.83, 8.27))
"""Sizes of paper in inches: A4, Letter, A3, A5."""


_ROOM = 0.45
"""Inches above a ruled line that the writing on it may take."""


@dataclass(frozen=True, slots=True)
class Found:
    """A field that was found; its box is left, top, right, bottom.

    Attributes:
        box: In pixels of the level scan.
        kind: ``box``, ``comb``, ``grid`` or ``line``.
        cells: Cells of a comb.
        grid: Rows and columns of a grid.
    """

    box: Rect
    kind: str
    cells: int = 0
    grid: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class Proposal:
    """What was found on a scan.

    Attributes:
        picture: The scan laid level, grey (H, W) uint8; the reference that the boxes are true of.
        dpi: Its resolution, told from its proportions.
        fields: In reading order.
        anchors: Kind, left, top, right, bottom, and ArUco id, of printed marks.
        frame: The form's frame, or None.
    """

    picture: NDArray[np.uint8]
    dpi: int
    fields: tuple[Found, ...]
    anchors: tuple[tuple[str, Rect, int | None], ...]
    frame: Rect | None


def propose(image: NDArray[np.uint8], dpi: int | None = None) -> Proposal:
    """Find what a template of this form would describe.

    Args:
        image: A scan of the form, blank or filled in, upright: grey (H, W) or BGR (H, W, 3), uint8.
        dpi: Its resolution, when it is known.
    """
    mask, _ = binarize(ink_darkness(image))
    lean = skew(mask)
    grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.uint8, copy=False)
    if abs(lean) > 0.05:
        grey = _turned(grey, lean)
        mask, _ = binarize(ink_darkness(grey))
    resolution = dpi or guess_dpi(grey.shape[1], grey.shape[0])
    # Lines of drop-out colour are too faint for the mask.
    faint = thin_ink(ink_darkness(grey)) > 0
    lines = find_lines(mask, faint, resolution)
    anchors = _anchors(grey, mask, resolution)
    frame = _frame(lines, mask.shape)
    fields = _fields(lines, mask, resolution, frame)
    fields = [item for item in fields if not any(_shares(item.box, anchor[1]) for anchor in anchors)]
    return Proposal(grey, resolution, tuple(_in_reading_order(fields)), tuple(anchors), frame)


def guess_dpi(width: int, height: int) -> int:
    """Tell a scan's resolution from its size in pixels, supposing a usual size of paper."""
    short, long = min(width, height), max(width, height)
    best = min(
        ((abs(long / short - b / a), k, 0.5 * (short / a + long / b)) for k, (a, b) in enumerate(_PAPER)),
        key=lambda item: (round(item[0], 2) if item[0] > 0.03 else 0.0, item[1]),
    )
    dpi = best[2] if best[0] < 0.06 else long / 11.69
    usual = min(_USUAL_DPI, key=lambda value: abs(np.log(value / dpi)))
    return usual if abs(usual / dpi - 1) < 0.04 else int(np.clip(round(dpi), 50, 1200))


def _turned(grey: NDArray[np.uint8], degrees: float) -> NDArray[np.uint8]:
    height, width = grey.shape
    paper = float(np.percentile(grey[::8, ::8], 80))
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    flags = cv2.INTER_CUBIC
    return cv2.warpAffine(grey, turn, (width, height), flags=flags, borderValue=paper).astype(np.uint8, copy=False)


def _fields(lines: FormLines, mask: Mask, dpi: float, frame: Rect | None) -> list[Found]:
    closed = [box for box in lines.boxes if box != frame and _may_hold_a_number(box, dpi)]
    # A box around boxes is a section of the form.
    closed = [box for box in closed if not any(other != box and _holds(box, other) for other in closed)]
    cells = [box for box in closed if not _is_label(mask, box, dpi)]
    found: list[Found] = []
    for row in _rows(_split(cells, dpi), dpi):
        found += _of_row(row, dpi)
    found = _grids(found, dpi)
    found = [item for item in found if item.kind != "box" or _is_large(item.box, dpi)]
    found += _open_combs(lines, mask, [item.box for item in found], dpi)
    taken = [item.box for item in found] + list(lines.boxes)
    found += _ruled(lines, taken, mask, dpi)
    return _apart(found)


def _may_hold_a_number(box: Rect, dpi: float) -> bool:
    width, height = box[2] - box[0], box[3] - box[1]
    return 0.1 * dpi < height < 1.4 * dpi and width > 0.09 * dpi


def _is_large(box: Rect, dpi: float) -> bool:
    """Tell a field from a box to tick."""
    return box[2] - box[0] > 0.27 * dpi and box[3] - box[1] > 0.16 * dpi


def _is_label(mask: Mask, box: Rect, dpi: float) -> bool:
    """Tell a cell with printed words from one to write in: much small ink, in letters of one height."""
    edge = max(3, round(0.02 * dpi))
    inside = mask[box[1] + edge : box[3] - edge, box[0] + edge : box[2] - edge]
    if inside.size == 0 or not inside.any():
        return False
    count, _, stats, _ = cv2.connectedComponentsWithStats(inside.astype(np.uint8), connectivity=8)
    heights = stats[1:, 3][stats[1:, 4] > (0.01 * dpi) ** 2 * 4]
    return bool(count > 3 and len(heights) > 2 and np.percentile(heights, 75) < 0.115 * dpi)


def _split(cells: list[Rect], dpi: float) -> list[Rect]:
    """Divide a box that is as wide as several of the narrow cells beside it: a stroke hid the divider between them."""
    parts: list[Rect] = []
    for box in cells:
        beside = [
            other[2] - other[0]
            for other in cells
            if other != box and _is_level(other, box, dpi) and other[2] - other[0] < 1.2 * (other[3] - other[1])
        ]
        width = float(np.median(beside)) if len(beside) > 1 else 0.0
        count = round((box[2] - box[0]) / width) if width else 1
        if 2 <= count <= 3 and abs(box[2] - box[0] - count * width) < 0.1 * width:
            edges = np.rint(np.linspace(box[0], box[2], count + 1)).astype(int).tolist()
            parts += [(left, box[1], right, box[3]) for left, right in pairwise(edges)]
        else:
            parts.append(box)
    return parts


def _is_level(one: Rect, other: Rect, dpi: float) -> bool:
    return abs(one[1] - other[1]) < 0.03 * dpi and abs(one[3] - other[3]) < 0.03 * dpi


def _rows(boxes: Sequence[Rect], dpi: float) -> list[list[Rect]]:
    """Boxes of one height that stand side by side, from left to right."""
    rows: list[list[Rect]] = []
    for box in sorted(boxes, key=lambda item: (item[0], item[1])):
        for row in rows:
            if _is_level(row[-1], box, dpi) and box[0] - row[-1][2] > -0.03 * dpi:
                row.append(box)
                break
        else:
            rows.append([box])
    return rows


def _of_row(row: list[Rect], dpi: float) -> list[Found]:
    """A comb where cells of one width stand at one pitch, and single boxes where they do not."""
    found: list[Found] = []
    start = 0
    while start < len(row):
        stop = start + 1
        while stop < len(row) and _continues(row[start:stop], row[stop]):
            stop += 1
        run = row[start:stop]
        width, height = run[0][2] - run[0][0], run[0][3] - run[0][1]
        if len(run) > 1 and width < 1.5 * height:
            cells = 1 + round((run[-1][0] - run[0][0]) / (run[1][0] - run[0][0]))
            half = max(0, round((run[1][0] - run[0][2]) / 2))
            box = (run[0][0] - half, min(b[1] for b in run), run[-1][2] + half, max(b[3] for b in run))
            found.append(Found(box, "comb", cells=cells))
        else:
            found += [Found(box, "box") for box in run]
        start = stop
    return found


def _continues(run: list[Rect], box: Rect) -> bool:
    """Tell whether a box is the next cell of a comb, or the next but one or two where strokes hid cells."""
    width = run[0][2] - run[0][0]
    if abs((box[2] - box[0]) - width) > max(3.0, 0.12 * width):
        return False
    if len(run) == 1:
        return box[0] - run[0][2] < 0.45 * width
    steps = (box[0] - run[-1][0]) / (run[1][0] - run[0][0])
    return round(steps) in (1, 2, 3) and abs(steps - round(steps)) < 0.08 * round(steps)


def _grids(found: list[Found], dpi: float) -> list[Found]:
    """Combs, and rows of equal boxes, that stand exactly under each other become one grid."""
    slack = 0.03 * dpi
    combs = sorted((item for item in found if item.kind == "comb"), key=lambda item: (item.box[1], item.box[0]))
    others = [item for item in found if item.kind != "comb"]
    stacks: list[list[Found]] = []
    for item in combs:
        for stack in stacks:
            last = stack[-1]
            aligned = abs(last.box[0] - item.box[0]) < slack and abs(last.box[2] - item.box[2]) < slack
            height = last.box[3] - last.box[1]
            equal = last.cells == item.cells and abs(item.box[3] - item.box[1] - height) < max(slack, 0.1 * height)
            if aligned and equal and abs(item.box[1] - last.box[3]) < slack:
                stack.append(item)
                break
        else:
            stacks.append([item])
    for stack in stacks:
        if len(stack) == 1:
            others.append(stack[0])
            continue
        box = (stack[0].box[0], stack[0].box[1], stack[0].box[2], stack[-1].box[3])
        others.append(Found(box, "grid", grid=(len(stack), stack[0].cells)))
    return others


def _open_combs(lines: FormLines, mask: Mask, taken: list[Rect], dpi: float) -> list[Found]:
    """Base lines with teeth at one pitch and nothing above to close them."""
    near = max(4.0, 0.02 * dpi)
    found = []
    for left, top, right, bottom in lines.across:
        y = (top + bottom) / 2
        under = mask[min(bottom + max(2, round(0.02 * dpi)), mask.shape[0] - 1), left : right + 1]
        if right - left < 12 * (bottom - top + 1) or under.mean() > 0.25:
            continue  # A row of letters.
        if any(abs(box[1] - y) < near and box[0] < right and box[2] > left for box in lines.boxes):
            continue  # Print stands close above a box: strokes of its letters are no teeth.
        teeth = [
            tooth
            for tooth in lines.down
            if abs(tooth[3] - y) < near + (bottom - top) / 2 and left - near < tooth[0] and tooth[2] < right + near
        ]
        xs = sorted((tooth[0] + tooth[2]) / 2 for tooth in teeth)
        run = _evenly(xs)
        if len(run) < 3:
            continue
        tall = y - min(tooth[1] for tooth in teeth if run[0] - 1 <= (tooth[0] + tooth[2]) / 2 <= run[-1] + 1)
        pitch = (run[-1] - run[0]) / (len(run) - 1)
        box = (round(run[0]), round(y - max(tall, 0.8 * pitch)), round(run[-1]), round(y))
        if 0.09 * dpi < pitch < 0.8 * dpi and box[1] >= 0 and not any(_shares(box, other) for other in taken):
            found.append(Found(box, "comb", cells=len(run) - 1))
    return found


def _evenly(xs: list[float]) -> list[float]:
    """The longest run of positions at one pitch; strokes that stand between two of them are left out."""
    best: list[float] = []
    for i in range(len(xs)):
        for j in range(i + 1, min(i + 4, len(xs))):
            pitch = xs[j] - xs[i]
            run = [xs[i], xs[j]]
            for x in xs[j + 1 :]:
                if abs(x - run[-1] - pitch) < max(3.0, 0.08 * pitch):
                    run.append(x)
            if len(run) > len(best):
                best = run
    return best


def _ruled(lines: FormLines, taken: list[Rect], mask: Mask, dpi: float) -> list[Found]:
    """Lines to write on: level, alone, not across the whole page, with room above."""
    width = mask.shape[1]
    rows = [row for row in lines.across if _stands_alone(mask, row, dpi)] + list(lines.dotted)
    rows = [row for row in rows if 0.55 * dpi < row[2] - row[0] < 0.8 * width]
    found = []
    for left, top, right, bottom in rows:
        under = [other[3] for other in (*rows, *taken) if other[0] < right and other[2] > left and other[3] < top - 2]
        room = min(round(_ROOM * dpi), top - max(under, default=0) - round(0.05 * dpi))
        box = (left, top - room, right, bottom + round(0.04 * dpi))
        if room < 0.15 * dpi or box[3] >= mask.shape[0] or any(_shares(box, other) for other in taken):
            continue
        if _is_underlined(mask[box[1] : top - 2, left : right + 1], dpi):
            continue
        found.append(Found(box, "line"))
    return found


def _stands_alone(mask: Mask, row: Rect, dpi: float) -> bool:
    """Tell a line from a row of letters: it is long and thin, with paper above and below most of it."""
    left, top, right, bottom = row
    away = max(2, round(0.02 * dpi))
    if right - left < 12 * (bottom - top + 1) or top < away or bottom + away >= mask.shape[0]:
        return False
    beside = mask[top - away, left : right + 1] | mask[bottom + away, left : right + 1]
    return bool(beside.mean() < 0.4)


def _is_underlined(above: Mask, dpi: float) -> bool:
    """Tell a heading's underline: printed letters stand along most of it."""
    count, _, stats, _ = cv2.connectedComponentsWithStats(above.astype(np.uint8), connectivity=8)
    letters = stats[1:][(stats[1:, 3] > 0.03 * dpi) & (stats[1:, 2] < 0.4 * dpi)]
    covered = float(letters[:, 2].sum()) / max(above.shape[1], 1)
    return count > 6 and covered > 0.45 and bool(np.median(letters[:, 3]) < 0.15 * dpi)


def _frame(lines: FormLines, shape: tuple[int, ...]) -> Rect | None:
    """The largest box that holds several others and a good part of the page."""
    for box in sorted(lines.boxes, key=lambda item: -(item[2] - item[0]) * (item[3] - item[1])):
        if (box[2] - box[0]) * (box[3] - box[1]) < 0.2 * shape[0] * shape[1]:
            return None
        if sum(other != box and _holds(box, other) for other in lines.boxes) >= 2:
            return box
    return None


def _anchors(grey: NDArray[np.uint8], mask: Mask, dpi: float) -> list[tuple[str, Rect, int | None]]:
    """ArUco marks anywhere, else black squares or discs of one size in at least three corners of the page."""
    corners, ids, _ = cv2.aruco.ArucoDetector(aruco_dictionary()).detectMarkers(grey)
    if len(corners) >= 2:
        marks = [quad.reshape(4, 2) for quad in corners]
        boxes = [
            (*np.rint(quad.min(axis=0)).astype(int).tolist(), *np.rint(quad.max(axis=0)).astype(int).tolist())
            for quad in marks
        ]
        return [("aruco", box, int(number)) for box, number in zip(boxes, ids.ravel(), strict=True)]
    height, width = mask.shape
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    found: dict[tuple[bool, bool], tuple[str, Rect, int | None]] = {}
    for label in np.flatnonzero(stats[:, 4] > (0.1 * dpi) ** 2 * 0.7):
        x, y, w, h, area = stats[label].tolist()
        middle = (x + w / 2) / width, (y + h / 2) / height
        in_corner = min(middle[0], 1 - middle[0]) < 0.15 and min(middle[1], 1 - middle[1]) < 0.15
        if not in_corner or max(w, h) > 0.6 * dpi or max(w, h) > 1.2 * min(w, h) or area < 0.7 * w * h:
            continue
        kind = "square" if area > 0.88 * w * h else "circle"
        found[middle[0] > 0.5, middle[1] > 0.5] = (kind, (x, y, x + w - 1, y + h - 1), None)
    sides = [box[2] - box[0] for _, box, _ in found.values()]
    alike = len(found) >= 3 and max(sides) < 1.3 * min(sides) and len({kind for kind, _, _ in found.values()}) == 1
    return list(found.values()) if alike else []


def _apart(found: list[Found]) -> list[Found]:
    """Drop what overlaps something found before."""
    kept: list[Found] = []
    for item in found:
        if not any(_shares(item.box, other.box) for other in kept):
            kept.append(item)
    return kept


def _in_reading_order(found: list[Found]) -> list[Found]:
    rows: list[list[Found]] = []
    for item in sorted(found, key=lambda item: item.box[1]):
        middle = (item.box[1] + item.box[3]) / 2
        if rows and rows[-1][0].box[1] <= middle <= rows[-1][0].box[3]:
            rows[-1].append(item)
        else:
            rows.append([item])
    return [item for row in rows for item in sorted(row, key=lambda item: item.box[0])]


def _holds(outer: Rect, inner: Rect) -> bool:
    middle = (inner[0] + inner[2]) / 2, (inner[1] + inner[3]) / 2
    smaller = (inner[2] - inner[0]) * (inner[3] - inner[1]) < (outer[2] - outer[0]) * (outer[3] - outer[1])
    return smaller and outer[0] < middle[0] < outer[2] and outer[1] < middle[1] < outer[3]


def _shares(one: Rect, other: Rect) -> bool:
    """Tell whether two boxes share more than a line."""
    width, height = min(one[2], other[2]) - max(one[0], other[0]), min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return False
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return width * height > 0.04 * min(areas)
