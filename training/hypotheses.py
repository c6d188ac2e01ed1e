"""Examples for the network, made by the real segmenter: each candidate of a synthetic line with what it truly is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from extractor.lines import LineImage, line_image
from extractor.preprocess import clean
from extractor.segmentation import Lattice, crops, segment
from training.synthesis import SyntheticLine

NOT_ONE_DIGIT = 10
"""Class of a candidate that is a part of a digit, several digits, or no digit at all."""
SKIP = 11
"""Class of a candidate that holds no ink of any digit."""
UNSURE = -1
"""A candidate between classes: it teaches nothing."""
TALL = 0.55
"""A piece of foreign ink from this height on, in digit heights, is a stroke that might be a digit."""


@dataclass(frozen=True, slots=True)
class Hypotheses:
    """N labelled candidates.

    Attributes:
        digits: (N, 28, 28) uint8.
        context: (N, 28, 28) uint8.
        geometry: (N, 8) float32.
        labels: (N,) int8: 0-9, `NOT_ONE_DIGIT`, `SKIP`.
    """

    digits: NDArray[np.uint8]
    context: NDArray[np.uint8]
    geometry: NDArray[np.float32]
    labels: NDArray[np.int8]


def owners_at_scale(owner: NDArray[np.int16], line: LineImage) -> NDArray[np.int16]:
    """Carry the owner of each pixel over to the line image.

    Args:
        owner: (H, W) int16 of the region.
        line: The region's line image.

    Returns:
        (h, w) int16 of the line image.
    """
    height, width = line.ink.shape
    x, y = line.origin
    matrix = np.array([[line.scale, 0, -x * line.scale], [0, line.scale, -y * line.scale]], np.float32)
    return cv2.warpAffine(owner, matrix, (width, height), flags=cv2.INTER_NEAREST).astype(np.int16)


def label_candidates(lattice: Lattice, owner: NDArray[np.int16], text: str) -> NDArray[np.int8]:
    """Say what each candidate is by the share of its ink that each digit owns.

    Args:
        lattice: N candidates.
        owner: Owner of each line pixel, (H, W) int16.
        text: The true digits.

    Returns:
        (N,) int8.
    """
    count = len(text)
    inside = lattice.line.mask
    # Ink that the scan made wider than its owner's strokes belongs to the nearest owner.
    grown = cv2.dilate(np.maximum(owner, 0).astype(np.float32), np.ones((5, 5), np.uint8)).astype(np.int16)
    owned = np.where(owner != 0, owner, grown)
    owned = np.where(inside, owned, 0)
    table = np.zeros((lattice.pieces + 1, count + 2), np.int64)
    np.add.at(table, (lattice.labels.ravel(), np.where(owned < 0, count + 1, owned).ravel()), 1)
    full = np.bincount(np.maximum(owner, 0).ravel(), minlength=count + 1)[1 : count + 1]
    return label_by_ink(lattice, table, full, text)


def label_by_ink(
    lattice: Lattice, table: NDArray[np.int64], full: NDArray[np.integer[Any]], text: str
) -> NDArray[np.int8]:
    """Say what each candidate is, given how much of each piece every digit owns.

    Args:
        lattice: N candidates.
        table: Ink pixels of each piece (rows, from 1) that are nobody's (first column), each digit's, or neutral (last
            column), (pieces + 1, digits + 2).
        full: Ink pixels of each digit before the stages lost some, (digits,).
        text: The true digits.

    Returns:
        (N,) int8.
    """
    count = len(text)
    visible = table[:, 1 : count + 1].sum(axis=0)
    sums = np.cumsum(table, axis=0)
    strokes = np.cumsum(_foreign_strokes(lattice, table))
    labels = np.full(len(lattice.candidates), UNSURE, np.int8)
    for index, item in enumerate(lattice.candidates):
        row = sums[item.stop] - sums[item.start]
        total = row.sum()
        digits = row[1 : count + 1]
        best = int(np.argmax(digits)) if count else 0
        mine = int(digits[best]) if count else 0
        known = max(1, total - int(row[count + 1]))
        if total == 0 or digits.sum() <= 0.08 * total:
            labels[index] = SKIP
            continue
        recall = mine / max(1, visible[best])
        purity = mine / known
        seen = visible[best] / max(1, full[best])
        others = (digits >= 0.5 * visible) & (digits >= 0.05 * total)
        others[best] = False
        if others.any() or (recall >= 0.5 and strokes[item.stop] > strokes[item.start]):
            # A thin 1 or the side of a frame beside a digit is little ink, and yet a stroke too many.
            labels[index] = NOT_ONE_DIGIT
        elif recall >= 0.87 and purity >= 0.84:
            labels[index] = int(text[best]) if seen >= 0.55 else UNSURE
        elif recall <= 0.76 or purity <= 0.72:
            labels[index] = NOT_ONE_DIGIT
            if digits.max(initial=0) <= 0.07 * visible[best] and purity < 0.5:
                labels[index] = SKIP
    return labels


def _foreign_strokes(lattice: Lattice, table: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell which pieces are tall and nobody's, as the sides of frames are; (pieces + 1,), the first for none."""
    tall = np.zeros(lattice.pieces + 1, np.bool_)
    for item in lattice.candidates:
        if item.stop == item.start + 1:
            tall[item.stop] = item.box[3] >= TALL * lattice.line.digit_height
    return np.asarray(tall & (table[:, 0] >= 0.8 * table.sum(axis=1)))


def hypotheses(sample: SyntheticLine) -> tuple[LineImage | None, Hypotheses | None]:
    """Run the real stages over a synthetic line and label what comes out.

    Args:
        sample: The line.

    Returns:
        Its line image and its labelled candidates; None where the stages find no ink.
    """
    page = clean(sample.image)
    line = line_image(page.ink, page.mask)
    if line is None:
        return None, None
    lattice = segment(line)
    if not lattice.candidates:
        return line, None
    labels = label_candidates(lattice, owners_at_scale(sample.owner, line), sample.text)
    digits, context, geometry = crops(lattice)
    use = labels != UNSURE
    return line, Hypotheses(digits[use], context[use], geometry[use], labels[use])
