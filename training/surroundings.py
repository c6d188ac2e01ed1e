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
    if kind < 0.18:
        _close(canvas, (span[1] + rng.uniform(-0.1, 0.6) * height, middle, base), thick, rng, height)
    elif kind < 0.19:  # a slash; rare, since to a reader it is a 1
        cv2.line(
            canvas,
            (round(x + 0.7 * height), round(base - 1.1 * height)),
            (round(x), round(base)),
            255,
            thick,
            cv2.LINE_AA,
        )
    elif kind < 0.25:
        cv2.circle(canvas, (round(x), round(base - 0.03 * height)), thick, 255, -1, cv2.LINE_AA)
    elif kind < 0.36:
        write_letters(canvas, bank, rng, height, x + 0.3 * height, base)
    elif kind < 0.40:
        left = max(1.0, span[0] - rng.uniform(0.8, 1.3) * height)
        write_letters(canvas, bank, rng, height, left, base, count=1)
    elif kind < 0.45:  # cells crossed out
        for _ in range(int(rng.integers(1, 3))):
            reach = np.full(2, rng.uniform(0.3, 0.5) * height)
            cross_out(canvas, (x + reach[0], base - 0.5 * height), reach, thick, rng)
            x += rng.uniform(0.9, 1.4) * height
    if rng.random() < 0.12:  # feet or heads of a neighbouring line
        y = base + rng.uniform(0.35, 0.7) * height if rng.random() < 0.5 else base - rng.uniform(1.4, 1.8) * height
        for left in np.arange(span[0], span[1], rng.uniform(0.3, 1.5) * height).tolist():
            foot = (round(left + rng.normal(0, 0.15) * height), round(y + rng.uniform(0.1, 0.3) * height))
            cv2.line(canvas, (round(left), round(y)), foot, 255, thick, cv2.LINE_AA)


def _close(
    canvas: NDArray[np.uint8],
    start: tuple[float, float, float],
    thick: int,
    rng: np.random.Generator,
    height: float,
) -> None:
    """Close an amount so that no digit can be added: a dash, a point and a dash, two dashes, or a double cross."""
    x, y, base = start
    if rng.random() < 0.4:
        foot = rng.choice([0.0, rng.uniform(0.05, 0.2)]) * height
        low = base - 0.03 * height
        cv2.line(canvas, (round(x), round(low)), (round(x - 0.4 * foot), round(low + foot)), 255, thick, cv2.LINE_AA)
        x += rng.uniform(0.1, 0.4) * height
    length = rng.choice([rng.uniform(0.2, 0.6), rng.uniform(0.4, 1.8)]) * height
    climb = rng.normal(0, 0.18) * min(length, height)
    dashes = [y, y + rng.uniform(0.12, 0.35) * height] if rng.random() < 0.45 else [y]
    for row in dashes:
        sag = rng.normal(0, 0.06) * height
        points = [
            (x, row - 0.5 * climb),
            (x + rng.uniform(0.3, 0.7) * length, row - sag),
            (x + length, row + 0.5 * climb),
        ]
        if rng.random() < 0.25:  # the pen comes from above or below
            points.insert(0, (x - rng.uniform(0.0, 0.1) * height, row + rng.normal(0, 0.12) * height))
        cv2.polylines(canvas, [np.round(points).astype(np.int32)], False, 255, thick, cv2.LINE_AA)
    if rng.random() < 0.2:
        slant = rng.uniform(0.0, 0.35) * height
        for column in np.sort(rng.uniform(0.2, 0.8, int(rng.integers(1, 3)))) * length:
            head = (round(x + column + slant), round(y - rng.uniform(0.2, 0.45) * height))
            foot = (round(x + column - slant), round(dashes[-1] + rng.uniform(0.2, 0.45) * height))
            cv2.line(canvas, head, foot, 255, thick, cv2.LINE_AA)


def cross_out(
    canvas: NDArray[np.uint8],
    middle: tuple[float, float],
    reach: NDArray[np.float64],
    thick: int,
    rng: np.random.Generator,
) -> None:
    """Cross out an unused cell: an X, or at times a single stroke through it.

    Args:
        canvas: Ink, (H, W) uint8; painted on.
        middle: Of the cell, column and row.
        reach: Of the strokes to either side, across and down, (2,).
        thick: Width of a stroke in pixels.
        rng: Source of randomness.
    """
    turns = [(1, 1), (1, -1)] if rng.random() < 0.75 else [(1, float(rng.choice([0.0, 0.0, -0.8])))]
    for across, down in turns:
        (ax, ay), (bx, by) = rng.normal(0, 0.12, (2, 2)) * reach
        first = (round(middle[0] - across * reach[0] + ax), round(middle[1] - down * reach[1] + ay))
        last = (round(middle[0] + across * reach[0] + bx), round(middle[1] + down * reach[1] + by))
        cv2.line(canvas, first, last, 255, thick, cv2.LINE_AA)


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
