"""Tells synthetic lines that can be read from those that cannot: what nobody could read teaches nothing but noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from extractor.line_input import shown_rows
from extractor.lines import LineImage
from training.hypotheses import owners_at_scale
from training.synthesis import SyntheticLine

LEAST_SHOWN = 0.6
"""Share of a digit's ink that the line network must be shown."""
LEAST_COVERAGE = 30.0
"""Mean coverage of a digit's ink, of 255: fainter ones are gone."""
LEAST_HEIGHT, GREATEST_HEIGHT = 0.5, 1.8
"""Height of the digits in heights that the stages take for typical."""


def is_legible(sample: SyntheticLine, line: LineImage, *, cleaned: bool = False) -> bool:
    """Tell whether each digit of a line can be seen in its line image: in the frame, dark enough and of a fair size.

    Args:
        sample: The line.
        line: What the stages made of it.
        cleaned: Look at the ink without printed lines, with which some strokes may have gone.
    """
    count = len(sample.text)
    if count == 0:
        return True
    owner = np.maximum(owners_at_scale(sample.owner, line), 0)
    top, bottom = shown_rows(line)
    owner[: max(0, round(top))] = 0
    owner[max(0, round(bottom)) :] = 0
    ink = _ink(owner, count)
    full = _ink(np.maximum(sample.owner, 0), count) * line.scale**2
    if (ink < LEAST_SHOWN * full).any() or (ink == 0).any():
        return False
    picture = line.ink if cleaned else line.raw
    coverage = np.bincount(owner.ravel(), picture.ravel(), minlength=count + 1)[1 : count + 1] / ink
    if (coverage < LEAST_COVERAGE).any():
        return False
    heights = [float(np.ptp(np.flatnonzero((owner == digit).any(axis=1))) + 1) for digit in range(1, count + 1)]
    return LEAST_HEIGHT <= float(np.median(heights)) / line.digit_height <= GREATEST_HEIGHT


def _ink(owner: NDArray[np.int16], count: int) -> NDArray[np.int64]:
    """Count the pixels of each digit, (count,)."""
    return np.bincount(owner.ravel(), minlength=count + 1)[1 : count + 1]
