"""What a number must be, as an acceptor: its length, a pattern, a range, a check digit, a list of valid codes."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import cached_property, lru_cache

from extractor.acceptors import Acceptor, of_codes, of_steps, union
from extractor.check_digits import checksum, counts_from_the_end, is_finite, is_valid
from extractor.code_search import CodeList
from extractor.forms import MOST_DIGITS, Field
from extractor.patterns import parse


@dataclass(frozen=True, eq=False)
class Constraint:
    """What a number must satisfy; made once for a field, as it keeps what it prepares.

    Attributes:
        least: Least number of digits.
        most: Greatest number of digits.
        pattern: Regular expression that the whole number matches, or None.
        limits: Least and greatest value, or None. Leading zeros do not matter.
        check: Name of a check digit, or None.
        codes: Every valid number, or None.
    """

    least: int = 1
    most: int = MOST_DIGITS
    pattern: str | None = None
    limits: tuple[int, int] | None = None
    check: str | None = None
    codes: tuple[str, ...] | None = None

    @classmethod
    def of_field(cls, field: Field) -> Constraint:
        """Collect what a field of a template asks for."""
        codes = (field.codes,) if isinstance(field.codes, str) else field.codes
        return cls(*field.lengths, field.pattern, field.range, field.check, codes)

    @property
    def is_free(self) -> bool:
        """Tell whether any number is valid."""
        parts = (self.pattern, self.limits, self.check, self.codes)
        return (self.least, self.most) == (1, MOST_DIGITS) and not any(part is not None for part in parts)

    @property
    def is_exact(self) -> bool:
        """Tell whether the acceptor allows the valid numbers and no other."""
        return self.check is None or is_finite(self.check) or self.codes is not None

    @cached_property
    def acceptor(self) -> Acceptor | None:
        """The automaton of the valid numbers; None when no number is valid.

        A check digit outside of `extractor.check_digits.SCHEMES` is not in it: `is_exact` then is False, and `allows`
        has the last word.
        """
        if self.codes is not None:
            return of_codes(self._valid_codes)
        if self.check is None or not counts_from_the_end(self.check):
            return of_steps(*_machine(self, None), self.most)
        # What such a check digit says depends on how many digits follow: each length has an automaton of its own.
        lengths = range(self.least, self.most + 1)
        parts = [of_steps(*_machine(self, length), length) for length in lengths]
        return union([part for part in parts if part is not None])

    @cached_property
    def code_list(self) -> CodeList | None:
        """The valid codes, prepared for a search; None without a list of codes."""
        return None if self.codes is None else CodeList.of(self._valid_codes)

    def allows(self, text: str) -> bool:
        """Tell whether a number is valid."""
        if not self.least <= len(text) <= self.most:
            return False
        if self.pattern is not None and not parse_once(self.pattern).matches(text):
            return False
        if self.limits is not None and not self.limits[0] <= int(text) <= self.limits[1]:
            return False
        if self.check is not None and not is_valid(self.check, text):
            return False
        return self.codes is None or text in self._code_set

    @cached_property
    def _valid_codes(self) -> tuple[str, ...]:
        return tuple(code for code in self.codes or () if self.allows(code))

    @cached_property
    def _code_set(self) -> frozenset[str]:
        return frozenset(self.codes or ())


def constraint_of(field: Field) -> Constraint:
    """Return the constraint of a field, made once: its automaton serves thousands of pages."""
    # By identity: a list of codes would have to be hashed for every number read.
    known = _of_fields.get(id(field))
    if known is None or known[0] is not field:
        if len(_of_fields) >= _MOST_KEPT:
            _of_fields.clear()
        known = _of_fields[id(field)] = (field, Constraint.of_field(field))
    return known[1]


_MOST_KEPT = 20_000
_of_fields: dict[int, tuple[Field, Constraint]] = {}
parse_once = lru_cache(maxsize=256)(parse)


_Step = Callable[[Hashable, int, int], Hashable | None]
_Accepts = Callable[[Hashable, int], bool]


def _machine(constraint: Constraint, length: int | None) -> tuple[list[Hashable], _Step, _Accepts]:
    """Run all parts of a constraint side by side.

    Args:
        constraint: Without a list of codes.
        length: The only length that is followed; None for all.
    """
    parts = [_length_part(constraint.least, constraint.most) if length is None else _length_part(length, length)]
    if constraint.pattern is not None:
        parts.append(_pattern_part(constraint.pattern))
    if constraint.limits is not None:
        parts.append(_range_part(*constraint.limits))
    if constraint.check is not None and is_finite(constraint.check):
        parts.append(_check_part(constraint.check, length))

    def step(states: Hashable, depth: int, digit: int) -> Hashable | None:
        assert isinstance(states, tuple)
        out = []
        for state, part in zip(states, parts, strict=True):
            target = part.step(state, depth, digit)
            if target is None:
                return None
            out.append(target)
        return tuple(out)

    def accepts(states: Hashable, depth: int) -> bool:
        assert isinstance(states, tuple)
        return all(part.accepts(state, depth) for state, part in zip(states, parts, strict=True))

    return [tuple(part.start for part in parts)], step, accepts


@dataclass(frozen=True, slots=True)
class _Part:
    start: Hashable
    step: _Step
    accepts: _Accepts


def _length_part(least: int, most: int) -> _Part:
    return _Part(
        0, lambda _state, depth, _digit: 0 if depth < most else None, lambda _state, depth: least <= depth <= most
    )


def _pattern_part(pattern: str) -> _Part:
    automaton = parse_once(pattern)

    def step(state: Hashable, _depth: int, digit: int) -> Hashable | None:
        assert isinstance(state, int)
        target = automaton.steps[state][digit]
        return None if target < 0 else target

    def accepts(state: Hashable, _depth: int) -> bool:
        assert isinstance(state, int)
        ends: bool = automaton.accepts[state]
        return ends

    return _Part(0, step, accepts)


def _range_part(least: int, most: int) -> _Part:
    """Follow how the digits so far compare with the beginnings of both limits; leading zeros are passed over.

    A state is the number of digits that count, and how they compare (-1, 0, 1) with as many first digits of each limit.
    """
    low, high = str(least), str(most)

    def compared(known: int, limit: str, count: int, digit: int) -> int:
        if known or count >= len(limit):
            return known
        other = int(limit[count])
        return (digit > other) - (digit < other)

    def step(state: Hashable, _depth: int, digit: int) -> Hashable | None:
        assert isinstance(state, tuple)
        count, to_low, to_high = state
        if count == 0 and digit == 0:
            return state
        if count == len(high):
            return None
        return count + 1, compared(to_low, low, count, digit), compared(to_high, high, count, digit)

    def accepts(state: Hashable, _depth: int) -> bool:
        assert isinstance(state, tuple)
        count, to_low, to_high = state
        if count == 0:
            return least == 0
        above = count > len(low) or (count == len(low) and to_low >= 0)
        below = count < len(high) or (count == len(high) and to_high <= 0)
        return bool(above and below)

    return _Part((0, 0, 0), step, accepts)


def _check_part(name: str, length: int | None) -> _Part:
    """Follow a check digit: numbers with the same checksum so far are alike, so one of them stands for all.

    Args:
        name: A finite scheme.
        length: The only length that is followed; None for a scheme that counts from the front. Where digits count from
            the end, zeros stand for those that follow: no digit makes two different checksums one.
    """
    after = checksum(name)
    examples: dict[tuple[int, Hashable], str] = {(0, None): ""}

    def step(state: Hashable, depth: int, digit: int) -> Hashable | None:
        text = examples[depth, state] + str(digit)
        target = after(text if length is None else text + "0" * (length - depth - 1))
        examples.setdefault((depth + 1, target), text)
        return target

    def accepts(state: Hashable, depth: int) -> bool:
        return depth > 0 and length in (None, depth) and is_valid(name, examples[depth, state])

    return _Part(None, step, accepts)
