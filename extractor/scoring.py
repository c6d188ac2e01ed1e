"""How good readings are: exact strings, character errors, and how much is read at a fixed rate of errors."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

ERROR_LIMITS = (0.01, 0.005, 0.001)
"""Rates of wrong strings among those accepted, for which the read rate is given."""

CONFIDENCES = (0.9, 0.95, 0.99)
"""Confidences for which it is counted how many of the strings read with at least that much are right."""

_BINS = 15
_Z95 = 1.959964


@dataclass(frozen=True, slots=True)
class Answer:
    """One string that was read, beside the truth.

    Attributes:
        truth: What is written; None when nothing is, though something was read.
        read: What was read; None when the string was missed.
        confidence: The reader's probability that it is right, 0 to 1; 0 when missed.
    """

    truth: str | None
    read: str | None
    confidence: float = 0.0

    @property
    def is_exact(self) -> bool:
        """Whether the whole string is right."""
        return self.truth == self.read


@dataclass(frozen=True, slots=True)
class Share:
    """A share with its 95 % interval.

    Attributes:
        count: How many.
        total: Of how many.
        low: Lower end of the interval.
        high: Upper end of the interval.
    """

    count: int
    total: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """The share itself; 0 of none."""
        return self.count / self.total if self.total else 0.0


@dataclass(frozen=True, slots=True)
class Score:
    """What a set of answers is worth.

    Attributes:
        exact: Strings that are right as a whole, of all that are written.
        character_errors: Digits to insert, delete or replace.
        characters: Digits that are written.
        missed: Strings that are written and were not read at all.
        invented: Strings that were read and are not written.
        read_rates: For each of `ERROR_LIMITS`, how many strings can be accepted by confidence alone.
        trusted: For each of `CONFIDENCES`, how many of the strings read with at least that much are right.
        calibration_error: Expected calibration error of the confidences, see `calibration_error`.
    """

    exact: Share
    character_errors: int
    characters: int
    missed: int
    invented: int
    read_rates: dict[float, Share]
    trusted: dict[float, Share]
    calibration_error: float

    @property
    def character_error_rate(self) -> float:
        """Character errors per digit written."""
        return self.character_errors / self.characters if self.characters else float(self.character_errors > 0)


def score(answers: Sequence[Answer]) -> Score:
    """Judge answers.

    Args:
        answers: One for each string that is written or was read.
    """
    written = [answer for answer in answers if answer.truth is not None]
    return Score(
        exact=wilson(sum(answer.is_exact for answer in written), len(written)),
        character_errors=sum(edit_distance(answer.truth or "", answer.read or "") for answer in answers),
        characters=sum(len(answer.truth or "") for answer in written),
        missed=sum(answer.read is None for answer in written),
        invented=len(answers) - len(written),
        read_rates={limit: read_rate(answers, limit) for limit in ERROR_LIMITS},
        trusted={confidence: right_above(answers, confidence) for confidence in CONFIDENCES},
        calibration_error=calibration_error(answers),
    )


def read_rate(answers: Sequence[Answer], error_limit: float) -> Share:
    """Return the largest share of strings that a threshold on confidence accepts within a rate of errors.

    Strings of equal confidence are accepted together or not at all. What was read where nothing is written is an
    error, but no string to be read. The threshold is chosen on the answers themselves, so the rate is what they allow
    at best.

    Args:
        answers: One for each string that is written or was read.
        error_limit: Wrong strings among those accepted, at most.
    """
    total = sum(answer.truth is not None for answer in answers)
    ranked = sorted((answer for answer in answers if answer.read is not None), key=lambda answer: -answer.confidence)
    accepted = wrong = written = best = 0
    for _, group in groupby(ranked, key=lambda answer: answer.confidence):
        for answer in group:
            accepted += 1
            wrong += not answer.is_exact
            written += answer.truth is not None
        if wrong <= error_limit * accepted:
            best = written
    return wilson(best, total)


def right_above(answers: Sequence[Answer], confidence: float) -> Share:
    """Return how many of the strings read with at least a confidence are right."""
    given = [answer for answer in answers if answer.read is not None and answer.confidence >= confidence]
    return wilson(sum(answer.is_exact for answer in given), len(given))


def calibration_error(answers: Sequence[Answer]) -> float:
    """Return how far confidence and share of right strings lie apart on average over what was read.

    The expected calibration error with 15 bins of equal width (Guo et al., "On Calibration of Modern Neural Networks",
    2017); 0 when nothing was read.
    """
    bins: dict[int, list[Answer]] = defaultdict(list)
    for answer in answers:
        if answer.read is not None:
            bins[min(int(answer.confidence * _BINS), _BINS - 1)].append(answer)
    gaps = (abs(sum(answer.confidence - answer.is_exact for answer in group)) for group in bins.values())
    return sum(gaps) / max(1, sum(map(len, bins.values())))


def wilson(count: int, total: int) -> Share:
    """Return a share with its 95 % score interval (Wilson, "Probable inference", JASA 22, 1927)."""
    if not total:
        return Share(count, total, 0.0, 1.0)
    rate, z2 = count / total, _Z95**2
    centre = (rate + z2 / (2 * total)) / (1 + z2 / total)
    half = _Z95 * math.sqrt(rate * (1 - rate) / total + z2 / (4 * total**2)) / (1 + z2 / total)
    # The ends are exact at nothing and at all; rounding must not push them past the rate itself.
    return Share(count, total, max(0.0, min(rate, centre - half)), min(1.0, max(rate, centre + half)))


def edit_distance(first: str, second: str) -> int:
    """Return how many insertions, deletions and replacements lead from one string to the other (Levenshtein)."""
    row = list(range(len(second) + 1))
    for i, a in enumerate(first, start=1):
        diagonal, row[0] = row[0], i
        for j, b in enumerate(second, start=1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (a != b))
    return row[-1]


def align(truth: Sequence[str], read: Sequence[str]) -> list[tuple[int | None, int | None]]:
    """Pair strings that are written with strings that were read, both in reading order, at the least edit distance.

    Args:
        truth: What is written.
        read: What was read.

    Returns:
        Pairs of indices in order; None on one side where a string was missed or invented.
    """
    rows, columns = len(truth), len(read)
    cost = [[0] * (columns + 1) for _ in range(rows + 1)]
    for i in range(rows + 1):
        for j in range(columns + 1):
            if i or j:
                cost[i][j] = min(total for total, _ in _steps(cost, truth, read, i, j))
    pairs: list[tuple[int | None, int | None]] = []
    i, j = rows, columns
    while i or j:
        down, right = next(step for total, step in _steps(cost, truth, read, i, j) if total == cost[i][j])
        pairs.append((i - 1 if down else None, j - 1 if right else None))
        i, j = i - down, j - right
    return pairs[::-1]


def _steps(
    cost: Sequence[Sequence[int]], truth: Sequence[str], read: Sequence[str], i: int, j: int
) -> list[tuple[int, tuple[int, int]]]:
    steps = []
    if i and j:
        steps.append((cost[i - 1][j - 1] + edit_distance(truth[i - 1], read[j - 1]), (1, 1)))
    if i:
        steps.append((cost[i - 1][j] + max(1, len(truth[i - 1])), (1, 0)))
    if j:
        steps.append((cost[i][j - 1] + max(1, len(read[j - 1])), (0, 1)))
    return steps
