"""Rules between fields: ``total = "net + tax"``, parsed as arithmetic and never run as code."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from fractions import Fraction

from extractor.readings import FieldReading

_LONGEST = 2000
_DEEPEST = 40
_OPERATORS: dict[type[ast.operator], tuple[str, Callable[[Fraction, Fraction], Fraction]]] = {
    ast.Add: ("+", operator.add),
    ast.Sub: ("-", operator.sub),
    ast.Mult: ("*", operator.mul),
    ast.Div: ("/", operator.truediv),
    ast.Mod: ("%", operator.mod),
    ast.FloorDiv: ("//", lambda a, b: Fraction(a // b)),
}


class RuleError(ValueError):
    """A rule that cannot be meant as it stands."""


@dataclass(frozen=True, slots=True)
class ParsedRule:
    """A rule whose names are fields of its template.

    Attributes:
        field: The field whose value the expression gives.
        expression: As the template has it.
        names: Every field that the rule is about.
    """

    field: str
    expression: str
    names: frozenset[str]

    def __str__(self) -> str:
        return f"{self.field} = {self.expression}"

    def holds(self, values: Mapping[str, int]) -> bool:
        """Tell whether the field has the value that the expression gives; dividing by 0 gives none."""
        tree = ast.parse(self.expression, mode="eval").body
        try:
            return _value(tree, values) == values[self.field]
        except ZeroDivisionError:
            return False


def parse_rule(field: str, expression: str, names: Container[str]) -> ParsedRule:
    """Check a rule.

    Args:
        field: The field before the equals sign.
        expression: Field names, whole numbers, ``+ - * / // %`` and brackets.
        names: Every name that there is.

    Raises:
        RuleError: It is no such expression, or names a field that does not exist.
    """
    if field not in names:
        raise RuleError(f"there is no field {field!r}")
    if len(expression) > _LONGEST:
        raise RuleError(f"the rule for {field} has more than {_LONGEST} characters")
    try:
        tree = ast.parse(expression, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise RuleError(f"{expression!r} is no expression such as net + tax") from None
    found: set[str] = {field}
    _check(tree, expression, names, found, 0)
    return ParsedRule(field, expression, frozenset(found))


def broken_rule(rule: ParsedRule, fields: Mapping[str, FieldReading], optional: Container[str]) -> bool:
    """Tell whether what was read breaks a rule.

    A blank field that is optional counts as 0; a rule about a blank field that is not optional, or that is not on the
    page, or about blank fields only, says nothing.

    Args:
        rule: The rule.
        fields: What was read, by name.
        optional: Names of the fields that may be blank.
    """
    values: dict[str, int] = {}
    for name in rule.names:
        reading = fields.get(name)
        if reading is None or (not reading.text and (reading.status != "blank" or name not in optional)):
            return False
        values[name] = int(reading.text or 0)
    return any(fields[name].text for name in rule.names) and not rule.holds(values)


def _check(tree: ast.expr, text: str, names: Container[str], found: set[str], depth: int) -> None:
    if depth > _DEEPEST:
        raise RuleError(f"{text!r} is nested too deeply")
    if isinstance(tree, ast.BinOp) and type(tree.op) in _OPERATORS:
        _check(tree.left, text, names, found, depth + 1)
        _check(tree.right, text, names, found, depth + 1)
    elif isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.USub | ast.UAdd):
        _check(tree.operand, text, names, found, depth + 1)
    elif isinstance(tree, ast.Name):
        if tree.id not in names:
            raise RuleError(f"there is no field {tree.id!r}")
        found.add(tree.id)
    elif not (isinstance(tree, ast.Constant) and type(tree.value) is int):
        raise RuleError(f"{text!r} may hold field names, whole numbers, + - * / // % and brackets only")


def _value(tree: ast.expr, values: Mapping[str, int]) -> Fraction:
    if isinstance(tree, ast.BinOp):
        return _OPERATORS[type(tree.op)][1](_value(tree.left, values), _value(tree.right, values))
    if isinstance(tree, ast.UnaryOp):
        inside = _value(tree.operand, values)
        return -inside if isinstance(tree.op, ast.USub) else inside
    if isinstance(tree, ast.Name):
        return Fraction(values[tree.id])
    assert isinstance(tree, ast.Constant)
    assert isinstance(tree.value, int)
    return Fraction(tree.value)
