"""Which letters are looked at: those that no digit looks like, and of them some hands that nothing learns from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.datasets import DatasetError, read_npz

LOOKALIKES = frozenset("OoDdQqIiLlSsZzBbGg|")
"""Letters that look like digits, and the other case of each: they are no evidence of what is not a digit."""
LEARNT_SHARE = 0.8
"""Share of the pictures of each letter, from the first on, that networks may learn from."""


def load(path: Path) -> tuple[NDArray[np.uint8], list[str]]:
    """Load pictures of characters.

    Args:
        path: An npz file with ``x`` (N, H, W) uint8 and ``y`` (N,), characters or their code points.

    Returns:
        The pictures as they are, and the character of each.

    Raises:
        DatasetError: The file is absent or damaged, or holds something else.
    """
    arrays = read_npz(path)
    if "x" not in arrays or "y" not in arrays:
        raise DatasetError(f"{path} has no letters", "the file has x, the pictures, and y, their characters")
    pictures, values = arrays["x"], arrays["y"]
    if pictures.ndim != 3 or pictures.dtype != np.uint8 or 0 in pictures.shape:
        raise DatasetError(f"{path}: x has the shape {pictures.shape} of {pictures.dtype}, not (N, H, W) of uint8")
    if values.shape != pictures.shape[:1] or values.dtype.kind not in "iuU":
        raise DatasetError(f"{path}: y is not one character for each of {len(pictures)} pictures")
    return pictures, letter_names(values)


def letter_names(values: NDArray[np.generic]) -> list[str]:
    """Return the characters that labels stand for.

    Args:
        values: (N,) characters, or their code points as whole numbers.
    """
    return [chr(value) if isinstance(value, int) else str(value) for value in values.tolist()]


def held_out(names: Sequence[str]) -> NDArray[np.bool_]:
    """Say which pictures no network learns from: of each character the last fifth.

    A set that was written hand after hand lists the same hand at about the same place of every character, so whole
    hands are held out, not single pictures.

    Args:
        names: The character of each picture, in the order of the set.

    Returns:
        (N,) bool.
    """
    totals, seen = Counter(names), Counter[str]()
    mask = np.zeros(len(names), np.bool_)
    for place, name in enumerate(names):
        mask[place] = seen[name] >= LEARNT_SHARE * totals[name]
        seen[name] += 1
    return mask
