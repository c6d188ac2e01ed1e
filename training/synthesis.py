"""Random strings of digits as they would come from a scanner, with the owner of every ink pixel.

The strings are random in length, value and hand, so that a reader trained on them learns no habit of any form.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from training.backdrop import drop_out, frame_lines, paper, pen_texture, scan, specks
from training.glyphs import Glyph, GlyphBank, Writer, draw_writer, tight
from training.handwriting import draw_hand, write_string
from training.surroundings import write_letters, write_surroundings

NEUTRAL = -1
"""Owner of ink between two digits that belongs to neither more than to the other."""


@dataclass(frozen=True, slots=True)
class SyntheticLine:
    """One scanned string.

    Attributes:
        image: Grey picture, (H, W) uint8.
        owner: For each pixel 1 + the index of the digit whose ink it is, 0 where there is none, `NEUTRAL` on
            ligatures, (H, W) int16.
        text: The digits.
    """

    image: NDArray[np.uint8]
    owner: NDArray[np.int16]
    text: str


def synthesize(bank: GlyphBank, rng: np.random.Generator) -> SyntheticLine:
    """Make one scanned string.

    Args:
        bank: Isolated digits and letters.
        rng: Source of randomness.
    """
    height = float(np.exp(rng.uniform(np.log(17), np.log(62))))
    text, ink, owner, cells = _write(_draw_text(rng), bank, rng, height)
    canvas_h, canvas_w = ink.shape
    rows, columns = np.nonzero(owner > 0)
    band = (columns.min(), rows.min(), columns.max(), rows.max()) if rows.size else (4, 4, canvas_w - 4, canvas_h - 4)
    ink = pen_texture(ink, rng)
    sheet: NDArray[np.floating[Any]] = paper((canvas_h, canvas_w), rng)
    bilevel_like = rng.random() < 0.3
    contrast = float(rng.uniform(0.75, 0.95) if bilevel_like else rng.uniform(0.3, 0.9))
    sheet = sheet * (1 - contrast * ink.astype(np.float32) / 255)
    if rng.random() < 0.62:
        printed = frame_lines(ink.shape, band, cells, rng)
        sheet = sheet * (1 - rng.uniform(0.3, 0.95) * printed.astype(np.float32) / 255)
    if rng.random() < 0.4:
        sheet = sheet * (1 - 0.8 * specks(ink.shape, rng, height).astype(np.float32) / 255)
    picture = scan(np.clip(sheet, 0, 255).astype(np.float32, copy=False), rng)
    top, bottom, left, right = _crop_margins(band, ink.shape, height, rng)
    return SyntheticLine(
        np.ascontiguousarray(picture[top:bottom, left:right]), np.ascontiguousarray(owner[top:bottom, left:right]), text
    )


def synthesize_words(bank: GlyphBank, rng: np.random.Generator) -> SyntheticLine:
    """Make one scanned line that holds no digits: handwritten or printed words, characters of other scripts, scribbles.

    Args:
        bank: Isolated letters and words.
        rng: Source of randomness.
    """
    height = float(np.exp(rng.uniform(np.log(12), np.log(50))))
    canvas = np.zeros((round(3.2 * height), round(rng.uniform(3, 14) * height)), np.uint8)
    base, x = 2.1 * height, 0.6 * height
    kind = rng.random()
    while x < canvas.shape[1] - 1.5 * height:
        if kind < 0.45:
            x = _print_word(canvas, x, base, rng, height)
        elif kind < 0.58:
            x = _other_script(canvas, x, base, rng, height)
        elif kind < 0.74:
            x = _written_word(canvas, x, base, rng, height)
        else:
            before = x
            write_letters(canvas, bank, rng, height, x, base)
            columns = np.flatnonzero(canvas.any(axis=0))
            x = max(before + 0.3 * height, float(columns[-1]) if columns.size else 0.0)
        x += rng.uniform(0.25, 0.8) * height
    sheet = paper(canvas.shape, rng) * (1 - rng.uniform(0.4, 0.95) * canvas.astype(np.float32) / 255)
    if rng.random() < 0.3:
        printed = frame_lines(canvas.shape, (0, round(base - height), canvas.shape[1], round(base)), [], rng)
        sheet = sheet * (1 - 0.7 * printed.astype(np.float32) / 255)
    picture = scan(np.clip(sheet, 0, 255), rng)
    top = round(rng.uniform(0.2, 0.9) * height)
    bottom = round(canvas.shape[0] - rng.uniform(0.1, 0.6) * height)
    return SyntheticLine(
        np.ascontiguousarray(picture[top:bottom]), np.zeros((bottom - top, canvas.shape[1]), np.int16), ""
    )


_FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
    cv2.FONT_HERSHEY_COMPLEX_SMALL,
    cv2.FONT_HERSHEY_SCRIPT_SIMPLEX,
    cv2.FONT_HERSHEY_SCRIPT_COMPLEX,
)
_PRINTED = "aaacdeeefhijkmnnoprrstttuuvwxyACDEFGHJKLMNPRTUVWXY.,:;()&%/-"
"""Letters by about their frequency; those that look like digits are left out."""


def _print_word(canvas: NDArray[np.uint8], x: float, base: float, rng: np.random.Generator, height: float) -> float:
    """Print a word of random letters; returns where it ends."""
    word = "".join(rng.choice(list(_PRINTED), int(rng.integers(2, 10))))
    if rng.random() < 0.3:
        word = word.upper()
    font = int(rng.choice(_FONTS)) | (cv2.FONT_ITALIC if rng.random() < 0.2 else 0)
    scale = height / 22
    thick = max(1, round(rng.uniform(0.03, 0.12) * height))
    cv2.putText(canvas, word, (round(x), round(base)), font, scale, 255, thick, cv2.LINE_AA)
    return x + cv2.getTextSize(word, font, scale, thick)[0][0]


_WRITTEN = "abcdefkmnprtuvwxyAEFHKMNRTVWX" + "?&%#+*=:" * 2 + "!(.,-;"
"""Letters and marks that the stroke model writes; those that look like digits are left out."""


def _written_word(canvas: NDArray[np.uint8], x: float, base: float, rng: np.random.Generator, height: float) -> float:
    """Write a mark or a word of random letters in a hand of the stroke model; returns where it ends."""
    word = "".join(rng.choice(list(_WRITTEN), int(rng.integers(1, 7))))
    ink, _ = write_string(word, draw_hand(rng), rng, max(8, round(0.9 * height)))
    left, top = round(x), max(0, round(base - ink.shape[0]))
    view = canvas[top : top + ink.shape[0], left : left + ink.shape[1]]
    np.maximum(view, ink[: view.shape[0], : view.shape[1]], out=view)
    return x + float(ink.shape[1])


def _other_script(canvas: NDArray[np.uint8], x: float, base: float, rng: np.random.Generator, height: float) -> float:
    """Draw a character of many short strokes in a square; returns where it ends."""
    thick = max(1, round(rng.uniform(0.04, 0.1) * height))
    for _ in range(int(rng.integers(4, 12))):
        start = rng.uniform(0, 1, 2)
        step = rng.uniform(0.2, 0.9) * np.array(rng.choice([(1, 0), (0, 1), (0.6, 0.6), (-0.6, 0.6)]))
        stop = np.clip(start + step, 0, 1)
        (ax, ay), (bx, by) = start, stop
        begin = (round(x + ax * height), round(base - height + ay * height))
        end = (round(x + bx * height), round(base - height + by * height))
        cv2.line(canvas, begin, end, 255, thick, cv2.LINE_AA)
    return x + 0.85 * height


def _draw_text(rng: np.random.Generator) -> str:
    length = int(min(1 + rng.geometric(0.2), 12)) if rng.random() < 0.9 else 1
    digits = rng.integers(0, 10, length)
    if length > 1 and rng.random() < 0.3:  # doubled digits touch in ways of their own, zeros above all
        start = int(rng.integers(0, length - 1))
        stop = int(rng.integers(start + 1, length)) + 1
        digits[start:stop] = rng.choice([0, 1, digits[start]], p=[0.4, 0.15, 0.45])
    if rng.random() < 0.08:  # beside a 1 at the edge, the side of a frame looks like one: neither may be the rule
        digits[rng.choice([0, -1], p=[0.7, 0.3])] = 1
    return "".join(map(str, digits))


def _crop_margins(
    band: tuple[int, int, int, int], shape: tuple[int, int], height: float, rng: np.random.Generator
) -> tuple[int, int, int, int]:
    x0, y0, x1, y1 = band
    close, wide = 0.02 * height, 0.9 * height
    top = max(0, round(y0 - rng.uniform(close, wide)))
    bottom = min(shape[0], round(y1 + rng.uniform(close, wide)) + 1)
    left = max(0, round(x0 - rng.uniform(close, 2.5 * wide)))
    right = min(shape[1], round(x1 + rng.uniform(close, 2.5 * wide)) + 1)
    return top, bottom, left, right


def _write(
    text: str, bank: GlyphBank, rng: np.random.Generator, height: float
) -> tuple[str, NDArray[np.uint8], NDArray[np.int16], list[float]]:
    """Write a string on an empty canvas; returns what found room, ink, owner and the columns between digits."""
    _, writer = draw_writer(bank, rng)
    margin = round(2.4 * height)
    canvas = np.zeros((round(3.2 * height), round((len(text) * 1.5 + 2) * height) + 2 * margin), np.uint8)
    owner = np.zeros(canvas.shape, np.int16)
    style = _Style.draw(rng)
    base, slope = 2.0 * height, rng.normal(0, 0.025)
    x = float(margin)
    cells: list[float] = []
    ends: list[tuple[float, float]] = []
    for index, digit in enumerate(text):
        if rng.random() < 0.04:
            _, writer = draw_writer(bank, rng)
        glyph = _shaped(int(digit), writer, style, rng, height)
        glyph_h, glyph_w = glyph.shape
        y = base + slope * (x - margin) + rng.normal(0, style.wander) * height - glyph_h
        y = float(np.clip(y, 1, canvas.shape[0] - glyph_h - 1))
        x = _place(canvas, owner, glyph, x, y, index, style, rng, height)
        if ends and rng.random() < style.ligature:
            _ligature(canvas, owner, ends[-1], (x + 0.2 * glyph_w, y + rng.uniform(0, 1) * glyph_h), rng, height)
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
    return text[: len(cells)], canvas, np.where(canvas > 60, owner, 0).astype(np.int16), cells[:-1]


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
        )


def _shaped(digit: int, writer: Writer, style: _Style, rng: np.random.Generator, height: float) -> Glyph:
    """Write one digit at its size, slant and proportions."""
    glyph = next((drawn for drawn in (writer(digit) for _ in range(20)) if drawn is not None), None)
    if glyph is None:  # Every picture fades away under a pen as thin as this: a plain dot is still ink with an owner.
        glyph = np.full((12, 12), 255, np.uint8)
    tall = height * float(np.exp(rng.normal(0, style.sizes)))
    if digit == 0 and rng.random() < 0.25:
        tall *= rng.uniform(0.45, 0.9)
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


def _place(
    canvas: NDArray[np.uint8],
    owner: NDArray[np.int16],
    glyph: Glyph,
    x: float,
    y: float,
    index: int,
    style: _Style,
    rng: np.random.Generator,
    height: float,
) -> float:
    """Paint a digit beside what is there; the gap is measured between strokes, not boxes. Returns its left edge."""
    glyph_h, glyph_w = glyph.shape
    top = round(y)
    gap = round((style.gap + rng.normal(0, style.spread)) * height) if index else 0
    left = round(x) + gap
    if index:
        # Move left until the strokes are as near as the gap says: slanted digits overhang each other.
        rows = canvas[top : top + glyph_h]
        right_edge = np.where(
            (rows > 60).any(axis=1), rows.shape[1] - 1 - np.argmax((rows > 60)[:, ::-1], axis=1), -10_000
        )
        left_edge = np.where((glyph > 60).any(axis=1), np.argmax(glyph > 60, axis=1), 10_000)
        clearance = int((round(x) + left_edge - right_edge).min())
        if abs(clearance) < 2 * height:
            left = round(x) - clearance + max(gap, -round(0.09 * height)) + 1
    left = max(1, left)
    view = canvas[top : top + glyph_h, left : left + glyph_w]
    glyph = glyph[: view.shape[0], : view.shape[1]]
    mine = (glyph > 60) & (glyph >= view)
    np.maximum(view, glyph, out=view)
    owner[top : top + glyph_h, left : left + glyph_w][mine] = index + 1
    return float(left)


def _ligature(
    canvas: NDArray[np.uint8],
    owner: NDArray[np.int16],
    start: tuple[float, float],
    end: tuple[float, float],
    rng: np.random.Generator,
    height: float,
) -> None:
    stroke = np.zeros_like(canvas)
    bend = ((start[0] + end[0]) / 2, max(start[1], end[1]) + rng.uniform(-0.1, 0.15) * height)
    t = np.linspace(0, 1, 12)[:, None]
    points = (1 - t) ** 2 * np.array(start) + 2 * t * (1 - t) * np.array(bend) + t**2 * np.array(end)
    thick = max(1, round(rng.uniform(0.04, 0.1) * height))
    cv2.polylines(stroke, [np.round(points).astype(np.int32)], False, 255, thick, cv2.LINE_AA)
    owner[(stroke > 60) & (canvas <= 60)] = NEUTRAL
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
