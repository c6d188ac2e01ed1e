"""Isolated digits and letters that synthetic lines are written with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training import letters
from training.handwriting import Hand, digit_image, draw_hand

Glyph = NDArray[np.uint8]
"""Tight ink coverage, (H, W) uint8, ink 255 on 0."""

CANVAS = 64
"""Height to which small pictures are enlarged before their strokes are smoothed."""


@dataclass(frozen=True, slots=True)
class GlyphBank:
    """Digits by source and class, and letters.

    Attributes:
        digits: For each source, ten arrays of pictures (N, H, W) uint8, ink bright.
        letters: Pictures (N, H, W) uint8, ink bright.
        words: Pictures (N, H, W) uint8, ink bright.
        drawn: Share of the hands that the stroke model writes.
    """

    digits: dict[str, list[NDArray[np.uint8]]]
    letters: NDArray[np.uint8]
    words: NDArray[np.uint8]
    drawn: float = 0.5
    _outlines: dict[tuple[str, int], NDArray[np.float32]] = field(default_factory=dict, init=False, repr=False)

    def outlines(self, source: str, digit: int) -> NDArray[np.float32]:
        """The shapes of a source's pictures of a digit, see `outlines_of`; measured when they are first asked for."""
        if (source, digit) not in self._outlines:
            self._outlines[source, digit] = outlines_of(self.digits[source][digit])
        return self._outlines[source, digit]


_SCANNED = {"mnist": 23, "bhmsds": 27, "semeion": 3, "optdigits32": 5}
"""How often lines are written with digits of each set."""
SOURCES = tuple(_SCANNED)
"""Sets of isolated digits that weights may learn from."""
_OUTLINE = 12
"""Sides of the small pictures by which shapes are compared."""
_VARIETY = (0.01, 0.15)
"""Least and greatest share of a class that one hand's shapes are taken from."""
_CONSTANCY = (0.75, 1.0)
"""How likely a digit is written in the hand's own shape, at least and at most."""


def load_bank(data: Path, *, mnist_train: int = 55_000) -> GlyphBank:
    """Load all sets that weights may learn from.

    Args:
        data: Folder with ``digits/`` and ``letters/``.
        mnist_train: How many of MNIST's training pictures are used; the rest validate.

    Returns:
        The bank.
    """
    digits: dict[str, list[NDArray[np.uint8]]] = {}
    for source in SOURCES:
        pictures, labels = load_digits(data, source)
        if source == "mnist":
            pictures, labels = pictures[:mnist_train], labels[:mnist_train]
        digits[source] = [pictures[labels == digit] for digit in range(10)]
    pictures, names = letters.load(data / "letters" / "letters_hw62.npz")
    held = letters.held_out(names)
    use = [
        not (name.isdigit() or name in letters.LOOKALIKES or out)
        for name, out in zip(names, held.tolist(), strict=True)
    ]
    with np.load(data / "letters" / "dhsd_words.npz") as archive:
        words = as_ink(archive["x"])
    return GlyphBank(digits, as_ink(pictures[np.array(use)]), words)


def outlines_of(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Put shapes in numbers whose products say how alike they are: small blurred pictures of one height.

    Args:
        pictures: (N, H, W) uint8, ink bright.

    Returns:
        Rows of unit length, (N, 144) float32.
    """
    rows = np.zeros((len(pictures), _OUTLINE, _OUTLINE), np.float32)
    for row, picture in zip(rows, pictures, strict=True):
        cut = tight(picture)
        if cut is not None:
            width = int(np.clip(round(cut.shape[1] * _OUTLINE / cut.shape[0]), 1, _OUTLINE))
            left = (_OUTLINE - width) // 2
            row[:, left : left + width] = cv2.resize(cut, (width, _OUTLINE), interpolation=cv2.INTER_AREA)
            row[:] = cv2.GaussianBlur(row, (3, 3), 0)
    flat = rows.reshape(len(rows), -1)
    return np.asarray(flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6), np.float32)


def load_digits(data: Path, source: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Load one set of isolated digits with its ink bright.

    Args:
        data: Folder with ``digits/``.
        source: One of `SOURCES`, or ``usps``.

    Returns:
        Pictures (N, H, W) uint8 and labels (N,).
    """
    with np.load(data / "digits" / f"{source}.npz") as archive:
        names = ("x_train", "y_train") if "x_train" in archive else ("x", "y")
        pictures, labels = archive[names[0]], archive[names[1]].astype(np.int64)
    return as_ink(pictures), labels


def as_ink(pictures: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Scale pictures to 0-255 with bright ink, whatever their polarity and range.

    Args:
        pictures: (N, H, W) of any number type, ink dark or bright.

    Returns:
        (N, H, W) uint8, ink bright.
    """
    values = pictures.astype(np.float32)
    low, high = float(values.min()), float(values.max())
    values = (values - low) * (255.0 / max(high - low, 1e-6))
    edges = np.concatenate([values[:, 0], values[:, -1], values[:, :, 0], values[:, :, -1]], axis=1)
    ground = np.median(edges, axis=1)[:, None, None]
    dark_ink = float(np.median(ground)) > 127
    # The ground of each photographed picture is taken off: grey paper is not ink.
    ink = (ground - values) if dark_ink else (values - ground)
    peak = np.maximum(np.percentile(ink, 99.5, axis=(1, 2), keepdims=True), 1.0)
    return np.asarray(np.clip(ink * (255.0 / peak), 0, 255), np.uint8)


def tight(picture: NDArray[np.uint8], threshold: int = 40) -> Glyph | None:
    """Crop a picture to its ink; None when it holds none."""
    x, y, width, height = cv2.boundingRect((picture > threshold).astype(np.uint8))
    return picture[y : y + height, x : x + width] if width and height else None


def smooth_glyph(picture: NDArray[np.uint8], rng: np.random.Generator, weight: float) -> Glyph | None:
    """Enlarge a small picture and redraw its strokes with clean edges.

    Args:
        picture: (H, W) uint8, ink bright.
        rng: Source of randomness.
        weight: Stroke weight, 0 thin to 1 bold: the level at which the blurred picture is cut.

    Returns:
        Tight ink, about `CANVAS` pixels high, or None when nothing is left.
    """
    cut = tight(picture)
    if cut is None:
        return None
    scale = CANVAS / max(cut.shape[0], 0.6 * cut.shape[1])
    big = cv2.resize(
        cv2.copyMakeBorder(cut, 2, 2, 2, 2, cv2.BORDER_CONSTANT),
        None,
        fx=scale,
        fy=scale,
        interpolation=cv2.INTER_CUBIC,
    )
    blurred = cv2.GaussianBlur(big, (0, 0), 0.28 * scale + 0.6)
    peak = float(blurred.max())
    level = peak * (0.62 - 0.36 * weight)
    sharp = np.clip((blurred.astype(np.float32) - level) * (255.0 / (0.16 * peak + 1)) + 127, 0, 255).astype(np.uint8)
    return tight(sharp, 100)


Writer = Callable[[int], Glyph | None]
"""Writes one digit in one hand."""


def draw_writer(bank: GlyphBank, rng: np.random.Generator) -> tuple[str, Writer]:
    """Choose a hand: scanned digits that are alike, with one stroke weight, or a hand of the stroke model.

    Args:
        bank: The sets.
        rng: Source of randomness.

    Returns:
        The source's name and a function that writes a digit.
    """
    often = np.array([_SCANNED[source] for source in bank.digits])
    source = str(rng.choice(["strokes", *bank.digits], p=[bank.drawn, *(often / often.sum() * (1 - bank.drawn))]))
    if source == "strokes":
        hand: Hand = draw_hand(rng)
        return source, lambda digit: tight(digit_image(digit, hand, rng, height=CANVAS), 100)
    weight = float(rng.uniform(0.0, 0.85))
    variety = float(np.exp(rng.uniform(*np.log(_VARIETY))))
    constancy = float(rng.uniform(*_CONSTANCY))
    habits: dict[int, NDArray[np.int64]] = {}

    def write(digit: int) -> Glyph | None:
        choices = bank.digits[source][digit]
        index = int(rng.integers(len(choices)))
        if rng.random() < constancy:
            if digit not in habits:
                habits[digit] = _alike(bank.outlines(source, digit), index, variety)
            index = int(rng.choice(habits[digit]))
        return smooth_glyph(choices[index], rng, weight)

    return source, write


def _alike(outlines: NDArray[np.float32], index: int, share: float) -> NDArray[np.int64]:
    """Return the shapes most like one of them: a share of all, five at least."""
    count = min(max(5, round(share * len(outlines))), len(outlines) - 1)
    return np.argpartition(-(outlines @ outlines[index]), count)[: count + 1]
