from __future__ import annotations

import pytest

from extractor.readings import FieldReading
from extractor.rules import RuleError, broken_rule, parse_rule

NAMES = {"net", "tax", "total", "share"}


def field(name: str, text: str) -> FieldReading:
    return FieldReading(name, text, "accepted" if text else "blank", 0.99, (0, 0, 1, 1))


def is_broken(expression: str, optional=(), **texts: str) -> bool:
    rule = parse_rule("total", expression, NAMES)
    return broken_rule(rule, {name: field(name, text) for name, text in texts.items()}, optional)


@pytest.mark.parametrize(
    ("expression", "total"),
    [("net + tax", "119"), ("net * 2 - -1", "201"), ("(net + tax) // 2", "59"), ("net % 7", "2"), ("net / 4", "25")],
)
def test_arithmetic(expression, total):
    assert not is_broken(expression, net="100", tax="19", total=total)
    assert is_broken(expression, net="100", tax="19", total=str(int(total) + 1))


def test_fractions_are_exact():
    assert not is_broken("net / 3 * 3", net="100", total="100")


def test_leading_zeros_do_not_matter():
    assert not is_broken("net + tax", net="0100", tax="019", total="119")


def test_dividing_by_zero_breaks_the_rule():
    assert is_broken("net / tax", net="5", tax="0", total="5")


def test_a_blank_optional_field_counts_as_nothing_and_a_blank_required_one_says_nothing():
    assert not is_broken("net + tax", optional={"tax"}, net="100", tax="", total="100")
    assert is_broken("net + tax", optional={"tax"}, net="100", tax="", total="119")
    assert not is_broken("net + tax", net="100", tax="", total="119")
    assert not is_broken("net + 1", optional={"net", "total"}, net="", total="")
    assert not is_broken("net + tax", net="100", total="119")


@pytest.mark.parametrize(
    "expression",
    [
        *("brutto", "net.real", "__import__('os')", "net if tax else 1", "net ** 9", "[net]", "net +", "'12'", "1.5"),
        *("True", "(" * 300 + "net" + ")" * 300, "-" * 100 + "net", "net" + " + net" * 500, "net == tax", "\0"),
        "lambda: 1",
    ],
)
def test_anything_but_arithmetic_over_fields_is_refused(expression):
    with pytest.raises(RuleError):
        parse_rule("total", expression, NAMES)


def test_the_field_of_a_rule_must_exist():
    with pytest.raises(RuleError, match="there is no field 'sum'"):
        parse_rule("sum", "net + tax", NAMES)
