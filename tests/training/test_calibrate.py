from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from extractor.acceptance import accept_from, table_from_card
from training.calibrate import ERRORS, LEAST_ACCEPTED, accept_table

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
