"""Whether a string found loose on a page is a number at all, or a word, a line of print, a drawing.

Both networks know words, print and drawings as ink of no digit. So the string is held against the empty one: how much
likelier is it that this number is written than that none is?
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from extractor.decision import LEAST, Decision, over_views, skipped_ink
from extractor.decoding import empty_score
from extractor.line_reader import BLANK, best_path
from extractor.lines import LineImage
from extractor.segmentation import Lattice

WORST_AT_FIRST, LEAST_AT_FIRST = -2.0, 0.8
"""What a first look at a line must reach: mean log-probability of a digit, and what each adds to that of no number."""
REACH = 4
"""Steps of the line network around a digit in which ink may be its own."""
MOST_AWAY = 0.5
"""Largest share of the ink that may lie farther from all digits of a first look."""
LATTICE_SHARE, LINE_SHARE = 0.36, 0.71
"""How much each reader's log-probability counts in what a string gains."""
LEAST_GAIN = 2.7
"""What each digit adds, on average, to the log-probability against that of no number at all."""
CLEAR_GAIN, CLEAR_CONFIDENCE = 4.0, 0.65
"""A string that gains less than the first must be read with at least the second."""
WORST_LATTICE, WORST_LINE = -2.8, -1.4
"""Mean log-probability of a digit that the crops, and the line network, must reach."""
WORST_OF_SURER = -0.6
"""What at least one of the two must reach."""
MOST_SKIPPED = 0.2
"""Largest share of the ink that may belong to no digit."""


def may_hold_number(line: LineImage, steps: NDArray[np.float32]) -> bool:
    """Tell by the line network's first look, along its likeliest alignment, whether a line is worth reading.

    On a page of words that look is cheap: it spares the lattice, its crops and the other looks.

    Args:
        line: The line at working scale.
        steps: (T, 11) log-probabilities of the line network in one upright view of it.
    """
    likeliest = steps.argmax(axis=1)
    digits = len(best_path(steps))
    number = float(steps.max(axis=1).sum(dtype=np.float64))
    nothing = float(steps[:, BLANK].sum(dtype=np.float64))
    if not digits or number < WORST_AT_FIRST * digits or number - nothing < LEAST_AT_FIRST * digits:
        return False
    ink = line.ink.sum(axis=0, dtype=np.float64)
    places = (np.arange(len(ink)) + 0.5) * (len(steps) / len(ink)) - 0.5
    away = np.abs(places[:, None] - np.flatnonzero(likeliest != BLANK)).min(axis=1)
    return float(ink[away > REACH].sum()) <= MOST_AWAY * max(float(ink.sum()), 1.0)


def is_number(
    decision: Decision,
    lattice: Lattice,
    scores: NDArray[np.float32],
    views: list[NDArray[np.float32]],
) -> bool:
    """Tell whether a line holds a number.

    Args:
        decision: What it would say.
        lattice: The lattice.
        scores: (N, 12) log-probabilities of the crop network.
        views: For each view of the line (T, 11) log-probabilities of the line network.
    """
    path = decision.path
    length = len(path.text)
    if not length or not views or skipped_ink(path, lattice) > MOST_SKIPPED:
        return False
    number = decision.line
    # The empty string has one alignment: blank at every step.
    nothing = float(over_views(np.array([steps[:, BLANK].sum(dtype=np.float64) for steps in views])))
    lattice_gain = max(path.score, LEAST) - max(empty_score(lattice, scores), LEAST)
    gain = LATTICE_SHARE * lattice_gain + LINE_SHARE * (number - nothing)
    sure = path.score >= WORST_LATTICE * length and number >= WORST_LINE * length
    sure = sure and max(path.score, number) >= WORST_OF_SURER * length
    clear = gain >= CLEAR_GAIN * length or decision.confidence >= CLEAR_CONFIDENCE
    return sure and clear and gain >= LEAST_GAIN * length
