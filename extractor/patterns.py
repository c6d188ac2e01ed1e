r"""Regular expressions over digits as finite automata.

What a constraint needs of them is small: digits, ``.`` and ``\d``, classes such as ``[0-4]``, groups, ``|``, ``?``,
``*``, ``+``, ``{m}``, ``{m,n}``. The expression matches the whole number. Thompson's construction ("Regular expression
search algorithm", 1968) gives an automaton that the subset construction makes deterministic.
"""

from __future__ import annotations

from dataclasses import dataclass, field

MOST_STATES = 4000
MOST_REPEATS = 100
ALL = frozenset(range(10))


class PatternError(ValueError):
    """A pattern that cannot be used; the text says where and why."""


@dataclass(frozen=True, slots=True)
class Automaton:
    """A deterministic automaton over the ten digits.

    Attributes:
        steps: For each state, the next state for each digit; -1 where there is none.
        accepts: For each state, whether a number may end there.
    """

    steps: tuple[tuple[int, ...], ...]
    accepts: tuple[bool, ...]

    def matches(self, text: str) -> bool:
        """Tell whether a string of digits is accepted."""
        state = 0
        for character in text:
            state = self.steps[state][int(character)]
            if state < 0:
                return False
        return self.accepts[state]


def parse(pattern: str) -> Automaton:
    """Compile a pattern.

    Args:
        pattern: The regular expression.

    Returns:
        What matches the same whole numbers; state 0 is the start.

    Raises:
        PatternError: It holds what digits have no use for, or becomes too large.
    """
    parser = _Parser(pattern)
    start, end = parser.parse()
    return _determinise(parser.nodes, start, end)


@dataclass(slots=True)
class _Nodes:
    """A non-deterministic automaton: for each node its steps without input, and the digits that lead to one node."""

    silent: list[list[int]] = field(default_factory=list)
    digits: list[tuple[frozenset[int], int] | None] = field(default_factory=list)

    def add(self) -> int:
        if len(self.silent) > 20 * MOST_STATES:
            raise PatternError("the pattern is too large")
        self.silent.append([])
        self.digits.append(None)
        return len(self.silent) - 1


_Tree = tuple[str, object]


class _Parser:
    def __init__(self, text: str) -> None:
        # The whole number is matched anyway.
        self.text = text.removeprefix("^")
        self.offset = len(text) - len(self.text)
        if self.text.endswith("$") and not self.text.endswith("\\$"):
            self.text = self.text[:-1]
        self.at = 0
        self.nodes = _Nodes()
        self.depth = 0

    def parse(self) -> tuple[int, int]:
        tree = self._alternatives()
        if self.at < len(self.text):
            raise self._wrong("a ) without its (")
        start, end = self.nodes.add(), self.nodes.add()
        self._build(tree, start, end)
        return start, end

    def _wrong(self, reason: str) -> PatternError:
        return PatternError(f"pattern: {reason} at character {self.at + self.offset + 1}")

    def _next(self) -> str:
        return self.text[self.at : self.at + 1]

    def _alternatives(self) -> _Tree:
        self.depth += 1
        if self.depth > 50:
            raise self._wrong("groups too deep")
        branches = [self._sequence()]
        while self._next() == "|":
            self.at += 1
            branches.append(self._sequence())
        self.depth -= 1
        return "or", branches

    def _sequence(self) -> _Tree:
        parts: list[_Tree] = []
        while self._next() not in ("", "|", ")"):
            parts.append(self._repeated(self._atom()))
        return "and", parts

    def _atom(self) -> _Tree:
        character = self._next()
        self.at += 1
        if character.isascii() and character.isdigit():
            return "digit", frozenset((int(character),))
        if character == ".":
            return "digit", ALL
        if character == "\\":
            self.at += 1
            if self.text[self.at - 1 : self.at] == "d":
                return "digit", ALL
            self.at -= 2
            raise self._wrong("only \\d may follow a backslash")
        if character == "[":
            return "digit", self._class()
        if character == "(":
            if self.text[self.at : self.at + 2] == "?:":
                self.at += 2
            inside = self._alternatives()
            if self._next() != ")":
                raise self._wrong("a ( without its )")
            self.at += 1
            return inside
        self.at -= 1
        raise self._wrong(f"{character!r} is no digit and no sign known here")

    def _class(self) -> frozenset[int]:
        negated = self._next() == "^"
        self.at += negated
        found: set[int] = set()
        while self._next() != "]":
            if self.text[self.at : self.at + 2] == "\\d":
                found |= ALL
                self.at += 2
                continue
            first = self._class_digit()
            last = first
            if self._next() == "-":
                self.at += 1
                last = self._class_digit()
            if last < first:
                raise self._wrong("a range that runs backwards")
            found |= set(range(first, last + 1))
        self.at += 1
        result = ALL - found if negated else frozenset(found)
        if not result:
            raise self._wrong("a class without any digit")
        return result

    def _class_digit(self) -> int:
        character = self._next()
        if not (character.isascii() and character.isdigit()):
            raise self._wrong("a class that is not closed" if not character else f"{character!r} in a class of digits")
        self.at += 1
        return int(character)

    def _repeated(self, atom: _Tree) -> _Tree:
        while True:
            character = self._next()
            if character in ("?", "*", "+"):
                self.at += 1
                least, most = {"?": (0, 1), "*": (0, None), "+": (1, None)}[character]
            elif character == "{":
                least, most = self._counts()
            else:
                return atom
            atom = "repeat", (atom, least, most)

    def _counts(self) -> tuple[int, int | None]:
        inside, closed, _ = self.text[self.at + 1 :].partition("}")
        first, comma, second = inside.partition(",")
        known = all(not part or (part.isascii() and part.isdigit()) for part in (first, second))
        if not closed or not known or not (first or second):
            raise self._wrong("a repetition that is not like {2}, {2,} or {2,5}")
        least = int(first or 0)
        most = (int(second) if second else None) if comma else least
        if max(least, most or 0) > MOST_REPEATS or (most is not None and most < least):
            raise self._wrong(f"a repetition that runs backwards or beyond {MOST_REPEATS}")
        self.at += len(inside) + 2
        return least, most

    def _build(self, tree: _Tree, start: int, end: int) -> None:
        """Add nodes that lead from `start` to `end` by what the tree matches."""
        kind, value = tree
        silent = self.nodes.silent
        if kind == "digit":
            assert isinstance(value, frozenset)
            middle = self.nodes.add()
            silent[start].append(middle)
            self.nodes.digits[middle] = (value, end)
        elif kind == "or":
            assert isinstance(value, list)
            for branch in value:
                self._build(branch, start, end)
        elif kind == "and":
            assert isinstance(value, list)
            here = start
            for part in value:
                there = self.nodes.add()
                self._build(part, here, there)
                here = there
            silent[here].append(end)
        else:
            assert isinstance(value, tuple)
            atom, least, most = value
            self._build_repeat(atom, least, most, start, end)

    def _build_repeat(self, atom: _Tree, least: int, most: int | None, start: int, end: int) -> None:
        silent = self.nodes.silent
        here = self.nodes.add()
        silent[start].append(here)
        for _ in range(least):
            there = self.nodes.add()
            self._build(atom, here, there)
            here = there
        if most is None:
            back = self.nodes.add()
            silent[here].append(back)
            there = self.nodes.add()
            self._build(atom, back, there)
            silent[there].append(back)
            silent[back].append(end)
            return
        for _ in range(most - least):
            silent[here].append(end)
            there = self.nodes.add()
            self._build(atom, here, there)
            here = there
        silent[here].append(end)


def _determinise(nodes: _Nodes, start: int, end: int) -> Automaton:
    def closure(found: set[int]) -> frozenset[int]:
        left = list(found)
        while left:
            for other in nodes.silent[left.pop()]:
                if other not in found:
                    found.add(other)
                    left.append(other)
        return frozenset(found)

    first = closure({start})
    states = {first: 0}
    order = [first]
    steps: list[tuple[int, ...]] = []
    for current in order:
        row = []
        for digit in range(10):
            reached = set()
            for node in current:
                edge = nodes.digits[node]
                if edge is not None and digit in edge[0]:
                    reached.add(edge[1])
            if not reached:
                row.append(-1)
                continue
            target = closure(reached)
            if target not in states:
                if len(states) >= MOST_STATES:
                    raise PatternError("the pattern is too large")
                states[target] = len(order)
                order.append(target)
            row.append(states[target])
        steps.append(tuple(row))
    return Automaton(tuple(steps), tuple(end in state for state in order))
