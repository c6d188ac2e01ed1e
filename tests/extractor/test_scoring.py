from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractor.scoring import Answer, align, calibration_error, edit_distance, read_rate, right_above, score, wilson

digits = st.text("0123456789", max_size=6)


@given(digits, digits, digits)
def test_edit_distance_is_a_metric(a, b, c):
    assert (edit_distance(a, b) == 0) == (a == b)
    assert edit_distance(a, b) == edit_distance(b, a)
    assert edit_distance(a, c) <= edit_distance(a, b) + edit_distance(b, c)
    assert edit_distance(a, b) >= abs(len(a) - len(b))


@given(st.lists(digits, max_size=6), st.lists(digits, max_size=6))
def test_alignment_keeps_every_string_once_and_in_order(truth, read):
    pairs = align(truth, read)
    assert [i for i, _ in pairs if i is not None] == list(range(len(truth)))
    assert [j for _, j in pairs if j is not None] == list(range(len(read)))
    assert (None, None) not in pairs


def test_a_missed_line_does_not_shift_the_others():
    assert align(["12345", "678", "9012"], ["12345", "9812"]) == [(0, 0), (1, None), (2, 1)]


def test_wilson_agrees_with_published_values():
    share = wilson(81, 263)
    assert (share.low, share.high) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(0, 10).low == 0
    assert wilson(10, 10).high == 1


@given(st.integers(0, 500), st.integers(0, 500))
def test_an_interval_holds_its_share(count, rest):
    share = wilson(count, count + rest)
    assert 0 <= share.low <= share.value <= share.high <= 1


def test_the_read_rate_stops_where_errors_pass_the_limit():
    answers = [Answer("1", "1", 0.9)] * 99 + [Answer("1", "7", 0.8)] + [Answer("2", "2", 0.7)] * 50
    answers += [Answer("3", "8", 0.6)] * 10 + [Answer("4", None)] * 40
    assert read_rate(answers, 0.01).count == 150
    assert read_rate(answers, 0.001).count == 99
    assert read_rate(answers, 0.01).total == 200


def test_strings_of_equal_confidence_stand_or_fall_together():
    answers = [Answer("1", "1", 1.0)] * 9 + [Answer("1", "2", 1.0)]
    assert read_rate(answers, 0.05).count == 0
    assert read_rate(answers, 0.1).count == 10


def test_an_invented_string_is_an_error_but_not_a_string_to_be_read():
    result = score([Answer("12", "12", 0.9), Answer(None, "7", 0.95), Answer("34", None)])
    assert (result.exact.count, result.exact.total) == (1, 2)
    assert (result.missed, result.invented) == (1, 1)
    assert result.character_error_rate == pytest.approx(3 / 4)
    assert result.read_rates[0.01].count == 0


def test_a_blank_read_as_blank_is_right():
    assert score([Answer("", "", 0.9)]).exact.count == 1
    assert score([]).exact.value == 0


def test_confident_answers_are_counted_from_their_confidence_on():
    answers = [Answer("1", "1", 0.99)] * 8 + [Answer("1", "2", 0.99)] + [Answer("1", "1", 0.9)] + [Answer("1", None)]
    assert (right_above(answers, 0.99).count, right_above(answers, 0.99).total) == (8, 9)
    assert (right_above(answers, 0.9).count, right_above(answers, 0.9).total) == (9, 10)
    assert set(score(answers).trusted) == {0.9, 0.95, 0.99}


def test_the_calibration_error_is_the_gap_between_confidence_and_share():
    honest = [Answer("1", "1", 0.75)] * 3 + [Answer("1", "2", 0.75)]
    assert calibration_error(honest) == pytest.approx(0)
    boastful = [Answer("1", "1", 1.0)] * 3 + [Answer("1", "2", 1.0)]
    assert calibration_error(boastful) == pytest.approx(0.25)
    assert calibration_error(honest + boastful + [Answer("3", None)]) == pytest.approx(0.125)
    assert calibration_error([]) == 0


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), max_size=30))
def test_the_calibration_error_is_a_share(outcomes):
    answers = [Answer("1", "1" if right else "2", confidence) for right, confidence in outcomes]
    assert 0 <= calibration_error(answers) <= 1
