from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractor.acceptors import of_codes
from extractor.constrained import allowed_in_lattice, allowed_in_steps
from extractor.constraints import Constraint
from extractor.decision import DecisionSettings, decide
from extractor.decoding import align, best_paths
from extractor.line_reader import string_log_probabilities
from extractor.valid_decision import decide_valid
from tests.extractor.drawn import lattice_of, log_probabilities, scored_lattices

SETTINGS = DecisionSettings()


@given(scored_lattices(), st.sets(st.text("0123456789", min_size=1, max_size=5), min_size=1, max_size=60))
def test_the_best_code_of_a_list_is_found_exactly(case, codes):
    lattice, scores = case
    paths = [path for code in codes if (path := align(lattice, scores, code)) is not None]
    found = allowed_in_lattice(lattice, scores, of_codes(codes), 3)
    if not paths:
        assert found == []
        return
    best = max(path.score for path in paths)
    assert found[0][1] == pytest.approx(best, abs=1e-4)
    assert found[0][0] in codes


@given(
    scored_lattices(), st.sampled_from([Constraint(2, 3), Constraint(1, 4, check="luhn"), Constraint(1, 3, "[1-5]+")])
)
def test_every_string_found_satisfies_the_constraint_and_has_the_score_of_its_best_path(case, constraint):
    lattice, scores = case
    found = allowed_in_lattice(lattice, scores, constraint.acceptor, 5)
    assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)
    for text, score in found:
        assert constraint.allows(text)
        assert align(lattice, scores, text).score == pytest.approx(score, abs=1e-4)
    free = [path for path in best_paths(lattice, scores, 12) if constraint.allows(path.text)]
    if free:
        assert found[0][1] >= free[0].score - 1e-4


@given(st.integers(0, 2**32 - 1), st.integers(3, 12))
def test_the_line_network_proposes_what_is_allowed_only(seed, length):
    steps = log_probabilities(np.random.default_rng(seed), length, 11, 2.0)
    codes = [f"{number:02d}" for number in range(0, 100, 3)]
    found = allowed_in_steps(steps, of_codes(codes), 8)
    assert set(found) <= set(codes)
    if found:
        best = codes[int(np.argmax(string_log_probabilities(steps, codes)))]
        assert (
            len(found) < 8 or string_log_probabilities(steps, found).max() <= string_log_probabilities(steps, [best])[0]
        )


def clear(text: str, doubt: dict[int, tuple[str, float]] | None = None):
    """A lattice that spells a text clearly, but for some positions with a second digit that is worse by so much."""
    lattice = lattice_of(len(text), set())
    scores = np.full((len(text), 12), -11.0, np.float32)
    for position, digit in enumerate(text):
        scores[position, int(digit)] = -0.01
        for other, behind in [doubt[position]] if doubt and position in doubt else []:
            scores[position, int(other)] = -0.01 - behind
    return lattice, scores


def said(text: str, doubt: dict[int, tuple[str, float]] | None = None) -> list[np.ndarray]:
    """What a line network would say of it."""
    steps = np.full((2 * len(text) + 1, 11), -11.0, np.float32)
    steps[0::2, 10] = -0.01
    for position, digit in enumerate(text):
        steps[2 * position + 1, int(digit)] = -0.01
        for other, behind in [doubt[position]] if doubt and position in doubt else []:
            steps[2 * position + 1, int(other)] = -0.01 - behind
    return [steps]


def test_a_constraint_decides_between_two_likely_digits():
    doubt = {2: ("8", 0.3)}
    lattice, scores = clear("123", doubt)
    views = said("123", doubt)
    assert decide(lattice, scores, views, SETTINGS).path.text == "123"
    found = decide_valid(lattice, scores, views, SETTINGS, Constraint(3, 3, codes=("128", "999")))
    assert found.decision.path.text == "128"
    assert found.is_valid
    assert found.decision.confidence > 0.95


def test_what_is_clearly_something_else_is_not_believed_and_both_are_said():
    lattice, scores = clear("123")
    found = decide_valid(lattice, scores, said("123"), SETTINGS, Constraint(3, 3, codes=("128", "999")))
    assert found.decision.path.text == "128"
    assert found.rival == "123"
    assert found.decision.confidence < 0.5
    assert found.decision.alternatives[0][0] == "123"
    assert found.decision.alternatives[0][1] > 0.5


def test_a_valid_reading_is_surer_with_the_constraint_than_without():
    doubt = {1: ("7", 2.5)}
    lattice, scores = clear("123", doubt)
    views = said("123", doubt)
    free = decide(lattice, scores, views, SETTINGS)
    held = decide_valid(lattice, scores, views, SETTINGS, Constraint(3, 3, codes=("123", "555"))).decision
    assert free.path.text == held.path.text == "123"
    assert held.confidence > free.confidence


def test_without_any_valid_reading_the_free_one_is_given_as_not_valid():
    lattice, scores = clear("12")
    found = decide_valid(lattice, scores, said("12"), SETTINGS, Constraint(5, 5))
    assert not found.is_valid
    assert found.decision.path.text == "12"


def test_a_blank_line_stays_blank_whatever_the_constraint():
    lattice = lattice_of(1, set())
    scores = np.full((1, 12), -11.0, np.float32)
    scores[0, 11] = -0.001
    steps = np.full((5, 11), -11.0, np.float32)
    steps[:, 10] = -0.001
    found = decide_valid(lattice, scores, [steps], SETTINGS, Constraint(1, 1, codes=("7",)))
    assert found.decision.path.text == ""
    assert found.is_valid


def test_a_check_that_the_automaton_does_not_know_is_asked_string_by_string():
    doubt = {9: ("5", 1.0)}
    lattice, scores = clear("1857982188", doubt)
    found = decide_valid(lattice, scores, said("1857982188", doubt), SETTINGS, Constraint(10, 10, check="isbn"))
    assert found.decision.path.text == "1857982185"
