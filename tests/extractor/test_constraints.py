from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractor.acceptors import of_codes
from extractor.check_digits import SCHEMES, is_known, is_valid
from extractor.constraints import Constraint, constraint_of
from extractor.forms import Field

NUMBERS = st.text("0123456789", max_size=7)


@given(st.lists(NUMBERS.filter(bool), min_size=1, max_size=40), st.lists(NUMBERS, max_size=20))
def test_a_list_of_codes_allows_its_codes_and_nothing_else(codes, others):
    acceptor = of_codes(codes)
    for text in [*codes, *others, *(code[:-1] for code in codes), *(code + "0" for code in codes)]:
        assert acceptor.allows(text) == (text in codes)


def test_equal_endings_of_a_long_list_are_kept_once():
    every_pair = of_codes(f"{first:03d}{last:03d}" for first in range(0, 1000, 7) for last in range(100))
    assert sum(layer.size for layer in every_pair.layers) < 200


@given(st.integers(0, 40_000), st.integers(0, 40_000), st.lists(NUMBERS.filter(bool), min_size=1, max_size=40))
def test_a_range_is_one_of_values_whatever_the_leading_zeros(one, other, texts):
    least, most = sorted((one, other))
    acceptor = Constraint(1, 7, limits=(least, most)).acceptor
    for text in [*texts, str(least), str(most), f"0{most}", str(most + 1), str(max(least - 1, 0))]:
        assert acceptor.allows(text) == (least <= int(text) <= most)


@pytest.mark.parametrize("scheme", sorted(SCHEMES))
def test_a_check_digit_inside_the_decoding_is_that_of_python_stdnum(scheme):
    lengths = (8, 12, 13) if scheme == "ean" else (1, 2, 3, 4)
    acceptor = Constraint(lengths[0], lengths[-1], check=scheme).acceptor
    found = 0
    for length in (*lengths, lengths[-1] + 1):
        step = max(1, 10**length // 3989)
        for number in range(0, 10**length, step):
            text = f"{number:0{length}d}"
            expected = length in range(lengths[0], lengths[-1] + 1) and is_valid(scheme, text)
            assert acceptor.allows(text) == expected
            found += expected
    assert found > 10


@given(st.lists(st.text("0123456789", min_size=2, max_size=6), min_size=1, max_size=60))
def test_several_constraints_must_all_hold(texts):
    constraint = Constraint(3, 5, pattern=r"[1-4]\d*", limits=(100, 30_000), check="damm")
    for text in texts:
        assert constraint.acceptor.allows(text) == constraint.allows(text)


def test_codes_that_break_another_constraint_are_not_valid():
    constraint = Constraint(2, 3, limits=(20, 500), codes=("10", "20", "300", "999"))
    assert [text for text in ("10", "20", "300", "999") if constraint.allows(text)] == ["20", "300"]
    assert [text for text in ("10", "20", "300", "999") if constraint.acceptor.allows(text)] == ["20", "300"]


def test_what_no_number_satisfies_has_no_acceptor():
    assert Constraint(2, 2, limits=(100, 200)).acceptor is None
    assert Constraint(2, 2, codes=("123",)).acceptor is None


def test_other_checks_of_python_stdnum_are_known_but_have_the_last_word_only():
    assert is_known("isbn")
    assert is_known("de.idnr")
    assert not is_known("exceptions")
    assert not is_known("no_such_check")
    assert not is_known("../os")
    constraint = Constraint(10, 10, check="isbn")
    assert not constraint.is_exact
    assert constraint.allows("1857982185")
    assert not constraint.allows("1857982186")


def test_a_field_has_one_constraint_however_often_it_is_asked_for():
    field = Field(name="code", box=(0, 0, 10, 10), digits=3, codes=("123",))
    assert constraint_of(field) is constraint_of(field)
    assert constraint_of(field).allows("123")
    assert not constraint_of(field.model_copy(update={"codes": ("321",)})).allows("123")
    assert constraint_of(Field(name="free", box=(0, 0, 10, 10))).is_free
