"""The best codes of a list for a lattice: every code gets a bound by table, the most promising ones are aligned.

For each place in a number and each digit a table says by how much a way through the lattice that has this digit there
falls behind the best way of any digits, at least. The losses of a code's digits add up to a bound, so 40,000 codes cost
a few sums over columns; those whose bounds are near enough are then aligned with the lattice. What is found within
`NEAR` of the best way is exact. That the losses of single steps may be added up is what potentials are for (Johnson,
"Efficient algorithms for shortest paths in sparse networks", 1977): here half the way to the end less half the way from
the beginning.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby, pairwise

import numpy as np
from numpy.typing import NDArray

from extractor.classifier import SKIP
from extractor.decoding import FLOOR
from extractor.segmentation import Lattice

NEAR = 12.0
"""Codes this far below the best way of any digits are found for certain; ways farther below it are not looked at."""
THRESHOLDS = (4.0, NEAR, math.inf)
"""Codes are returned from no farther below the best way of any digits than the first of these that one keeps to."""
_TOGETHER = 64
"""Codes aligned at a time, and when no code is near."""
_FAR = NEAR + 2.0
"""A digit loses no more than this: when no code is near, that with the fewest wrong digits is wanted."""
_REACH = 6.0
"""When no code is near, those are aligned whose bounds are no farther below the highest one."""
_CHUNK = 4
"""Digits whose losses are summed beforehand, for all of their combinations."""

Values = NDArray[np.float64]
Index = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class CodeList:
    """A list of codes, prepared once for all fields.

    Attributes:
        groups: Codes of the same length each.
    """

    groups: tuple[_Group, ...]

    @classmethod
    def of(cls, codes: Iterable[str]) -> CodeList:
        """Prepare codes, strings of digits of any lengths."""
        ordered = sorted({code for code in codes if code}, key=lambda code: (len(code), code))
        return cls(tuple(_Group.of(length, tuple(part)) for length, part in groupby(ordered, key=len)))


@dataclass(frozen=True, slots=True)
class _Group:
    """Codes of one length.

    Attributes:
        codes: The codes.
        digits: Their digits, (N, length).
        bounds: Where chunks of digits begin, and the length.
        chunks: For each chunk the number that its digits make in each code, (N,).
    """

    codes: tuple[str, ...]
    digits: NDArray[np.uint8]
    bounds: tuple[int, ...]
    chunks: tuple[Index, ...]

    @classmethod
    def of(cls, length: int, codes: tuple[str, ...]) -> _Group:
        digits = np.frombuffer("".join(codes).encode(), np.uint8).reshape(len(codes), length) - 48
        count = math.ceil(length / _CHUNK)
        bounds = tuple(length * number // count for number in range(count + 1))
        chunks = []
        for first, last in pairwise(bounds):
            chunk = np.zeros(len(codes), np.intp)
            for place in range(first, last):
                chunk = chunk * 10 + digits[:, place]
            chunks.append(chunk)
        return cls(codes, digits, bounds, tuple(chunks))

    @property
    def length(self) -> int:
        """Digits of each code."""
        return self.bounds[-1]

    def losses(self, table: Values) -> NDArray[np.float32]:
        """Sum up for each code what its digits lose, by a table (length, 10)."""
        total: NDArray[np.float32] | None = None
        for first, last, chunk in zip(self.bounds, self.bounds[1:], self.chunks, strict=False):
            sums = table[first]
            for row in table[first + 1 : last]:
                sums = (sums[:, None] + row).ravel()
            part = sums.astype(np.float32).take(chunk)
            total = part if total is None else np.add(total, part, out=total)
        assert total is not None
        return total


@dataclass(frozen=True, slots=True)
class _Steps:
    """A lattice as arrays; all scores are relative to that of dropping the same ink as no digit.

    Every node but the first is the end of some step, and every node but the last the beginning of one: a single piece
    always is a candidate.

    Attributes:
        starts: Node where each step begins; steps are in the order of where they end.
        stops: Node where each step ends.
        ends: For each node but the first, the first step that ends there.
        by_start: Steps in the order of where they begin.
        begins: For each node but the last, the place in `by_start` of the first step that begins there.
        digits: (N, 10) score of each step as each digit.
        free: (N,) score of its best digit.
        dropped: Score of dropping all ink.
    """

    starts: Index
    stops: Index
    ends: Index
    by_start: Index
    begins: Index
    digits: Values
    free: Values
    dropped: float

    @classmethod
    def of(cls, lattice: Lattice, scores: NDArray[np.float32]) -> _Steps:
        known = np.maximum(scores, FLOOR).astype(np.float64)
        spans = np.array([(item.start, item.stop) for item in lattice.candidates])
        single = spans[:, 1] == spans[:, 0] + 1
        drops = np.zeros(lattice.pieces + 1)
        drops[spans[single, 1]] = known[single, SKIP]
        dropped = drops.cumsum()
        order = spans[:, 1].argsort(kind="stable")
        starts, stops = spans[order].T.copy()
        digits = known[order, :10] - (dropped[stops] - dropped[starts])[:, None]
        by_start = starts.argsort(kind="stable")
        ends = stops.searchsorted(np.arange(1, lattice.pieces + 1))
        begins = starts[by_start].searchsorted(np.arange(lattice.pieces))
        return cls(starts, stops, ends, by_start, begins, digits, digits.max(axis=1), float(dropped[-1]))

    def grown(self, reach: Values, gains: Values) -> Values:
        """Take one more digit, and let ink that is none follow.

        Args:
            reach: Best score at each node, (nodes, ...).
            gains: Score of each step, (N, ...).
        """
        out = np.empty_like(reach)
        out[0] = -np.inf
        np.maximum.reduceat(reach[self.starts] + gains, self.ends, axis=0, out=out[1:])
        np.maximum.accumulate(out, axis=0, out=out)
        return out

    def forward(self, most: int) -> Values:
        """Score the best way of any digits to each node, by the number of digits, (most + 1, nodes)."""
        rows = [np.zeros(len(self.ends) + 1)]
        for _ in range(most):
            rows.append(self.grown(rows[-1], self.free))
        return np.array(rows)

    def backward(self, length: int) -> Values:
        """Score the best way of any digits from each node to the end, by the digits before it, (length + 1, nodes)."""
        out = np.full((length + 1, len(self.begins) + 1), -np.inf)
        out[length] = 0.0
        stops, free = self.stops[self.by_start], self.free[self.by_start]
        for depth in range(length - 1, -1, -1):
            row = out[depth, :-1]
            np.maximum.reduceat(out[depth + 1, stops] + free, self.begins, out=row)
            np.maximum.accumulate(row[::-1], out=row[::-1])
        return out

    def aligned(self, digits: NDArray[np.uint8]) -> Values:
        """Score the best way of each code, whose digits are (K, length)."""
        reach = np.zeros((len(self.ends) + 1, len(digits)))
        for column in digits.T:
            reach = self.grown(reach, self.digits[:, column])
        scores: Values = reach[-1]
        return scores


def best_codes(lattice: Lattice, scores: NDArray[np.float32], codes: CodeList, count: int) -> list[tuple[str, float]]:
    """Find the codes that a lattice spells best.

    Args:
        lattice: N candidates.
        scores: (N, 12) log-probabilities of the crop network.
        codes: The list.
        count: How many codes at most.

    Returns:
        Codes with the log-probability of their best paths, best first; none when no way through the lattice spells one.
        Codes much farther below the best way of any digits than the first one are left out, see `THRESHOLDS`. When even
        the best code is farther below it than `NEAR`, a better one may have been missed.
    """
    if not lattice.candidates or not codes.groups:
        return []
    steps = _Steps.of(lattice, scores)
    forward = steps.forward(codes.groups[-1].length)
    best = {group.length: float(forward[group.length, -1]) for group in codes.groups}
    groups = [group for group in codes.groups if best[group.length] > -math.inf]
    if not groups:
        return []
    groups.sort(key=lambda group: -best[group.length])
    found = _Found(best[groups[0].length], count)
    bounds = []
    for group in groups:
        if best[group.length] < found.least:
            break
        bounds.append(best[group.length] - group.losses(_losses(steps, forward, group.length)))
        _look_near(steps, group, bounds[-1], found)
    if not found.is_any:
        for group, bound in zip(groups, bounds, strict=True):
            _look_far(steps, group, bound, found)
    return [(code, score + steps.dropped) for code, score in found.codes()]


class _Found:
    """The best codes so far."""

    def __init__(self, best: float, count: int) -> None:
        self._best = best
        self._count = count
        self._scored: list[tuple[float, str]] = []

    @property
    def is_any(self) -> bool:
        """Whether there is one."""
        return bool(self._scored)

    @property
    def least(self) -> float:
        """A code of a lower score would be left out."""
        if not self._scored:
            return -math.inf
        slack = next(slack for slack in THRESHOLDS if self._scored[0][0] >= self._best - slack)
        last = self._scored[self._count - 1][0] if len(self._scored) >= self._count else -math.inf
        return max(self._best - slack, last)

    @property
    def near(self) -> float:
        """Codes of a lower score are not near."""
        return max(self.least, self._best - NEAR)

    def add(self, scored: Iterable[tuple[float, str]]) -> None:
        """Take in codes with their scores."""
        self._scored = sorted([*self._scored, *scored], key=lambda item: -item[0])[: self._count]

    def codes(self) -> list[tuple[str, float]]:
        """Return the codes with their scores."""
        least = self.least
        return [(code, score) for score, code in self._scored if score >= least]


def _look_near(steps: _Steps, group: _Group, bounds: NDArray[np.float32], found: _Found) -> None:
    """Align all codes of one length that may be near."""
    slack = 1e-3  # What single precision may lose.
    left = np.flatnonzero(bounds >= found.near - slack)
    left = left[np.argsort(-bounds[left], kind="stable")]
    while len(left) and bounds[left[0]] >= found.near - slack:
        now, left = left[:_TOGETHER], left[_TOGETHER:]
        scores = steps.aligned(group.digits[now]).tolist()
        found.add(
            (score, group.codes[at]) for score, at in zip(scores, now.tolist(), strict=True) if score >= found.near
        )


def _look_far(steps: _Steps, group: _Group, bounds: NDArray[np.float32], found: _Found) -> None:
    """Align the codes of one length that promise most."""
    if len(bounds) <= _TOGETHER:
        most = np.arange(len(bounds))
    else:
        most = np.flatnonzero(bounds >= bounds.max() - _REACH)
        if len(most) > _TOGETHER:
            most = most[np.argpartition(-bounds[most], _TOGETHER)[:_TOGETHER]]
    scores = steps.aligned(group.digits[most]).tolist()
    found.add((score, group.codes[at]) for score, at in zip(scores, most.tolist(), strict=True))


def _losses(steps: _Steps, forward: Values, length: int) -> Values:
    """Say how far a way with some digit at some place falls behind the best one at least, (length, 10)."""
    backward = steps.backward(length)
    to_start, to_stop = forward[:length, steps.starts], forward[1 : length + 1, steps.stops]
    from_start, from_stop = backward[:length, steps.starts], backward[1:, steps.stops]
    with np.errstate(invalid="ignore"):
        detour = 0.5 * (from_start - from_stop + to_stop - to_start) - steps.free
    detour[to_start + steps.free + from_stop < forward[length, -1] - NEAR] = np.inf
    gaps = steps.free - steps.digits.T
    losses: Values = np.minimum((detour[:, None, :] + gaps).min(axis=2), _FAR)
    return losses
