"""What stands beside a number on a page and is no part of it: strokes, words, crossed-out cells, other lines."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from training.glyphs import GlyphBank, smooth_glyph, tight


def write_surroundings(
    canvas: NDArray[np.uint8],
    bank: GlyphBank,
    rng: np.random.Generator,
    height: float,
    span: tuple[float, float],
    base: float,
) -> None:
    """Write what is not part of the number: strokes after it, words beside it, ends of lines above and below.

    Args:
        canvas: Ink, (H, W) uint8; painted on.
        bank: Letters and words.
        rng: Source of randomness.
        height: Of a digit, in pixels.
        span: First and last column of the number.
        base: Row of its base line.
    """
    thick = max(1, round(rng.uniform(0.05, 0.12) * height))
    x = span[1] + rng.uniform(0.1, 0.5) * height
    kind = rng.random()
    middle = base - rng.uniform(0.35, 0.6) * height
    if kind < 0.10:
        end = x + rng.uniform(0.3, 1.8) * height
        cv2.line(
            canvas,
            (round(x), round(middle)),
            (round(end), round(middle + rng.normal(0, 0.08) * height)),
            255,
            thick,
            cv2.LINE_AA,
        )
        if rng.random() < 0.4:
            lower = middle + rng.uniform(0.12, 0.3) * height
            cv2.line(canvas, (round(x), round(lower)), (round(end), round(lower)), 255, thick, cv2.LINE_AA)
    elif kind < 0.11:  # a slash; rare, since to a reader it is a 1
        cv2.line(
            canvas,
            (round(x + 0.7 * height), round(base - 1.1 * height)),
            (round(x), round(base)),
            255,
            thick,
            cv2.LINE_AA,
        )
    elif kind < 0.18:
        cv2.circle(canvas, (round(x), round(base - 0.03 * height)), thick, 255, -1, cv2.LINE_AA)
    elif kind < 0.33:
        write_letters(canvas, bank, rng, height, x + 0.3 * height, base)
    elif kind < 0.37:
        left = max(1.0, span[0] - rng.uniform(0.8, 1.3) * height)
        write_letters(canvas, bank, rng, height, left, base, count=1)
    elif kind < 0.42:  # cells crossed out
        for _ in range(int(rng.integers(1, 3))):
            size = rng.uniform(0.3, 0.5) * height
            for sign in (-1, 1):
                first = (round(x), round(base - 0.5 * height - sign * size))
                last = (round(x + 2 * size), round(base - 0.5 * height + sign * size))
                cv2.line(canvas, first, last, 255, thick, cv2.LINE_AA)
            x += rng.uniform(0.9, 1.4) * height
    if rng.random() < 0.12:  # feet or heads of a neighbouring line
        y = base + rng.uniform(0.35, 0.7) * height if rng.random() < 0.5 else base - rng.uniform(1.4, 1.8) * height
        for left in np.arange(span[0], span[1], rng.uniform(0.3, 1.5) * height).tolist():
            foot = (round(left + rng.normal(0, 0.15) * height), round(y + rng.uniform(0.1, 0.3) * height))
            cv2.line(canvas, (round(left), round(y)), foot, 255, thick, cv2.LINE_AA)


def write_letters(
    canvas: NDArray[np.uint8],
    bank: GlyphBank,
    rng: np.random.Generator,
    height: float,
    x: float,
    base: float,
    count: int | None = None,
) -> None:
    """Write letters or a word.

    Args:
        canvas: Ink, (H, W) uint8; painted on.
        bank: Letters and words.
        rng: Source of randomness.
        height: Of a digit, in pixels.
        x: Column where they begin.
        base: Row of the base line.
        count: How many letters; some letters or a word when None.
    """
    if count is None and rng.random() < 0.4:
        glyph = tight(bank.words[rng.integers(len(bank.words))], 90)
        letters = [glyph] if glyph is not None else []
    else:
        picks = rng.integers(len(bank.letters), size=count or int(rng.integers(1, 5)))
        letters = [
            item
            for item in (smooth_glyph(bank.letters[pick], rng, rng.uniform(0.2, 0.9)) for pick in picks)
            if item is not None
        ]
    for glyph in letters:
        scale = height * rng.uniform(0.6, 1.2) / glyph.shape[0]
        shaped = cv2.resize(glyph, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        left, top = round(x), round(base - shaped.shape[0])
        if left < 0 or left + 2 >= canvas.shape[1]:
            return
        view = canvas[top : top + shaped.shape[0], left : left + shaped.shape[1]]
        np.maximum(view, shaped[: view.shape[0], : view.shape[1]], out=view)
        x += shaped.shape[1] + rng.uniform(0.0, 0.25) * height
