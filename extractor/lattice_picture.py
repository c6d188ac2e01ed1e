"""A lattice as a picture: pieces in colours, cuts between them, and the candidates that two strings take."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from extractor.decoding import Path
from extractor.segmentation import Lattice

Colour = tuple[int, int, int]

ENLARGEMENT = 2
WRITTEN: Colour = (90, 122, 0)
SAID: Colour = (15, 64, 179)
"""BGR of the brackets of what is written and of what was read."""

# Okabe and Ito, "Color Universal Design" (2008), in an order in which neighbours differ most.
_PIECES = np.array(
    [(178, 114, 0), (0, 159, 230), (115, 158, 0), (167, 121, 204), (0, 94, 213), (233, 180, 86)], np.uint8
)
_BAND = 40
"""Rows above and below the line for brackets and digits."""
_STEP = 5
"""Rows by which neighbouring brackets are apart, so that overlapping ones can be told."""


def draw_lattice(lattice: Lattice, written: Path | None, said: Path | None) -> NDArray[np.uint8]:
    """Draw a lattice with the paths of two strings.

    Ink that belongs to no piece, such as printed lines, is grey. A piece under no bracket is dropped by that string.

    Args:
        lattice: The lattice.
        written: Path of what is written, bracketed above in green; none when None.
        said: Path of what was read, bracketed below in red; none when None.

    Returns:
        (H, W, 3) BGR, `ENLARGEMENT` times the line image with a band above and below.
    """
    raw, labels = lattice.line.raw, lattice.labels
    grey = 255 - (0.3 * raw).astype(np.uint8)
    canvas = cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)
    held = labels > 0
    canvas[held] = _PIECES[(labels[held] - 1) % len(_PIECES)]
    canvas = cv2.resize(canvas, None, fx=ENLARGEMENT, fy=ENLARGEMENT, interpolation=cv2.INTER_NEAREST)
    canvas[_cuts(np.kron(labels, np.ones((ENLARGEMENT, ENLARGEMENT), np.int32)))] = 255
    canvas = cv2.copyMakeBorder(canvas, _BAND, _BAND, 8, 8, cv2.BORDER_CONSTANT, value=(255, 255, 255))
    if written is not None:
        _brackets(canvas, lattice, written, WRITTEN, above=True)
    if said is not None:
        _brackets(canvas, lattice, said, SAID, above=False)
    return np.asarray(canvas, np.uint8)


def draw_crop(digit: NDArray[np.uint8], context: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Draw a crop as the network sees it: its ink white, its surroundings orange.

    Args:
        digit: (28, 28) uint8.
        context: (28, 28) uint8, the other ink in the same frame.

    Returns:
        (28, 28, 3) BGR.
    """
    around = (context[:, :, None] * np.array([0.0, 0.45, 0.75])).astype(np.uint8)
    return np.asarray(np.maximum(around, digit[:, :, None]), np.uint8)


def _cuts(labels: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Pixels on the border between two pieces."""
    border = np.zeros(labels.shape, np.bool_)
    for near, far in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        border[near] |= (labels[near] != labels[far]) & (labels[near] > 0) & (labels[far] > 0)
    return border


def _brackets(canvas: cv2.typing.MatLike, lattice: Lattice, path: Path, colour: Colour, *, above: bool) -> None:
    for number, (character, index) in enumerate(zip(path.text, path.candidates, strict=True)):
        x, _, width, _ = lattice.candidates[index].box
        left, right = 8 + ENLARGEMENT * x, 8 + ENLARGEMENT * (x + width) - 1
        y = _BAND - 4 - _STEP * (number % 2) if above else canvas.shape[0] - _BAND + 4 + _STEP * (number % 2)
        inward = 4 if above else -4
        for start, end in (((left, y), (right, y)), ((left, y), (left, y + inward)), ((right, y), (right, y + inward))):
            cv2.line(canvas, start, end, colour, 2)
        base = _BAND - 16 if above else canvas.shape[0] - 6
        cv2.putText(
            canvas, character, ((left + right) // 2 - 7, base), cv2.FONT_HERSHEY_SIMPLEX, 0.75, colour, 2, cv2.LINE_AA
        )
