"""The numbers that a constraint allows, as an automaton in layers: layer d holds the states after d digits.

The layers make the searches of `extractor.constrained` short: everything about one position of a number lies in a few
arrays. A list of codes becomes the smallest such automaton (a trie with equal endings merged; Daciuk et al.,
"Incremental construction of minimal acyclic finite-state automata", 2000), whatever its length.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

States = tuple[int, ...]
Index = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Layer:
    """The states after the same number of digits, and the digits that lead on.

    Attributes:
        accepts: For each state, whether a number may end there.
        digits: Digit of each edge, edges in the order of the states they leave.
        targets: State of the next layer that each edge leads to.
        begins: For each state the index of its first edge, and the number of edges at the end.
        leaving: States with at least one edge.
    """

    accepts: NDArray[np.bool_]
    digits: Index
    targets: Index
    begins: Index
    leaving: Index

    @property
    def size(self) -> int:
        """Number of states."""
        return len(self.accepts)


@dataclass(frozen=True, slots=True)
class Acceptor:
    """Layers from the empty string to the longest number; layer 0 has one state."""

    layers: tuple[Layer, ...]

    @property
    def longest(self) -> int:
        """Digits of the longest number."""
        return len(self.layers) - 1

    def lengths(self) -> NDArray[np.bool_]:
        """Tell for each number of digits, from 0, whether some number has it."""
        return np.array([layer.accepts.any() for layer in self.layers])

    def after(self, states: States, depth: int) -> dict[int, States]:
        """Return the states after one more digit, for each digit that is allowed."""
        layer = self.layers[depth]
        found: dict[int, States] = {}
        for state in states:
            for edge in range(int(layer.begins[state]), int(layer.begins[state + 1])):
                digit = int(layer.digits[edge])
                found[digit] = (*found.get(digit, ()), int(layer.targets[edge]))
        return found

    def may_end(self, states: States, depth: int) -> bool:
        """Tell whether a number may end in any of some states."""
        accepts = self.layers[depth].accepts
        return any(accepts[state] for state in states)

    def allows(self, text: str) -> bool:
        """Tell whether a number is allowed."""
        states: States = (0,)
        if len(text) > self.longest:
            return False
        for depth, character in enumerate(text):
            states = self.after(states, depth).get(int(character), ())
            if not states:
                return False
        return self.may_end(states, len(text))


def of_codes(codes: Iterable[str]) -> Acceptor | None:
    """Build the acceptor of a list.

    Args:
        codes: Strings of digits of any lengths.

    Returns:
        The acceptor; None for an empty list.
    """
    ordered = sorted(set(codes))
    if not ordered:
        return None
    longest = max(map(len, ordered))
    padded = "".join(code.ljust(longest, "/") for code in ordered).encode()
    table = (np.frombuffer(padded, np.uint8).reshape(len(ordered), longest).astype(np.int16) - 48).astype(np.int16)
    lengths = np.array([len(code) for code in ordered])
    # Of each code and depth, which of the different prefixes of that length it begins with: equal ones are neighbours.
    changes = np.ones((len(ordered), longest + 1), np.bool_)
    changes[1:, 0] = False
    np.logical_or.accumulate(table[1:] != table[:-1], axis=1, out=changes[1:, 1:])
    layers: list[Layer] = []
    below = np.zeros(len(ordered), np.intp)  # Of each code, its merged state one layer down.
    for depth in range(longest, -1, -1):
        prefix = np.cumsum(changes[:, depth]) - 1
        children = np.full((int(prefix[-1]) + 1, 11), -1, np.int64)
        children[prefix[lengths == depth], 10] = 1
        longer = lengths > depth
        if depth < longest:
            children[prefix[longer], table[longer, depth]] = below[longer]
        # Prefixes of shorter codes are no states: their rows are filled with what no state has.
        unique, state = _unique_rows(children)
        begins = np.concatenate(([0], np.cumsum((unique[:, :10] >= 0).sum(axis=1))))
        rows, digits = np.nonzero(unique[:, :10] >= 0)
        layers.append(_layer(unique[:, 10] == 1, digits, unique[rows, digits], begins))
        below = state[prefix]
    return Acceptor(tuple(reversed(layers)))


def of_steps(
    starts: Sequence[Hashable],
    step: Callable[[Hashable, int, int], Hashable | None],
    accepts: Callable[[Hashable, int], bool],
    longest: int,
) -> Acceptor | None:
    """Build an acceptor from a function that says where each digit leads.

    Args:
        starts: States before the first digit.
        step: State, digits read so far, digit -> next state, or None where the digit is not allowed.
        accepts: State, digits read so far -> whether a number may end.
        longest: Digits of the longest number.

    Returns:
        The acceptor without dead ends; None when no number is allowed.
    """
    known: list[dict[Hashable, int]] = [{state: index for index, state in enumerate(starts)}]
    edges: list[list[tuple[int, int, int]]] = []
    for depth in range(longest):
        reached: dict[Hashable, int] = {}
        out = []
        for state, index in known[depth].items():
            for digit in range(10):
                target = step(state, depth, digit)
                if target is not None:
                    out.append((index, digit, reached.setdefault(target, len(reached))))
        known.append(reached)
        edges.append(out)
    ends = [np.array([accepts(state, depth) for state in states], np.bool_) for depth, states in enumerate(known)]
    return _joined(_trimmed(ends, edges), len(starts))


def union(parts: Sequence[Acceptor]) -> Acceptor | None:
    """Join acceptors: what any of them allows."""
    if len(parts) < 2:
        return parts[0] if parts else None
    longest = max(part.longest for part in parts)
    ends: list[NDArray[np.bool_]] = []
    edges: list[list[tuple[int, int, int]]] = []
    for depth in range(longest + 1):
        here = [part.layers[depth] for part in parts if depth <= part.longest]
        ends.append(np.concatenate([layer.accepts for layer in here]))
        out: list[tuple[int, int, int]] = []
        offset = target_offset = 0
        for part in parts:
            if depth > part.longest:
                continue
            layer = part.layers[depth]
            sources = np.repeat(np.arange(layer.size), np.diff(layer.begins))
            out += zip(
                (sources + offset).tolist(),
                layer.digits.tolist(),
                (layer.targets + target_offset).tolist(),
                strict=True,
            )
            offset += layer.size
            target_offset += part.layers[depth + 1].size if depth < part.longest else 0
        edges.append(out)
    return _joined((ends, edges[:-1]), len(parts))


_Graph = tuple[list[NDArray[np.bool_]], list[list[tuple[int, int, int]]]]
"""For each layer which states accept, and the edges to the next one: source, digit, target."""


def _trimmed(ends: list[NDArray[np.bool_]], edges: list[list[tuple[int, int, int]]]) -> _Graph:
    """Take out states that no number ends behind; the states of layer 0 all stay."""
    alive = [part.copy() for part in ends]
    for depth in range(len(edges) - 1, -1, -1):
        alive[depth][[source for source, _, target in edges[depth] if alive[depth + 1][target]]] = True
    alive[0][:] = True
    number = [np.cumsum(part) - 1 for part in alive]
    kept = [
        [
            (int(number[depth][source]), digit, int(number[depth + 1][target]))
            for source, digit, target in part
            if alive[depth + 1][target] and alive[depth][source]
        ]
        for depth, part in enumerate(edges)
    ]
    return [part[some] for part, some in zip(ends, alive, strict=True)], kept


def _joined(graph: _Graph, starts: int) -> Acceptor | None:
    """Make one state of all starts, and arrays of everything."""
    ends, edges = graph
    while len(ends) > 1 and not ends[-1].any():
        ends, edges = ends[:-1], edges[:-1]
    if not any(part.any() for part in ends):
        return None
    if starts > 1:
        ends = [np.array([ends[0].any()]), *ends[1:]]
        edges = [
            sorted({(0, digit, target) for _, digit, target in part}) if not depth else part
            for depth, part in enumerate(edges)
        ]
    layers = []
    for depth, accepts in enumerate(ends):
        table = np.array(sorted(edges[depth]) if depth < len(edges) else [], np.intp).reshape(-1, 3)
        begins = np.searchsorted(table[:, 0], np.arange(len(accepts) + 1))
        layers.append(_layer(accepts, table[:, 1], table[:, 2], begins))
    return Acceptor(tuple(layers))


def _layer(
    accepts: NDArray[np.bool_], digits: NDArray[np.integer], targets: NDArray[np.integer], begins: NDArray[np.integer]
) -> Layer:
    starts = begins.astype(np.intp)
    return Layer(
        accepts=accepts,
        digits=np.ascontiguousarray(digits, np.intp),
        targets=np.ascontiguousarray(targets, np.intp),
        begins=starts,
        leaving=np.flatnonzero(np.diff(starts) > 0),
    )


def _unique_rows(rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], Index]:
    """Return the different rows, and for each row which of them it is."""
    packed = np.ascontiguousarray(rows.astype(np.int32)).view(np.dtype((np.void, 44))).ravel()
    _, first, inverse = np.unique(packed, return_index=True, return_inverse=True)
    return rows[first], inverse.reshape(-1).astype(np.intp)
