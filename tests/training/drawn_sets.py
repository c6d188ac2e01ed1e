"""The sets that the reference network learns from, in their layouts, drawn by the stroke model."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import cv2
import numpy as np

from extractor.normalize import to_mnist
from training.glyphs import SOURCES, GlyphBank, load_bank
from training.handwriting import digit_image, draw_hand

LETTERS = "abcefhkmnprtuvwxy"


def framed(ink: np.ndarray, side: int) -> np.ndarray:
    """Ink in the middle of a square picture."""
    scale = (side - 4) / max(ink.shape)
    small = cv2.resize(ink, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)[: side - 4, : side - 4]
    top, left = (side - small.shape[0]) // 2, (side - small.shape[1]) // 2
    out = np.zeros((side, side), np.uint8)
    out[top : top + small.shape[0], left : left + small.shape[1]] = small
    return out


def draw_set(count: int, side: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Digits 0-9 in turn: pictures (count, side, side) uint8 with bright ink, and labels."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 10
    pictures = [framed(digit_image(int(label), draw_hand(rng), rng, 40), side) for label in labels]
    return np.stack(pictures), labels.astype(np.uint8)


def write_sets(folder: Path) -> Path:
    """Write all sets: MNIST's kind bright on dark, one set dark on bright, one of few levels."""
    digits, letters = folder / "digits", folder / "letters"
    digits.mkdir(parents=True)
    letters.mkdir()
    rng = np.random.default_rng(0)
    x, y = draw_set(120, 40, 1)
    x = np.stack([to_mnist(picture) for picture in x])
    np.savez(digits / "mnist.npz", x_train=x[:100], y_train=y[:100], x_test=x[100:], y_test=y[100:])
    x, y = draw_set(40, 48, 2)
    np.savez(digits / "bhmsds.npz", x=255 - x, y=y)
    x, y = draw_set(40, 16, 3)
    np.savez(digits / "semeion.npz", x=(x > 110).astype(np.uint8), y=y)
    x, y = draw_set(40, 32, 4)
    np.savez(digits / "optdigits32.npz", x=(x > 110).astype(np.uint8), y=y)
    pictures = np.stack([framed(digit_image(letter, draw_hand(rng), rng, 40), 32) for letter in ("-", "/", "-", "/")])
    pictures = np.concatenate([pictures] * 5)
    names = np.array(list(LETTERS[:18] + "O1l"))[: len(pictures)]
    np.savez(letters / "letters_hw62.npz", x=255 - pictures[: len(names)], y=names)
    words = np.zeros((6, 32, 96), np.uint8)
    for word in words:
        cv2.putText(word, "abcde", (4, 24), cv2.FONT_HERSHEY_SCRIPT_SIMPLEX, 0.8, 255, 1, cv2.LINE_AA)
    np.savez(letters / "dhsd_words.npz", x=255 - words)
    return folder


@cache
def bank() -> GlyphBank:
    """The bank of such sets."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        loaded = load_bank(write_sets(Path(folder) / "sets"))
    assert set(loaded.digits) == set(SOURCES)
    return loaded
