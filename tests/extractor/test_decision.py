"""Two readers' scores become one string, and honest numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractor.decision import (
    FEATURES,
    LEAST,
    LEFT_OUT,
    RANKING,
    DecisionSettings,
    decide,
    digit_scores,
    logistic,
    propose,
    rank,
    ranking_features,
    skipped_ink,
)
from extractor.decoding import best_paths
from extractor.errors import ModelError

from . import drawn


@st.composite
def evidence(draw):
    lattice, scores = draw(drawn.scored_lattices())
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    views = [
        drawn.log_probabilities(rng, draw(st.integers(1, 8)), 11, draw(st.sampled_from([0.5, 2.0, 5.0])))
        for _ in range(draw(st.integers(0, 2)))
    ]
    return lattice, scores, views


@st.composite
def any_settings(draw):
    small = st.floats(-2, 2)
    return DecisionSettings(
        ranking=(draw(st.floats(0.1, 2)), *draw(st.tuples(*[small] * (len(RANKING) - 1)))),
        intercept=draw(small),
        weights=tuple(draw(st.tuples(*[small] * len(FEATURES)))),
    )


@given(evidence(), any_settings())
def test_numbers_of_a_decision_are_probabilities(case, chosen):
    decision = decide(*case, chosen)
    assert 0 < decision.confidence < 1
    assert len(decision.digit_confidences) == len(decision.path.text) == len(decision.path.candidates)
    assert all(0 < value <= 1 for value in decision.digit_confidences)
    if decision.path.text:
        assert math.prod(decision.digit_confidences) == pytest.approx(decision.confidence, rel=1e-6)
        assert min(decision.digit_confidences) >= decision.confidence - 1e-9
    shares = [share for _, share in decision.alternatives]
    assert shares == sorted(shares, reverse=True)
    assert all(0 <= share <= 1 for share in shares)
    assert decision.confidence + sum(shares) <= 1 + 1e-9
    assert decision.path.text not in dict(decision.alternatives)
    assert len(decision.features) == len(FEATURES)
    assert np.isfinite(decision.features).all()


@given(evidence(), any_settings())
def test_the_chosen_string_has_the_best_joint_score(case, chosen):
    lattice, scores, views = case
    proposals = propose(lattice, scores, views)
    total, order = rank(proposals, chosen)
    decision = decide(lattice, scores, views, chosen)
    assert decision.path == proposals.paths[order[0]]
    assert total[order[0]] == total.max()
    assert len({path.text for path in proposals.paths}) == len(proposals.paths)


@given(drawn.scored_lattices())
def test_without_views_the_lattice_decides(case):
    lattice, scores = case
    decision = decide(lattice, scores, [], DecisionSettings())
    assert decision.path == best_paths(lattice, scores)[0]


@given(evidence())
def test_proposals_are_bounded_below(case):
    proposals = propose(*case)
    assert (proposals.line >= LEAST).all()
    assert (proposals.skipped >= 0).all()
    assert (proposals.skipped <= 1).all()
    assert np.isfinite(proposals.lattice).all()


def sure_lattice(text: str):
    lattice = drawn.lattice_of(len(text), set())
    scores = np.full((len(text), 12), -9.0, np.float32)
    for index, character in enumerate(text):
        scores[index, int(character)] = -0.001
    return lattice, scores


def sure_steps(text: str) -> np.ndarray:
    steps = np.full((2 * len(text) + 1, 11), -11.0, np.float32)
    steps[::2, 10] = -0.001
    for index, character in enumerate(text):
        steps[2 * index + 1, int(character)] = -0.001
    return steps


def test_agreement_raises_confidence_and_contradiction_lowers_it():
    lattice, scores = sure_lattice("407")
    agree = decide(lattice, scores, [sure_steps("407")] * 2, DecisionSettings())
    differ = decide(lattice, scores, [sure_steps("401")] * 2, DecisionSettings())
    assert agree.path.text == "407"
    assert dict(zip(FEATURES, agree.features, strict=True))["readers_agree"] == 1.0
    assert dict(zip(FEATURES, differ.features, strict=True))["readers_agree"] == 0.0
    assert agree.confidence > 0.95
    assert differ.confidence < agree.confidence
    assert {"401", "407"} <= {differ.path.text, *dict(differ.alternatives)} or differ.confidence < 0.9


def test_the_least_sure_digit_bears_the_doubt():
    lattice, scores = sure_lattice("555")
    scores[1, 5] = -1.2
    scores[1, 6] = -0.4
    decision = decide(lattice, scores, [sure_steps("555")] * 2, DecisionSettings())
    assert decision.path.text == "555"
    assert decision.digit_confidences[1] == min(decision.digit_confidences)
    assert decision.digit_confidences[0] > decision.digit_confidences[1]


def test_ink_left_out_is_measured():
    lattice, scores = sure_lattice("12")
    path = best_paths(lattice, scores)[0]
    assert skipped_ink(path, lattice) == 0.0
    assert digit_scores(path, scores) == pytest.approx([-0.001, -0.001])
    scores[1] = -9.0
    scores[1, 11] = -0.001
    assert skipped_ink(best_paths(lattice, scores)[0], lattice) == pytest.approx(0.5)


def test_an_empty_lattice_decides_for_the_empty_string():
    decision = decide(drawn.lattice_of(0, set()), np.zeros((0, 12), np.float32), [], DecisionSettings())
    assert decision.path.text == ""
    assert decision.digit_confidences == ()
    assert decision.alternatives == ()


@given(st.floats(allow_nan=False))
def test_nothing_is_certain(value):
    assert 0 < logistic(value) < 1


@given(st.floats(-20, 20), st.floats(-20, 20))
def test_more_evidence_never_means_less_confidence(a, b):
    low, high = sorted((a, b))
    assert logistic(low) <= logistic(high)


def test_settings_come_from_the_card_and_keep_their_defaults():
    settings = DecisionSettings.from_card({"temperature": 1.3, "accept": 0.97, "weights": [1, 2, 3, 4, 5, 6]})
    assert settings.accept == 0.97
    assert settings.weights == (1, 2, 3, 4, 5, 6)
    assert settings.ranking == DecisionSettings().ranking
    assert DecisionSettings.from_card({}) == DecisionSettings()


@pytest.mark.parametrize("reading", [{"ranking": [1, 2]}, {"weights": [1.0] * 7}, {"ranking": ["much"] * 6}])
def test_a_card_with_weights_of_something_else_is_refused(reading):
    with pytest.raises(ModelError, match="card"):
        DecisionSettings.from_card(reading)


@given(evidence())
def test_what_strings_are_ranked_by_is_finite_and_of_one_sign(case):
    proposals = propose(*case)
    rows = ranking_features(proposals)
    assert rows.shape == (len(proposals.paths), len(RANKING))
    named = dict(zip(RANKING, rows.T, strict=True))
    for name in ("lattice", "line", "lattice_root", "line_root"):
        assert (named[name] <= 1e-6).all()
        assert (named[name] >= LEAST).all()
    assert (named["skipped"] >= 0).all()
    assert (named["skipped"] <= LEFT_OUT).all()


def test_to_leave_ink_out_counts_against_a_string_but_a_blank_stays_one():
    lattice, scores = sure_lattice("1234567890" * 2)
    scores[3] = np.log([0.4 if label == 4 else 0.6 if label == 11 else 1e-4 for label in range(12)])
    proposals = propose(lattice, scores, [])
    texts = [path.text for path in proposals.paths]
    left_out = dict(zip(texts, ranking_features(proposals)[:, RANKING.index("skipped")], strict=True))
    whole = "1234567890" * 2
    assert left_out[whole] == 0
    assert 0 < left_out[whole.replace("4", "", 1)] < LEFT_OUT
    assert decide(lattice, scores, [], DecisionSettings()).path.text == whole.replace("4", "", 1)
    skipping = (*DecisionSettings().ranking[:-1], -20.0)
    assert decide(lattice, scores, [], DecisionSettings(ranking=skipping)).path.text == whole
    blank = drawn.lattice_of(2, set())
    nothing = np.full((2, 12), -9.0, np.float32)
    nothing[:, 11] = -0.001
    assert decide(blank, nothing, [], DecisionSettings(ranking=skipping)).path.text == ""
