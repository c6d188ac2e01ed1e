"""Whether a string found loose on a page is a number at all, or a word, a line of print, a drawing.

Both networks know words, print and drawings as ink of no digit. So the string is held against the empty one: how much
likelier is it that this number is written than that none is?
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from extractor.decision import Decision, DecisionSettings, skipped_ink
from extractor.decoding import Path, empty_score
from extractor.line_reader import BLANK
from extractor.segmentation import Lattice

WORST_STEP = -3.2
"""Mean cost of a digit of the lattice's best path beyond which a second look is not worth its time."""
LEAST_GAIN = 2.7
"""What each digit adds, on average, to the log-probability against that of no number at all."""
CLEAR_GAIN, CLEAR_CONFIDENCE = 4.0, 0.7
"""A string that gains less than the first must be read with at least the second."""
WORST_LATTICE, WORST_LINE = -2.8, -1.4
"""Mean log-probability of a digit that the crops, and the line network, must reach."""
WORST_OF_SURER = -0.6
"""What at least one of the two must reach."""
MOST_SKIPPED = 0.2
"""Largest share of the ink that may belong to no digit."""
SKIPPED_AT_FIRST = 0.56
"""The same for the lattice's best path: the line network may yet say that more of it is."""
LEAST = -60.0
"""Log-probabilities count no lower than this."""


def may_hold_number(path: Path, lattice: Lattice) -> bool:
    """Tell cheaply whether a line is worth a second look.

    Args:
        path: The lattice's best path.
        lattice: The lattice.
    """
    if not path.text or path.score / len(path.text) < WORST_STEP:
        return False
    return skipped_ink(path, lattice) <= SKIPPED_AT_FIRST


def is_number(
    decision: Decision,
    lattice: Lattice,
    scores: NDArray[np.float32],
    views: list[NDArray[np.float32]],
    settings: DecisionSettings,
) -> bool:
    """Tell whether a line holds a number.

    Args:
        decision: What it would say.
        lattice: The lattice.
        scores: (N, 12) log-probabilities of the crop network.
        views: For each view of the line (T, 11) log-probabilities of the line network.
        settings: How much each reader counts.
    """
    path = decision.path
    length = len(path.text)
    if not length or not views or skipped_ink(path, lattice) > MOST_SKIPPED:
        return False
    number = decision.line
    # The empty string has one alignment: blank at every step.
    blanks = [steps[:, BLANK].sum(dtype=np.float64) for steps in views]
    nothing = float(np.maximum(blanks, LEAST).mean())
    lattice_gain = max(path.score, LEAST) - max(empty_score(lattice, scores), LEAST)
    gain = settings.lattice_weight * lattice_gain + settings.line_weight * (number - nothing)
    sure = path.score >= WORST_LATTICE * length and number >= WORST_LINE * length
    sure = sure and max(path.score, number) >= WORST_OF_SURER * length
    clear = gain >= CLEAR_GAIN * length or decision.confidence >= CLEAR_CONFIDENCE
    return sure and clear and gain >= LEAST_GAIN * length
