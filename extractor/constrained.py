"""The best strings that a constraint allows: of a lattice and of the line network's steps.

Over the lattice all beginnings of allowed strings grow digit by digit, side by side. Each has its best score at every
node of the lattice, and a bound: the best way to the end with a number of digits that is allowed, whatever digits they
are. A beginning whose bound falls below a threshold is dropped (branch and bound). What comes out above the threshold
is exact; when nothing does, the threshold is lowered.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from extractor.acceptors import Acceptor, States
from extractor.classifier import SKIP
from extractor.decoding import FLOOR
from extractor.line_reader import BLANK
from extractor.segmentation import Lattice

THRESHOLDS = (4.0, 12.0, math.inf)
"""How far below the best way of any digits allowed strings are looked for, one after the other."""
MOST_BEGINNINGS = 500
"""Of more beginnings, those of the best bounds are kept; then the strings found may not be the best."""
SURELY = -0.001
"""Where the line network is as sure as this of a blank, no digit begins or goes on."""

NEVER = -math.inf

Values = NDArray[np.float64]
Index = NDArray[np.intp]


def allowed_in_lattice(
    lattice: Lattice, scores: NDArray[np.float32], acceptor: Acceptor, count: int
) -> list[tuple[str, float]]:
    """Find the best strings of a lattice that a constraint allows.

    Args:
        lattice: N candidates.
        scores: (N, 12) log-probabilities of the crop network.
        acceptor: What is allowed.
        count: How many strings at most.

    Returns:
        Strings with the log-probability of their best paths, best first; none when no way through the lattice spells
        one. Strings far below the best may be missing.
    """
    if not lattice.candidates:
        return []
    steps = _steps(lattice, np.maximum(scores, FLOOR).astype(np.float64))
    bounds = _bounds(steps, acceptor.lengths())
    best = float(bounds[0, 0])
    if best == -np.inf:
        return []
    for slack in THRESHOLDS:
        found = _grown(steps, bounds, acceptor, best - slack)
        if found:
            return sorted(found.items(), key=lambda item: -item[1])[:count]
    return []


@dataclass(frozen=True, slots=True)
class _Steps:
    """A lattice as arrays, its steps in the order of the nodes where they end.

    Attributes:
        starts: Node where each step begins.
        stops: The nodes where steps end, each once.
        groups: Index of the first step that ends at each of them.
        digits: (10, N) score of each step as each digit.
        drops: (pieces,) score of each piece as no digit.
    """

    starts: Index
    stops: Index
    groups: Index
    digits: Values
    drops: Values


def _steps(lattice: Lattice, scores: Values) -> _Steps:
    starts = np.array([item.start for item in lattice.candidates])
    ends = np.array([item.stop for item in lattice.candidates])
    order = np.argsort(ends, kind="stable")
    stops, groups = np.unique(ends[order], return_index=True)
    single = ends == starts + 1
    drops = np.empty(lattice.pieces)
    drops[starts[single]] = scores[single, SKIP]
    return _Steps(starts[order], stops, groups, np.ascontiguousarray(scores[order, :10].T), drops)


def _bounds(steps: _Steps, lengths: NDArray[np.bool_]) -> Values:
    """Score the best way from each node to the end after each number of digits, with an allowed number in all."""
    nodes = len(steps.drops) + 1
    bounds = np.full((nodes, len(lengths)), -np.inf)
    bounds[-1, lengths] = 0.0
    free = steps.digits.max(axis=0)
    starts, groups = steps.starts.tolist(), [*steps.groups.tolist(), len(steps.starts)]
    # A node is final when all steps that begin at it are done: those end behind it.
    for position in range(len(steps.stops) - 1, -1, -1):
        node = int(steps.stops[position])
        row = bounds[node]
        for index in range(groups[position], groups[position + 1]):
            target = bounds[starts[index], :-1]
            np.maximum(target, row[1:] + free[index], out=target)
        np.maximum(bounds[node - 1], row + steps.drops[node - 1], out=bounds[node - 1])
    return bounds


def _grown(steps: _Steps, bounds: Values, acceptor: Acceptor, threshold: float) -> dict[str, float]:
    """Grow all beginnings whose bound is no less than the threshold; return whole strings with their scores."""
    dropped = np.concatenate(([0.0], np.cumsum(steps.drops)))
    found: dict[str, float] = {}
    texts = np.array([""])
    states = np.zeros(1, np.intp)
    # The score at every node; ink that is no digit may follow the last digit.
    reach = dropped[None, :].copy()
    for depth, layer in enumerate(acceptor.layers):
        for index in np.flatnonzero(layer.accepts[states] & (reach[:, -1] >= threshold)).tolist():
            text = str(texts[index])
            found[text] = max(found.get(text, -np.inf), float(reach[index, -1]))
        first, number = layer.begins[states], layer.begins[states + 1] - layer.begins[states]
        total = int(number.sum())
        if total == 0:
            break
        rows = np.repeat(np.arange(len(states)), number)
        edges = np.arange(total) + np.repeat(first - np.cumsum(number) + number, number)
        digits = layer.digits[edges]
        gained = reach[:, steps.starts][rows] + steps.digits[digits]
        grown = np.full((total, bounds.shape[0]), -np.inf)
        grown[:, steps.stops] = np.maximum.reduceat(gained, steps.groups, axis=1)
        bound = (grown + bounds[:, depth + 1]).max(axis=1)
        kept = np.flatnonzero(bound >= max(threshold, -1e300))
        if len(kept) > MOST_BEGINNINGS:
            kept = kept[np.argpartition(-bound[kept], MOST_BEGINNINGS)[:MOST_BEGINNINGS]]
        if not len(kept):
            break
        reach = np.maximum.accumulate(grown[kept] - dropped, axis=1) + dropped
        texts = np.char.add(texts[rows[kept]], digits[kept].astype(str))
        states = layer.targets[edges[kept]]
    return found


def allowed_in_steps(steps: NDArray[np.float32], acceptor: Acceptor, width: int) -> list[str]:
    """Find strings that the line network finds probable and a constraint allows, by prefix beam search.

    Args:
        steps: (T, 11) log-probabilities.
        acceptor: What is allowed.
        width: Prefixes kept.

    Returns:
        Strings, best first; none when no prefix kept is whole.
    """
    beams: dict[str, tuple[float, float]] = {"": (0.0, NEVER)}
    states: dict[str, States] = {"": (0,)}
    following: dict[str, dict[int, States]] = {}
    for row in steps.tolist():
        blank = row[BLANK]
        totals = {prefix: _add(*ends) for prefix, ends in beams.items()}
        if blank > SURELY:
            beams = {prefix: (total + blank, NEVER) for prefix, total in totals.items()}
            continue
        grown = {
            prefix: (totals[prefix] + blank, ends_digit + row[int(prefix[-1])] if prefix else NEVER)
            for prefix, (_, ends_digit) in beams.items()
        }
        # A longer prefix that is behind all of these would be dropped again.
        floor = min(map(max, grown.values())) if len(grown) == width else NEVER
        enough = floor - max(totals.values())
        if max(row[:BLANK]) < enough:
            beams = grown
            continue
        for prefix, (ends_blank, _) in beams.items():
            if prefix not in following:
                following[prefix] = acceptor.after(states[prefix], len(prefix))
            for digit, after in following[prefix].items():
                if row[digit] < enough:
                    continue
                longer = f"{prefix}{digit}"
                states[longer] = after
                known = grown.get(longer, (NEVER, NEVER))
                begun = ends_blank if prefix[-1:] == str(digit) else totals[prefix]
                grown[longer] = (known[0], _add(known[1], row[digit] + begun))
        beams = dict(sorted(grown.items(), key=lambda item: -max(item[1]))[:width])
    whole = [(text, _add(*ends)) for text, ends in beams.items() if acceptor.may_end(states[text], len(text))]
    return [text for text, score in sorted(whole, key=lambda item: -item[1]) if text and score > NEVER]


def _add(a: float, b: float) -> float:
    """log(exp(a) + exp(b))."""
    if a < b:
        a, b = b, a
    return a if b == NEVER else a + math.log1p(math.exp(b - a))
