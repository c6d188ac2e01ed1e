"""Whether a string found loose on a page is a number at all, or a word, a line of print, a drawing.

Both networks know words, print and drawings as ink of no digit. So the string is held against the empty one: how much
likelier is it that this number is written than that none is?
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from extractor.decision import LEAST, Decision, logistic, over_views, skipped_ink
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
FEATURES = ("lattice_gain", "line_gain", "left_out", "single")
"""What tells a number from other ink, see `features`."""
WEIGHTS, INTERCEPT = (0.29, 0.73, -6.5, -2.3), -2.0
"""Of a logistic model of these, fitted by ``benchmarks/mosaics.py --fit`` on numbers and words in real handwriting."""
MOST_LATTICE, MOST_LINE = 8.0, 12.0
"""A digit that adds more than this says no more."""
MOST_LEFT_OUT = 0.5
"""Ink of which a larger share belongs to no digit is no number."""
LEAST_PROBABILITY = 0.5
"""Ink that is less likely a number than this is not reported."""


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


def features(
    decision: Decision,
    lattice: Lattice,
    scores: NDArray[np.float32],
    views: list[NDArray[np.float32]],
) -> tuple[float, ...]:
    """Measure what tells a number from other ink.

    Args:
        decision: What a line would say; at least one digit.
        lattice: The lattice.
        scores: (N, 12) log-probabilities of the crop network.
        views: For each view of the line (T, 11) log-probabilities of the line network, at least one.

    Returns:
        In the order of `FEATURES`: what each digit adds, on average, to the log-probability of either reader against
        that of no number at all; the share of the ink that belongs to no digit; whether there is but one digit.
    """
    path = decision.path
    length = len(path.text)
    # The empty string has one alignment: blank at every step.
    nothing = float(over_views(np.array([steps[:, BLANK].sum(dtype=np.float64) for steps in views])))
    lattice_gain = max(path.score, LEAST) - max(empty_score(lattice, scores), LEAST)
    return (
        min(lattice_gain / length, MOST_LATTICE),
        min((decision.line - nothing) / length, MOST_LINE),
        skipped_ink(path, lattice),
        float(length == 1),
    )


def number_probability(
    decision: Decision,
    lattice: Lattice,
    scores: NDArray[np.float32],
    views: list[NDArray[np.float32]],
) -> float:
    """Tell how likely a line holds a number, whichever.

    Args:
        decision: What it would say.
        lattice: The lattice.
        scores: (N, 12) log-probabilities of the crop network.
        views: For each view of the line (T, 11) log-probabilities of the line network.

    Returns:
        0 to 1; 0 without digits or views, and where most ink is left out.
    """
    if not decision.path.text or not views:
        return 0.0
    measured = features(decision, lattice, scores, views)
    if measured[FEATURES.index("left_out")] > MOST_LEFT_OUT:
        return 0.0
    return logistic(INTERCEPT + sum(weight * value for weight, value in zip(WEIGHTS, measured, strict=True)))
