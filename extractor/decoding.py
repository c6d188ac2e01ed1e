"""The best strings of a lattice: exact k-best paths, and the best path of a given string.

A path runs from the first piece to the last; each step takes a candidate as a digit, or drops one piece as ink of no
digit. The best-path search is Viterbi's over the lattice with k hypotheses a node, equal strings merged.
"""

from __future__ import annotations

from collections.abc import Sequence
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

_Used = tuple[int, "_Used"] | None
"""Candidates of a path, the last one first: an index and those before it."""


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
    floored = np.maximum(scores, FLOOR).tolist()
    options = _options(scores)
    nodes: list[dict[str, tuple[float, _Used]]] = [{} for _ in range(lattice.pieces + 1)]
    nodes[0][""] = (0.0, None)
    by_start: list[list[int]] = [[] for _ in range(lattice.pieces + 1)]
    for index, item in enumerate(lattice.candidates):
        by_start[item.start].append(index)
    for start in range(lattice.pieces):
        here = sorted(nodes[start].items(), key=lambda entry: -entry[1][0])[:count]
        for index in by_start[start]:
            item = lattice.candidates[index]
            target = nodes[item.stop]
            skip = floored[index][SKIP] if item.stop == start + 1 else None
            for text, (score, used) in here:
                step = (index, used)
                for digit, gain in options[index]:
                    longer, total = text + digit, score + gain
                    if longer not in target or total > target[longer][0]:
                        target[longer] = (total, step)
                if skip is not None and (text not in target or score + skip > target[text][0]):
                    target[text] = (score + skip, used)
    final = sorted(nodes[-1].items(), key=lambda entry: -entry[1][0])[:count]
    return [Path(text, score, _candidates_of(used)) for text, (score, used) in final]


def align(lattice: Lattice, scores: NDArray[np.float32], text: str) -> Path | None:
    """Find the best path that spells a given string (forced alignment).

    Args:
        lattice: N candidates.
        scores: (N, 12) log-probabilities of the crop network.
        text: Digits.

    Returns:
        The path, or None when the lattice has fewer candidates in a row than the string has digits.
    """
    return align_all(lattice, scores, [text])[0]


def align_all(lattice: Lattice, scores: NDArray[np.float32], texts: Sequence[str]) -> list[Path | None]:
    """Find the best path of each of several strings, see `align`.

    Args:
        lattice: N candidates.
        scores: (N, 12) log-probabilities of the crop network.
        texts: The strings.

    Returns:
        For each string its path or None.
    """
    longest = max(map(len, texts), default=0)
    if not texts:
        return []
    digits = np.zeros((len(texts), longest), np.intp)
    for row, text in zip(digits, texts, strict=True):
        row[: len(text)] = [int(character) for character in text]
    floored = np.maximum(scores, FLOOR).astype(np.float64)
    # For each node, string and number of digits placed: the best score, and the step that led there.
    best = np.full((lattice.pieces + 1, len(texts), longest + 1), -np.inf)
    back = np.empty(best.shape, np.int32)
    best[0, :, 0] = 0.0
    into: list[list[int]] = [[] for _ in range(lattice.pieces + 1)]
    for index, item in enumerate(lattice.candidates):
        into[item.stop].append(index)
    for stop, some in enumerate(into[1:], start=1):
        # Candidates are ordered by start: the last one is the piece by itself, which may also be dropped.
        ways = np.full((len(some) + 1, *best.shape[1:]), -np.inf)
        before = [lattice.candidates[index].start for index in some]
        np.add(best[before, :, :-1], floored[some][:, digits], out=ways[:-1, :, 1:])
        np.add(best[stop - 1], floored[some[-1], SKIP], out=ways[-1])
        ways.max(axis=0, out=best[stop])
        back[stop] = np.array([*some, -2 - some[-1]])[ways.argmax(axis=0)]
    return [_trace(lattice, text, best[:, index], back[:, index]) for index, text in enumerate(texts)]


def empty_score(lattice: Lattice, scores: NDArray[np.float32]) -> float:
    """Score the path that drops every piece.

    Args:
        lattice: N candidates.
        scores: (N, 12) log-probabilities of the crop network.
    """
    singles = [index for index, item in enumerate(lattice.candidates) if item.stop == item.start + 1]
    return sum(np.maximum(scores[singles, SKIP], FLOOR).tolist(), 0.0)


def _trace(lattice: Lattice, text: str, best: NDArray[np.float64], back: NDArray[np.int32]) -> Path | None:
    """Follow the steps of one string back from the last node."""
    node, position = lattice.pieces, len(text)
    score = float(best[node, position])
    if score == -np.inf:
        return None
    used: list[int] = []
    while node > 0:
        step = int(back[node, position])
        index = step if step >= 0 else -2 - step
        if step >= 0:
            used.append(index)
            position -= 1
        node = lattice.candidates[index].start
    return Path(text, score, tuple(reversed(used)))


def _options(scores: NDArray[np.float32]) -> list[list[tuple[str, float]]]:
    """For each candidate the digits that are followed, with their log-probabilities."""
    digits = np.maximum(scores[:, :10], FLOOR)
    followed = digits > LIKELY
    followed[np.arange(len(digits)), digits.argmax(axis=1)] = True
    options: list[list[tuple[str, float]]] = [[] for _ in digits]
    for (index, digit), gain in zip(np.argwhere(followed).tolist(), digits[followed].tolist(), strict=True):
        options[index].append((str(digit), gain))
    return options


def _candidates_of(used: _Used) -> tuple[int, ...]:
    """Candidates of a path, first to last."""
    found: list[int] = []
    while used is not None:
        index, used = used
        found.append(index)
    return tuple(reversed(found))
