"""Connectionist temporal classification equals summing over every alignment."""

from __future__ import annotations

from itertools import groupby, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extractor.line_input import HEIGHT, STRIDE, line_input
from extractor.line_reader import (
    BLANK,
    UNLIKELY,
    LineReader,
    beam_search,
    best_path,
    log_softmax,
    string_log_probabilities,
    view_log_probabilities,
)
from extractor.network import default_model, load_network

from . import drawn


def string_log_probability(steps: np.ndarray, text: str) -> float:
    return float(string_log_probabilities(steps, [text])[0])


def every_string(steps: np.ndarray) -> dict[str, float]:
    """Log-probability of every string, summed over all alignments."""
    sums: dict[str, float] = {}
    for classes in product(range(11), repeat=len(steps)):
        score = float(sum(row[value] for row, value in zip(steps, classes, strict=True)))
        text = "".join(str(value) for value, _ in groupby(classes) if value != BLANK)
        sums[text] = float(np.logaddexp(sums.get(text, -np.inf), score))
    return sums


@st.composite
def random_steps(draw, most: int = 3):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return drawn.log_probabilities(rng, draw(st.integers(1, most)), 11, draw(st.sampled_from([0.2, 0.7, 1.2])))


@settings(max_examples=15)
@given(random_steps())
def test_wide_beam_finds_every_string_with_its_probability(steps):
    wanted = every_string(steps)
    found = dict(beam_search(steps, width=5000))
    assert steps.min() > -9.0  # nothing here is too unlikely to be followed
    assert found.keys() == wanted.keys()
    assert [found[text] for text in wanted] == pytest.approx(list(wanted.values()), abs=1e-4)


@settings(max_examples=15)
@given(random_steps())
def test_forward_algorithm_sums_over_all_alignments(steps):
    for text, score in list(every_string(steps).items())[:: max(1, 10 ** (len(steps) - 2))]:
        assert string_log_probability(steps, text) == pytest.approx(score, abs=1e-4)


@settings(max_examples=15)
@given(random_steps(), st.lists(st.text("0123456789", max_size=4), min_size=1, max_size=6))
def test_strings_scored_together_are_scored_as_if_alone(steps, texts):
    together = string_log_probabilities(steps, texts)
    assert together.tolist() == [string_log_probability(steps, text) for text in texts]


@settings(max_examples=15)
@given(st.lists(random_steps(most=9), min_size=1, max_size=4), st.lists(st.text("0123456789", max_size=4), min_size=1))
def test_views_scored_together_are_scored_as_if_alone(views, texts):
    views = [*views, views[0]]
    together = view_log_probabilities(views, texts)
    alone = np.array([string_log_probabilities(steps, texts) for steps in views])
    np.testing.assert_allclose(together, alone, rtol=1e-9, atol=1e-9)


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1), st.integers(1, 8))
def test_narrow_beam_keeps_what_a_step_by_step_search_keeps(seed, width):
    steps = drawn.log_probabilities(np.random.default_rng(seed), 12, 11, 3.0)
    beams: dict[str, tuple[float, float]] = {"": (1.0, 0.0)}
    for row in np.exp(steps.astype(np.float64)):
        grown: dict[str, list[float]] = {}
        for prefix, (ends_blank, ends_digit) in beams.items():
            own = grown.setdefault(prefix, [0.0, 0.0])
            own[0] += (ends_blank + ends_digit) * row[BLANK]
            own[1] += ends_digit * row[int(prefix[-1])] if prefix else 0.0
            for digit in np.flatnonzero(row[:BLANK] > np.exp(UNLIKELY)):
                longer = grown.setdefault(prefix + str(digit), [0.0, 0.0])
                longer[1] += row[digit] * (ends_blank if prefix.endswith(str(digit)) else ends_blank + ends_digit)
        beams = {key: tuple(grown[key]) for key in sorted(grown, key=lambda key: -max(grown[key]))[:width]}
    wanted = {text: sum(pair) for text, pair in beams.items() if sum(pair) > 0}
    found = dict(beam_search(steps, width))
    assert found.keys() == wanted.keys()
    assert [np.exp(found[text]) for text in wanted] == pytest.approx(list(wanted.values()), rel=1e-6)


@settings(max_examples=10)
@given(random_steps())
def test_all_strings_together_are_certain(steps):
    total = sum(np.exp(string_log_probability(steps, text)) for text in every_string(steps))
    assert total == pytest.approx(1.0, abs=1e-4)


@given(random_steps(most=12))
def test_narrow_beam_is_sorted_and_never_claims_too_much(steps):
    found = beam_search(steps, width=6)
    assert 1 <= len(found) <= 6
    assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)
    assert len({text for text, _ in found}) == len(found)
    for text, score in found:
        assert score <= string_log_probability(steps, text) + 1e-4


def spelled(text: str) -> np.ndarray:
    """Steps that say one string without doubt."""
    steps = np.full((2 * len(text) + 1, 11), -14.0, np.float32)
    steps[:, BLANK] = 0.0
    for index, character in enumerate(text):
        steps[2 * index + 1, BLANK] = -14.0
        steps[2 * index + 1, int(character)] = 0.0
    return log_softmax(steps)


@given(st.text("0123456789", max_size=9))
def test_clear_steps_say_their_string(text):
    steps = spelled(text)
    assert beam_search(steps)[0][0] == text
    assert string_log_probability(steps, text) > -0.01


def test_a_doubled_digit_needs_a_blank_between():
    assert string_log_probability(spelled("77")[1:4], "77") > -0.01
    joined = spelled("77")[[1, 3]]
    assert string_log_probability(joined, "77") == -np.inf
    assert beam_search(joined)[0][0] == "7"


def test_no_room_no_probability():
    steps = drawn.log_probabilities(np.random.default_rng(1), 2, 11, 1.0)
    assert string_log_probability(steps, "123") == -np.inf
    assert string_log_probability(steps, "") == pytest.approx(float(steps[:, BLANK].sum()), abs=1e-5)


def test_no_steps_hold_the_empty_string():
    nothing = np.zeros((0, 11), np.float32)
    assert beam_search(nothing) == [("", 0.0)]


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 300))
def test_log_softmax_is_normalised_and_finite(seed, spread):
    rows = log_softmax(np.random.default_rng(seed).normal(0, spread, (4, 11)).astype(np.float32))
    assert np.isfinite(rows).all()
    assert np.exp(rows).sum(axis=-1) == pytest.approx(np.ones(4), abs=1e-4)


@pytest.fixture(scope="module")
def shipped() -> LineReader:
    return LineReader(load_network(default_model()))


def views_of(*texts: str) -> list[np.ndarray]:
    return [line_input(drawn.line_of(drawn.written(text))) for text in texts]


def test_shipped_network_reads_a_neat_line(shipped):
    (steps,) = shipped.log_probabilities(views_of("38270"))
    assert beam_search(steps)[0][0] == "38270"


def test_shipped_network_gives_a_step_for_each_stride(shipped):
    views = views_of("4", "2951")
    for view, steps in zip(views, shipped.log_probabilities(views), strict=True):
        assert view.shape[0] == HEIGHT
        assert steps.shape == (view.shape[1] // STRIDE, 11)
        assert np.exp(steps).sum(axis=1) == pytest.approx(np.ones(len(steps)), abs=1e-3)


def test_lines_read_before_leave_no_trace(shipped):
    first, second = views_of("40", "6138520")
    alone = shipped.log_probabilities([first])[0]
    shipped.log_probabilities([second])
    shipped.log_probabilities([second, first, first])
    np.testing.assert_array_equal(shipped.log_probabilities([first])[0], alone)


def test_views_of_one_width_do_not_depend_on_their_company(shipped):
    (view,) = views_of("8053")
    alone = shipped.log_probabilities([view])[0]
    for steps in shipped.log_probabilities([view, view[::-1].copy(), view])[::2]:
        np.testing.assert_allclose(steps, alone, atol=1e-3)


def test_no_views_no_steps(shipped):
    assert shipped.log_probabilities([]) == []


def test_lines_read_together_are_read_as_each_by_itself(shipped):
    lines = [[view, np.roll(view, 1, axis=0)] for view in views_of("40", "6138520", "77", "402")]
    together = shipped.read_lines(lines)
    for views, said in zip(lines, together, strict=True):
        for steps, alone in zip(said, shipped.log_probabilities(views), strict=True):
            np.testing.assert_allclose(steps, alone, atol=1e-3)


@given(st.integers(1, 40), st.integers(0, 2**20))
def test_the_best_path_is_what_a_sure_view_reads(length, seed):
    rng = np.random.default_rng(seed)
    classes = rng.integers(0, BLANK + 1, length)
    steps = np.full((length, BLANK + 1), -12.0, np.float32)
    steps[np.arange(length), classes] = 0.0
    assert best_path(steps) == beam_search(log_softmax(steps), 8)[0][0]
