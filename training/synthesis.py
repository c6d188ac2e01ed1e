"""Random strings of digits as they would come from a scanner, with the owner of every ink pixel.

The strings are random in length, value and hand, so that a reader trained on them learns no habit of any form.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from training.backdrop import frame_lines, paper, pen_texture, scan, specks
from training.glyphs import GlyphBank
from training.handwriting import draw_hand, write_string
from training.surroundings import write_letters
from training.written_digits import Comb, write_digits


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
    comb = Comb.draw(rng, height) if rng.random() < 0.25 else None
    text = _draw_text(rng, least=6 if comb is not None and rng.random() < 0.6 else 1)
    text, ink, owner, cells = write_digits(text, bank, rng, height, comb)
    canvas_h, canvas_w = ink.shape
    rows, columns = np.nonzero(owner > 0)
    band = (columns.min(), rows.min(), columns.max(), rows.max()) if rows.size else (4, 4, canvas_w - 4, canvas_h - 4)
    if comb is not None:
        band = (round(cells[0]), band[1], round(cells[-1]), band[3])
    ink = pen_texture(ink, rng)
    sheet: NDArray[np.floating[Any]] = paper((canvas_h, canvas_w), rng)
    bilevel_like = rng.random() < 0.3
    contrast = float(rng.uniform(0.75, 0.95) if bilevel_like else rng.uniform(0.3, 0.9))
    sheet = sheet * (1 - contrast * ink.astype(np.float32) / 255)
    if rng.random() < (0.5 if comb is None else 0.75):
        printed = frame_lines(ink.shape, band, cells, rng, is_comb=comb is not None)
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


def _draw_text(rng: np.random.Generator, least: int) -> str:
    """Draw digits at random; the fields of forms have many, and are long more often than amounts."""
    length = int(min(1 + rng.geometric(0.2), 12)) if rng.random() < 0.9 else 1
    length = length if length >= least else int(rng.integers(least, 13))
    digits = rng.integers(0, 10, length)
    if length > 1 and rng.random() < 0.3:  # doubled digits touch in ways of their own, zeros above all
        start = int(rng.integers(0, length - 1))
        stop = int(rng.integers(start + 1, length)) + 1
        digits[start:stop] = rng.choice([0, 1, digits[start]], p=[0.4, 0.15, 0.45])
    if rng.random() < 0.12:  # beside a 1 at the edge, the side of a frame looks like one: neither may be the rule
        digits[rng.choice([0, -1], p=[0.7, 0.3])] = 1
    return "".join(map(str, digits))


def _crop_margins(
    band: tuple[int, int, int, int], shape: tuple[int, int], height: float, rng: np.random.Generator
) -> tuple[int, int, int, int]:
    x0, y0, x1, y1 = band
    close, wide = 0.02 * height, 0.9 * height
    top = max(0, round(y0 - rng.uniform(close, wide)))
    bottom = min(shape[0], round(y1 + rng.uniform(close, wide)) + 1)
    before, after = (rng.uniform(close, (0.2 * height if rng.random() < 0.35 else 2.5 * wide)) for _ in range(2))
    left, right = max(0, round(x0 - before)), min(shape[1], round(x1 + after) + 1)
    return top, bottom, left, right
