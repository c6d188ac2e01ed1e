"""Writes digits of isolated pictures side by side, freely or in the cells of a comb, and says whose ink is whose."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from training.backdrop import drop_out
from training.glyphs import Glyph, GlyphBank, Writer, draw_writer, tight
from training.surroundings import cross_out, write_surroundings

NEUTRAL = -1
"""Owner of ink between two digits that belongs to neither more than to the other."""
_UNUSED = ((0.8, 0.1, 0.07, 0.03), (0.65, 0.15, 0.12, 0.08))
"""How often a comb has no, one, two and three unused cells before and after its digits."""
_LEAST_STEP = 0.22
"""Distance from the middle of one digit to that of the next, in sums of their widths: nearer ones cover each other."""


@dataclass(frozen=True, slots=True)
class Comb:
    """Cells of one width for the digits of a string, lengths in pixels.

    Attributes:
        pitch: Width of a cell.
        before: Unused cells before the first digit.
        after: Unused cells after the last one.
        crossed: Probability that an unused cell is crossed out.
        unrest: Standard deviation of a digit's distance from the middle of its cell, in cells.
    """

    pitch: float
    before: int
    after: int
    crossed: float
    unrest: float

    @classmethod
    def draw(cls, rng: np.random.Generator, height: float) -> Comb:
        """Draw a comb for digits of a height in pixels."""
        before, after = (int(rng.choice([0, 1, 2, 3], p=chances)) for chances in _UNUSED)
        pitch = height * float(np.exp(rng.uniform(np.log(0.7), np.log(1.6))))
        return cls(pitch, before, after, float(rng.choice([0.0, 0.9], p=[0.6, 0.4])), float(rng.uniform(0.02, 0.12)))


@dataclass(frozen=True, slots=True)
class _Style:
    """Habits that hold for a whole string."""

    slant: float
    narrow: float
    gap: float
    spread: float
    sizes: float
    wander: float
    ligature: float
    separator: float
    zeros: float
    chains: bool

    @classmethod
    def draw(cls, rng: np.random.Generator) -> _Style:
        tight_spacing = rng.random() < 0.42
        return cls(
            slant=float(rng.normal(0.1, 0.18)),
            narrow=float(np.exp(rng.normal(-0.08, 0.2))),
            gap=float(rng.uniform(-0.14, 0.08) if tight_spacing else rng.uniform(0.05, 0.9)),
            spread=float(rng.uniform(0.02, 0.08 if tight_spacing else 0.12)),
            sizes=float(rng.choice([rng.uniform(0.04, 0.12), rng.uniform(0.12, 0.24)], p=[0.65, 0.35])),
            wander=float(rng.choice([rng.uniform(0.0, 0.09), rng.uniform(0.09, 0.16)], p=[0.7, 0.3])),
            ligature=float(rng.choice([0.0, 0.05, 0.3], p=[0.7, 0.2, 0.1])),
            separator=float(rng.choice([0.0, 0.15], p=[0.65, 0.35])),
            zeros=float(rng.choice([1.0, rng.uniform(0.4, 0.9)], p=[0.72, 0.28])),
            chains=bool(rng.random() < 0.22),
        )


@dataclass(frozen=True, slots=True)
class _Sheet:
    """What is written on: ink and its owners, (H, W) uint8 and int16, digits of a height in pixels on a base line."""

    canvas: NDArray[np.uint8]
    owner: NDArray[np.int16]
    height: float
    base: float
    rng: np.random.Generator

    def room_for(self, glyph: Glyph, y: float) -> float:
        """The row nearest to y at which a digit lies on the sheet."""
        return float(np.clip(y, 1, self.canvas.shape[0] - glyph.shape[0] - 1))

    def paint(self, glyph: Glyph, corner: tuple[int, int], index: int) -> None:
        """Paint a digit and say whose ink it is."""
        left, top = corner
        rows, columns = glyph.shape
        view = self.canvas[top : top + rows, left : left + columns]
        glyph = glyph[: view.shape[0], : view.shape[1]]
        mine = (glyph > 60) & (glyph >= view)
        np.maximum(view, glyph, out=view)
        self.owner[top : top + rows, left : left + columns][mine] = index + 1

    def owners(self) -> NDArray[np.int16]:
        """The owner of each pixel that holds ink."""
        return np.where(self.canvas > 60, self.owner, 0).astype(np.int16)


def write_digits(
    text: str, bank: GlyphBank, rng: np.random.Generator, height: float, comb: Comb | None
) -> tuple[str, NDArray[np.uint8], NDArray[np.int16], list[float]]:
    """Write a string on an empty canvas, with what may stand beside it.

    Args:
        text: Digits.
        bank: Isolated digits and letters.
        rng: Source of randomness.
        height: Of a digit, in pixels.
        comb: The cells to write in; free writing when None.

    Returns:
        The digits that found room; ink (H, W) uint8; for each pixel 1 + the index of the digit whose ink it is, 0 where
        there is none, `NEUTRAL` on ligatures, (H, W) int16; and the columns between the digits, in a comb the sides of
        all of its cells.
    """
    _, writer = draw_writer(bank, rng)
    margin = round(2.4 * height)
    room = (len(text) * 1.5 + 2) * height if comb is None else comb.pitch * (len(text) + comb.before + comb.after)
    canvas = np.zeros((round(3.2 * height), round(room) + 2 * margin), np.uint8)
    sheet = _Sheet(canvas, np.zeros(canvas.shape, np.int16), height, 2.0 * height, rng)
    style = _Style.draw(rng)
    base, slope = sheet.base, rng.normal(0, 0.025)
    if comb is not None:
        sides = [margin + comb.pitch * cell for cell in range(len(text) + comb.before + comb.after + 1)]
        _write_in_cells(text, sheet, writer, style, comb, sides)
        write_surroundings(canvas, bank, rng, height, (margin, sides[-1]), base)
        return text, canvas, sheet.owners(), sides
    x, before = float(margin), 0.0
    cells: list[float] = []
    ends: list[tuple[float, float]] = []
    for index, digit in enumerate(text):
        if rng.random() < 0.04:
            _, writer = draw_writer(bank, rng)
        glyph = _shaped(int(digit), writer, style, rng, height)
        glyph_h, glyph_w = glyph.shape
        y = sheet.room_for(glyph, base + slope * (x - margin) + rng.normal(0, style.wander) * height - glyph_h)
        is_chained = style.chains and text[max(index - 1, 0) : index + 1] == "00"
        spacing = replace(style, gap=float(rng.uniform(-0.09, 0.03)), spread=0.02) if is_chained else style
        x = _place(sheet, glyph, (x, y, before), index, spacing)
        before = glyph_w
        if is_chained and rng.random() < 0.8:  # from the head of one to the head of the next
            head = (ends[-1][0] - 0.25 * glyph_w, y + rng.uniform(0.0, 0.25) * glyph_h)
            _ligature(sheet, head, (x + 0.4 * glyph_w, y + rng.uniform(0, 0.25) * glyph_h))
        elif ends and rng.random() < style.ligature:
            _ligature(sheet, ends[-1], (x + 0.2 * glyph_w, y + rng.uniform(0, 1) * glyph_h))
        ends.append((x + 0.85 * glyph_w, y + rng.uniform(0.05, 1.0) * glyph_h))
        cells.append(x + glyph_w + 0.5 * style.gap * height)
        x += glyph_w
        if rng.random() < style.separator and index < len(text) - 1:
            x = _separator(canvas, x, base + slope * (x - margin), rng, height)
        if x > canvas.shape[1] - 1.2 * margin:
            break
    write_surroundings(canvas, bank, rng, height, (margin, x), base)
    if rng.random() < 0.12:
        gone = drop_out(np.full_like(canvas, 255), rng, length=0.12 * height) == 0
        canvas[gone & (rng.random(canvas.shape) < 0.35)] = 0
    return text[: len(cells)], canvas, sheet.owners(), cells[:-1]


def _write_in_cells(text: str, sheet: _Sheet, writer: Writer, style: _Style, comb: Comb, sides: list[float]) -> None:
    """Write a digit into each cell of a comb but the unused ones, some of which are crossed out."""
    base, rng, height = sheet.base, sheet.rng, sheet.height
    for index, digit in enumerate(text):
        glyph = _shaped(int(digit), writer, style, rng, height)
        if glyph.shape[1] > comb.pitch:
            glyph = np.asarray(cv2.resize(glyph, (round(comb.pitch), glyph.shape[0]), interpolation=cv2.INTER_AREA))
        glyph_h, glyph_w = glyph.shape
        middle = sides[comb.before + index] + comb.pitch * (0.5 + rng.normal(0, comb.unrest))
        top = round(sheet.room_for(glyph, base + rng.normal(0, style.wander) * height - glyph_h))
        sheet.paint(glyph, (round(middle - 0.5 * glyph_w), top), index)
    unused = [*range(comb.before), *range(comb.before + len(text), len(sides) - 1)]
    thick = max(1, round(rng.uniform(0.05, 0.12) * height))
    for cell in unused:
        if rng.random() < comb.crossed:
            reach = rng.uniform(0.25, 0.55, 2) * (comb.pitch, height)
            cross_out(sheet.canvas, (sides[cell] + 0.5 * comb.pitch, base - 0.5 * height), reach, thick, rng)


def _shaped(digit: int, writer: Writer, style: _Style, rng: np.random.Generator, height: float) -> Glyph:
    """Write one digit at its size, slant and proportions."""
    glyph = next((drawn for drawn in (writer(digit) for _ in range(20)) if drawn is not None), None)
    if glyph is None:  # Every picture fades away under a pen as thin as this: a plain dot is still ink with an owner.
        glyph = np.full((12, 12), 255, np.uint8)
    tall = height * float(np.exp(rng.normal(0, style.sizes)))
    if digit == 0:
        tall *= style.zeros * (rng.uniform(0.5, 0.9) if rng.random() < 0.1 else 1.0)
    scale = tall / glyph.shape[0]
    wide = scale * style.narrow * float(np.exp(rng.normal(0, 0.07)))
    slant = style.slant + rng.normal(0, 0.05)
    out_h = max(3, round(tall))
    out_w = max(2, round(glyph.shape[1] * wide + abs(slant) * out_h) + 2)
    shift = abs(slant) * out_h if slant < 0 else 0.0
    # Shear about the foot: the top moves to the right by slant * height.
    matrix = np.array(
        [[wide, -slant * scale, slant * out_h + (shift if slant < 0 else 0) + 1], [0, scale, 0]], np.float32
    )
    source = cv2.GaussianBlur(glyph, (0, 0), max(0.3, 0.4 / scale)) if scale < 0.8 else glyph
    shaped = cv2.warpAffine(source, matrix, (out_w, out_h), flags=cv2.INTER_LINEAR)
    cut = tight(shaped.astype(np.uint8))
    return cut if cut is not None else np.full((max(3, round(tall)), 2), 255, np.uint8)


def _place(sheet: _Sheet, glyph: Glyph, place: tuple[float, float, float], index: int, style: _Style) -> float:
    """Paint a digit beside what is there; the gap is measured between strokes, not boxes. Returns its left edge.

    The place is the right edge of the digit before, the row of the top, and the width of the digit before.
    """
    height = sheet.height
    x, y, before = place
    glyph_h, glyph_w = glyph.shape
    top = round(y)
    gap = round((style.gap + sheet.rng.normal(0, style.spread)) * height) if index else 0
    left = round(x) + gap
    if index:
        # Move left until the strokes are as near as the gap says: slanted digits overhang each other.
        rows = sheet.canvas[top : top + glyph_h]
        right_edge = np.where(
            (rows > 60).any(axis=1), rows.shape[1] - 1 - np.argmax((rows > 60)[:, ::-1], axis=1), -10_000
        )
        left_edge = np.where((glyph > 60).any(axis=1), np.argmax(glyph > 60, axis=1), 10_000)
        clearance = int((round(x) + left_edge - right_edge).min())
        if abs(clearance) < 2 * height:
            left = round(x) - clearance + max(gap, _least_gap(before, glyph_w, height)) + 1
        # A small digit beside one that is written higher or lower would slide under it, or under all before.
        left = max(left, round(x - 0.5 * before - 0.5 * glyph_w + _LEAST_STEP * (before + glyph_w)))
    left = max(1, left)
    sheet.paint(glyph, (left, top), index)
    return float(left)


def _least_gap(before: float, width: float, height: float) -> int:
    """How near strokes may come, in pixels: wide digits overlap a little, two ones do not even touch."""
    narrow = sum(size < 0.25 * height for size in (before, width))
    return round((-0.09, -0.01, 0.05)[narrow] * height)


def _ligature(sheet: _Sheet, start: tuple[float, float], end: tuple[float, float]) -> None:
    canvas, height, rng = sheet.canvas, sheet.height, sheet.rng
    stroke = np.zeros_like(canvas)
    bend = ((start[0] + end[0]) / 2, max(start[1], end[1]) + rng.uniform(-0.1, 0.15) * height)
    t = np.linspace(0, 1, 12)[:, None]
    points = (1 - t) ** 2 * np.array(start) + 2 * t * (1 - t) * np.array(bend) + t**2 * np.array(end)
    thick = max(1, round(rng.uniform(0.04, 0.1) * height))
    cv2.polylines(stroke, [np.round(points).astype(np.int32)], False, 255, thick, cv2.LINE_AA)
    sheet.owner[(stroke > 60) & (canvas <= 60)] = NEUTRAL
    np.maximum(canvas, stroke, out=canvas)


def _separator(canvas: NDArray[np.uint8], x: float, base: float, rng: np.random.Generator, height: float) -> float:
    """Write a point, comma, dash or slash after a digit; returns where the next digit may begin."""
    thick = max(1, round(rng.uniform(0.05, 0.13) * height))
    x += rng.uniform(0.05, 0.25) * height
    kind = rng.random()
    if kind < 0.6:
        length = rng.uniform(0, 0.22) * height
        y = base - rng.uniform(-0.05, 0.12) * height
        cv2.line(canvas, (round(x), round(y)), (round(x - 0.4 * length), round(y + length)), 255, thick, cv2.LINE_AA)
        return x + thick
    if kind < 0.97:  # a slash is rare: to a reader it is a 1
        length = rng.uniform(0.15, 0.6) * height
        y = base - rng.uniform(0.3, 0.6) * height
        cv2.line(
            canvas,
            (round(x), round(y)),
            (round(x + length), round(y + rng.normal(0, 0.05) * height)),
            255,
            thick,
            cv2.LINE_AA,
        )
        return x + length + 0.05 * height
    cv2.line(
        canvas,
        (round(x + 0.35 * height), round(base - 1.15 * height)),
        (round(x), round(base + 0.1 * height)),
        255,
        thick,
        cv2.LINE_AA,
    )
    return x + 0.4 * height
