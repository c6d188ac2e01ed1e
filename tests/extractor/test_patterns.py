from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractor.patterns import PatternError, parse

ATOMS = st.sampled_from(["0", "7", ".", r"\d", "[2-5]", "[^13]", "[09]", r"[\d]"])
REPEATS = st.sampled_from(["", "?", "*", "+", "{2}", "{0,2}", "{1,}", "{1,3}"])
EXPRESSIONS = st.recursive(
    st.builds("".join, st.tuples(ATOMS, REPEATS)),
    lambda inner: (
        st.builds("".join, st.lists(inner, min_size=1, max_size=3))
        | st.builds("({})".format, st.builds("|".join, st.lists(inner, min_size=1, max_size=3)))
        | st.builds("(?:{})?".format, inner)
    ),
    max_leaves=6,
)


@given(EXPRESSIONS, st.lists(st.text("01234579", max_size=7), min_size=5, max_size=30))
def test_a_pattern_matches_what_a_regular_expression_matches(pattern, texts):
    automaton = parse(pattern)
    expression = re.compile(pattern)
    for text in texts:
        assert automaton.matches(text) == bool(expression.fullmatch(text)), (pattern, text)


@pytest.mark.parametrize("pattern", ["^12$", "12"])
def test_the_ends_of_the_number_may_be_named(pattern):
    assert parse(pattern).matches("12")
    assert not parse(pattern).matches("123")


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("12a", "'a' is no digit and no sign known here at character 3"),
        (r"\w+", r"only \d may follow a backslash at character 1"),
        ("(12", "a ( without its ) at character 4"),
        ("12)", "a ) without its ( at character 3"),
        ("[12", "a class that is not closed at character 4"),
        ("[7-2]", "a range that runs backwards at character 5"),
        ("[^0-9]", "a class without any digit at character 7"),
        ("1{3,2}", "a repetition that runs backwards or beyond 100 at character 2"),
        ("1{x}", "a repetition that is not like {2}, {2,} or {2,5} at character 2"),
        ("1{101}", "beyond 100"),
        ("((((\\d{99}){99}){99}){99})", "too large"),
        ("(" * 60 + "1" + ")" * 60, "groups too deep"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_place(pattern, reason):
    with pytest.raises(PatternError, match=re.escape(reason)):
        parse(pattern)
