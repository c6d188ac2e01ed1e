from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from training import corruptions, evaluate
from training.datasets import Digits
from training.evaluate import Interval


def log_of(rows):
    return np.log(np.array(rows, np.float32) + 1e-9)


def one_hot(readings, confidence=0.91):
    probabilities = np.full((len(readings), 10), (1 - confidence) / 9)
    probabilities[np.arange(len(readings)), readings] = confidence
    return log_of(probabilities)


def test_accuracy_confusion_and_per_class_of_a_known_case():
    labels = np.array([1, 1, 1, 2, 7], np.uint8)
    result = evaluate.score(one_hot([1, 1, 2, 2, 7]), labels)
    assert result.accuracy == 0.8
    assert result.correct == 4
    assert result.confusion[1][2] == 1
    assert result.per_class[1].recall == pytest.approx(2 / 3)
    assert result.per_class[2].precision == 0.5
    assert result.per_class[0].count == 0
    assert result.loss == pytest.approx(-(4 * math.log(0.91) + math.log(0.01)) / 5, rel=1e-4)
    assert result.ece == pytest.approx(0.91 - 0.8, rel=1e-4)


def test_outputs_beyond_the_digits_are_counted_apart():
    said = log_of([[0.3, 0.1, *[0.0] * 8, 0.6, 0.0], [0.9, *[0.0] * 9, 0.0, 0.1]])
    result = evaluate.score(said, np.array([0, 0], np.uint8))
    assert result.accuracy == 1
    assert result.not_a_digit == 0.5
    assert evaluate.digit_probabilities(said)[0, 0] == pytest.approx(0.75)


def test_the_wilson_interval_of_known_cases():
    # Brown, Cai and DasGupta (2001) and common tables.
    ten_of_ten = evaluate.wilson_interval(10, 10)
    assert ten_of_ten.high == 1
    assert ten_of_ten.low == pytest.approx(0.7225, abs=1e-4)
    half = evaluate.wilson_interval(50, 100)
    assert (half.low, half.high) == pytest.approx((0.4038, 0.5962), abs=1e-4)


@given(st.integers(1, 100_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_wilson_interval_holds_the_share_and_stays_in_range(case):
    successes, count = case
    interval = evaluate.wilson_interval(successes, count)
    assert 0 <= interval.low <= successes / count + 1e-12
    assert successes / count - 1e-12 <= interval.high <= 1


readings = st.integers(1, 60).flatmap(
    lambda n: st.tuples(
        arrays.arrays(np.float64, n, elements=st.floats(0, 1).map(lambda value: round(value, 2))),
        arrays.arrays(np.bool_, n),
    )
)


@given(readings)
def test_calibration_bins_hold_every_reading_once(case):
    confidences, right = case
    bins = evaluate.calibration_bins(confidences, right)
    assert sum(item.count for item in bins) == len(right)
    assert sum(item.count * item.accuracy for item in bins) == pytest.approx(right.sum())
    assert [item.confidence for item in bins] == sorted(item.confidence for item in bins)


@given(readings)
def test_the_reject_curve_is_what_each_threshold_would_give(case):
    confidences, right = case
    for threshold, accepted, error in zip(*evaluate.reject_curve(confidences, right), strict=True):
        taken = confidences >= threshold
        assert accepted == pytest.approx(taken.mean())
        assert error == pytest.approx((~right[taken]).mean())


@given(readings, st.floats(0, 0.5))
def test_the_read_rate_keeps_its_promise(case, error):
    confidences, right = case
    rate = evaluate.read_rate(confidences, right, error)
    assume(rate.rate > 0)
    taken = confidences >= rate.threshold
    assert (~right[taken]).mean() <= error
    assert taken.mean() == pytest.approx(rate.rate)


def test_nothing_is_accepted_where_the_surest_reading_is_wrong():
    assert evaluate.read_rate(np.array([0.9]), np.array([False]), 0.01) == evaluate.ReadRate(0.01, 0.0, 1.0)


def test_the_worst_misreading_comes_first():
    probabilities = np.exp(one_hot([3, 4, 5, 6], 0.5))
    probabilities[1] = np.exp(one_hot([4], 0.99))[0]
    assert list(evaluate.worst_first(probabilities, np.array([0, 0, 5, 0], np.uint8))) == [1, 0, 3]


def test_an_evaluation_is_plain_json_with_an_accuracy():
    report = evaluate.score(one_hot([1, 2]), np.array([1, 3], np.uint8)).to_dict()
    assert json.loads(json.dumps(report))["accuracy"] == 0.5
    assert report["interval"] == {"low": Interval(**report["interval"]).low, "high": report["interval"]["high"]}


def test_the_text_names_the_accuracy_its_interval_and_every_digit():
    text = evaluate.to_text("drawn", evaluate.score(one_hot(range(10)), np.arange(10, dtype=np.uint8)))
    assert "drawn: 100.00% of 10 digits read right (95 % interval 72.25% to 100.00%)" in text
    assert "confusion" in text


@pytest.mark.parametrize("name", corruptions.CORRUPTIONS)
def test_a_corruption_changes_every_image_alike_at_each_call_and_spares_its_input(name, drawn):
    before = drawn.test.x.copy()
    once = corruptions.corrupt(name, drawn.test.x, seed=5)
    assert once.dtype == np.uint8
    assert once.shape == before.shape
    assert np.array_equal(drawn.test.x, before)
    assert np.array_equal(once, corruptions.corrupt(name, drawn.test.x, seed=5))
    assert np.all(np.any(once != before, axis=(1, 2)))


@pytest.mark.train
def test_corrupted_digits_are_harder_to_read_but_not_gone(trained_run, drawn):
    from training import models

    classifier = models.load(trained_run)
    clean = evaluate.evaluate(classifier, drawn.test).accuracy
    accuracies = [
        evaluate.evaluate(classifier, Digits(corruptions.corrupt(name, drawn.test.x), drawn.test.y)).accuracy
        for name in corruptions.CORRUPTIONS
    ]
    assert clean - 0.5 < np.mean(accuracies) < clean
