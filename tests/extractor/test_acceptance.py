from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractor.acceptance import accept_from, parse_rate, table_from_card
from extractor.errors import ModelError, UsageError

TABLE = ((0.001, 0.999), (0.01, 0.97), (0.05, 0.9))


def test_an_error_of_the_table_gives_its_confidence():
    assert [accept_from(TABLE, error) for error, _ in TABLE] == [confidence for _, confidence in TABLE]


@given(st.lists(st.floats(0.001, 0.05), min_size=2, max_size=6).map(sorted))
def test_a_larger_error_never_asks_for_more_confidence(errors):
    thresholds = [accept_from(TABLE, error) for error in errors]
    assert thresholds == sorted(thresholds, reverse=True)
    assert all(0.9 <= threshold <= 0.999 for threshold in thresholds)


@pytest.mark.parametrize("error", [0.0009, 0.051])
def test_an_error_out_of_reach_is_refused_with_what_is_in_reach(error):
    with pytest.raises(UsageError, match=r"out of this network's reach \(give one from 0\.1 % to 5 %\)"):
        accept_from(TABLE, error)


def test_a_network_without_a_table_says_so():
    assert table_from_card({}) == ()
    with pytest.raises(UsageError, match="calibrate the network again"):
        accept_from((), 0.005)


@pytest.mark.parametrize(
    "rows", [[[0.01, 0.9], [0.001, 0.99]], [[0.001, 0.9], [0.01, 0.99]], [[0, 0.9]], [[0.1]], ["x"], 3, [[0.01, 2]]]
)
def test_what_is_no_table_is_refused(rows):
    with pytest.raises(ModelError, match="no proper table"):
        table_from_card({"accept_at": rows})


@pytest.mark.parametrize(("text", "rate"), [("0.1%", 0.001), ("0.1 %", 0.001), ("0.001", 0.001), (" 2% ", 0.02)])
def test_rates_are_read_as_people_write_them(text, rate):
    assert parse_rate(text) == pytest.approx(rate)


@pytest.mark.parametrize("text", ["", "%", "x", "0", "1", "100%", "-1%", "1%%", "1% of all", "nan", "inf"])
def test_what_is_no_rate_is_refused(text):
    with pytest.raises(ValueError, match=r".*"):
        parse_rate(text)
