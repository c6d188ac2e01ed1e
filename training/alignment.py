"""Labels without boxes: which candidate of a lattice is which digit of a known string (forced alignment)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from extractor.decoding import align, best_paths
from extractor.line_reader import beam_search, string_log_probabilities
from extractor.reader import Evidence
from training.hypotheses import label_by_ink

BASE_DOUBT, DOUBT_PER_DIGIT = 6.0, 2.0
"""Natural logarithms by which a reader may hold another string more probable than the label. One digit that a reader
does not know costs it up to 12; a label that belongs to another picture costs about 6 for each digit."""


@dataclass(frozen=True, slots=True)
class Alignment:
    """How a known string lies in its lattice.

    Attributes:
        labels: What each candidate is, (N,) int8: 0-9, "not one digit", "skip", or unsure; None where the lattice
            cannot spell the string, or only against all likelihood.
        is_line_plausible: Whether the line network finds the string possible.
    """

    labels: NDArray[np.int8] | None
    is_line_plausible: bool


def align_label(evidence: Evidence, text: str) -> Alignment:
    """Lay a label over what both readers see.

    Args:
        evidence: What they see.
        text: What is written.
    """
    limit = BASE_DOUBT + DOUBT_PER_DIGIT * len(text)
    lattice, scores = evidence.lattice, evidence.scores
    path = align(lattice, scores, text)
    labels = None
    if path is not None and best_paths(lattice, scores, 1)[0].score - path.score <= limit:
        owner = np.zeros(lattice.pieces, np.intp)
        for number, index in enumerate(path.candidates, start=1):
            owner[lattice.candidates[index].start : lattice.candidates[index].stop] = number
        ink = np.zeros((lattice.pieces + 1, len(text) + 2), np.int64)
        ink[np.arange(1, lattice.pieces + 1), owner] = lattice.areas
        labels = label_by_ink(lattice, ink, ink[:, 1:-1].sum(axis=0), text)
    return Alignment(labels, all(_line_doubt(steps, text) <= limit for steps in evidence.views))


def _line_doubt(steps: NDArray[np.float32], text: str) -> float:
    """How much more probable the line network holds the string that it reads itself."""
    best = beam_search(steps, 4)[0][1]
    return best - float(string_log_probabilities(steps, [text])[0])
