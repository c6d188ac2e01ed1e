from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from extractor.acceptance import accept_from, table_from_card
from extractor.decision import RANKING, DecisionSettings, Proposals, rank
from extractor.decoding import Path
from training.calibrate import ERRORS, LEAST_ACCEPTED, Observation, accept_table, choose_weights

confidences = st.lists(st.floats(0.0001, 0.9999), min_size=1, max_size=200).map(np.array)


@given(confidences)
def test_the_table_is_one_that_a_card_may_hold(confidence):
    table = accept_table(confidence)
    assert table_from_card({"accept_at": [list(row) for row in table]}) == table
    assert [error for error, _ in table] == list(ERRORS)
    assert all(first[1] >= second[1] for first, second in pairwise(table))


@given(confidences)
def test_no_more_wrong_strings_are_to_be_expected_than_accepted(confidence):
    for error, threshold in accept_table(confidence):
        accepted = confidence[confidence >= threshold + 1e-6]
        if accepted.size:
            assert np.mean(1 - accepted) <= error + 1e-6


def test_where_few_strings_are_sure_each_must_be_as_sure_as_the_error_asks():
    table = accept_table(np.full(LEAST_ACCEPTED - 1, 0.9999))
    assert all(threshold == 1 - error for error, threshold in table)


def test_many_sure_strings_let_less_sure_ones_in():
    confidence = np.concatenate([np.full(900, 0.9999), np.full(100, 0.96)])
    assert accept_from(accept_table(confidence), 0.005) == 0.96


def observed(count: int, seed: int) -> list[Observation]:
    """Strings that the lattice would rather shorten: what leaves ink out scores better, and is wrong."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        paths = (Path("41", -2.0, (0, 1)), Path("4", -1.0, (0,)))
        lattice = np.array([-2.0, -1.0]) + rng.normal(0, 0.5, 2)
        proposals = Proposals(paths, lattice, np.array([-1.0, -1.2]), np.array([0.0, 0.08]), lattice)
        found.append(Observation("labels", "41" if rng.random() < 0.9 else "4", proposals))
    return found


def right(settings: DecisionSettings, items: list[Observation]) -> float:
    return float(
        np.mean([item.proposals.paths[rank(item.proposals, settings)[1][0]].text == item.text for item in items])
    )


def test_weights_put_right_strings_first():
    fresh = observed(300, 1)
    assert right(DecisionSettings(), fresh) < 0.5
    settings = choose_weights(observed(300, 0), DecisionSettings())
    assert right(settings, fresh) > 0.85
    assert len(settings.ranking) == len(RANKING)


def test_few_strings_stay_nearer_to_where_the_search_begins():
    start = np.array(DecisionSettings().ranking)
    few, many = (np.array(choose_weights(observed(count, 0), DecisionSettings()).ranking) for count in (3, 300))
    assert np.abs(few - start).max() < np.abs(many - start).max()


def test_strings_whose_truth_nobody_proposes_teach_nothing():
    strangers = [Observation("labels", "9", item.proposals) for item in observed(5, 0)]
    assert choose_weights(strangers, DecisionSettings()) == DecisionSettings()
