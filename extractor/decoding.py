"""The best strings of a lattice: exact k-best paths, and the best path of a given string.

A path runs from the first piece to the last; each step takes a candidate as a digit, or drops one piece as ink of no
digit. The best-path search is Viterbi's over the lattice with k hypotheses a node, equal strings merged.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from extractor.classifier import SKIP
from extractor.segmentation import Lattice

FLOOR = -12.0
"""No single decision costs more: some path always exists, and one odd piece does not sink a string."""
LIKELY = -6.5
"""A digit less likely than this on a candidate is not followed, but the candidate's best digit always is."""
KEPT = 12
"""Hypotheses kept at each node."""


@dataclass(frozen=True, slots=True)
class Path:
    """One way through a lattice.

    Attributes:
        text: The digits.
        score: Sum of the log-probabilities of its steps.
        candidates: Index of each digit's candidate.
    """

    text: str
    score: float
    candidates: tuple[int, ...]


def best_paths(lattice: Lattice, scores: NDArray[np.float32], count: int = KEPT) -> list[Path]:
    """Find the best strings of a lattice.

    Args:
        lattice: N candidates.
        scores: (N, 12) log-probabilities of the crop network.
        count: How many strings at most.

    Returns:
        Strings with their best paths, best first; one empty path for an empty lattice.
    """
    floored = np.maximum(scores, FLOOR)
    options = [_options(row) for row in floored]
    nodes: list[dict[str, tuple[float, tuple[int, ...]]]] = [{} for _ in range(lattice.pieces + 1)]
    nodes[0][""] = (0.0, ())
    by_start: list[list[int]] = [[] for _ in range(lattice.pieces + 1)]
    for index, item in enumerate(lattice.candidates):
        by_start[item.start].append(index)
    for start in range(lattice.pieces):
        here = sorted(nodes[start].items(), key=lambda entry: -entry[1][0])[:count]
        for index in by_start[start]:
            item = lattice.candidates[index]
            target = nodes[item.stop]
            for text, (score, used) in here:
                for digit, gain in options[index]:
                    _keep(target, text + digit, score + gain, (*used, index))
                if item.stop == start + 1:
                    _keep(target, text, score + float(floored[index, SKIP]), used)
    final = sorted(nodes[-1].items(), key=lambda entry: -entry[1][0])[:count]
    return [Path(text, score, used) for text, (score, used) in final]


def align(lattice: Lattice, scores: NDArray[np.float32], text: str) -> Path | None:
    """Find the best path that spells a given string (forced alignment).

    Args:
        lattice: N candidates.
        scores: (N, 12) log-probabilities of the crop network.
        text: Digits.

    Returns:
        The path, or None when the lattice has fewer candidates in a row than the string has digits.
    """
    size = len(text)
    digits = [int(character) for character in text]
    floored = np.maximum(scores, FLOOR).astype(np.float64)
    best = np.full((lattice.pieces + 1, size + 1), -np.inf)
    back = np.full((lattice.pieces + 1, size + 1), -1, np.int32)
    best[0, 0] = 0.0
    # Candidates are ordered by start: when one is reached its start node is final.
    for index, item in enumerate(lattice.candidates):
        row, target = best[item.start], best[item.stop]
        if size:
            gained = row[:-1] + floored[index, digits]
            better = gained > target[1:]
            target[1:][better] = gained[better]
            back[item.stop, 1:][better] = index
        if item.stop == item.start + 1:
            dropped = row + floored[index, SKIP]
            better = dropped > target
            target[better] = dropped[better]
            back[item.stop][better] = -2 - index
    score = float(best[-1, size])
    if score == -np.inf:
        return None
    used: list[int] = []
    node, position = lattice.pieces, size
    while node > 0:
        step = int(back[node, position])
        index = step if step >= 0 else -2 - step
        if step >= 0:
            used.append(index)
            position -= 1
        node = lattice.candidates[index].start
    return Path(text, score, tuple(reversed(used)))


def _options(row: NDArray[np.float32]) -> list[tuple[str, float]]:
    best = int(np.argmax(row[:10]))
    return [(str(digit), float(row[digit])) for digit in range(10) if digit == best or row[digit] > LIKELY]


def _keep(target: dict[str, tuple[float, tuple[int, ...]]], text: str, score: float, used: tuple[int, ...]) -> None:
    known = target.get(text)
    if known is None or score > known[0]:
        target[text] = (score, used)
