"""Wrong strings of hand-made lattices: what went wrong is known, and must be named."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractor.decision import DecisionSettings
from extractor.diagnosis import CAUSES, diagnose, differences, paired
from extractor.line_reader import BLANK, log_softmax
from extractor.reader import Evidence
from extractor.scoring import edit_distance

from .drawn import lattice_of, scored_lattices

digits = st.text("0123456789", max_size=7)
SETTINGS = DecisionSettings()


def crop_scores(*rows: dict[int, float]) -> np.ndarray:
    """Log-probabilities of candidates: logits of a few classes, the others far below."""
    logits = np.full((len(rows), 12), -9.0, np.float32)
    for row, given_ in zip(logits, rows, strict=True):
        for number, value in given_.items():
            row[number] = value
    return log_softmax(logits)


def view(*steps: dict[int, float]) -> np.ndarray:
    """A view of the line network: a step for each digit, with a blank after it."""
    logits = np.full((2 * len(steps), 11), -9.0, np.float32)
    for number, step in enumerate(steps):
        for digit, value in step.items():
            logits[2 * number, digit] = value
        logits[2 * number + 1, BLANK] = 5
    return log_softmax(logits)


def two_pieces(scores: np.ndarray, steps: np.ndarray) -> Evidence:
    return Evidence(lattice_of(2, set()), scores, (steps,))


def cause(truth: str | None, read: str | None, evidence: Evidence | None, confidence: float = 0.5, **options) -> str:
    return diagnose(truth, read, confidence, evidence, SETTINGS, **options).cause


@given(digits, digits)
def test_pairs_spell_both_strings_at_the_least_distance(truth, read):
    pairs = paired(truth, read)
    assert "".join(written for written, _ in pairs) == truth
    assert "".join(found for _, found in pairs) == read
    assert len(differences(truth, read)) == edit_distance(truth, read)


def test_what_never_reached_the_lattice_is_told_apart():
    assert cause(None, "12", None) == "invented"
    assert cause("12", None, None) == "not-found"
    assert cause("12", "", None) == "no-ink"
    assert cause("12", "13", None, has_picture=False) == "no-picture"


def test_a_string_that_needs_more_pieces_than_there_are_has_no_path():
    evidence = two_pieces(crop_scores({1: 5}, {2: 5}), view({1: 5}, {2: 5}))
    found = diagnose("123", "12", 0.5, evidence, SETTINGS)
    assert found.cause == "no-path"
    assert found.written.path is None
    assert found.edits == (("3", ""),)


def test_a_truth_that_holds_other_than_digits_has_no_path():
    assert cause("1-2", "12", two_pieces(crop_scores({1: 5}, {2: 5}), view({1: 5}, {2: 5}))) == "no-path"


def test_cuts_that_are_known_to_be_missing_are_no_path_either():
    evidence = two_pieces(crop_scores({1: 5}, {7: 5, 2: 4}), view({1: 5}, {7: 5, 2: 4}))
    there, elsewhere = [(0.0, 3.0), (4.0, 7.0)], [(0.0, 1.0), (1.0, 7.0)]
    assert cause("12", "17", evidence, spans=there) == "both-wrong"
    assert cause("12", "17", evidence, spans=elsewhere) == "no-path"


@pytest.mark.parametrize(
    ("crop", "line", "expected"),
    [
        ({7: 5, 2: 4}, {7: 5, 2: 4}, "both-wrong"),
        ({7: 9, 2: 4}, {2: 5, 7: 4.9}, "lattice-wrong"),
        ({2: 5, 7: 4.9}, {7: 9, 2: 4}, "line-wrong"),
    ],
)
def test_among_the_proposals_the_reader_that_prefers_another_string_is_named(crop, line, expected):
    evidence = two_pieces(crop_scores({1: 9}, crop), view({1: 9}, line))
    found = diagnose("12", "17", 0.5, evidence, SETTINGS)
    assert found.cause == expected
    assert (found.said.place, found.written.place) == (1, 2)
    assert found.views[0] in ("12", "17")


def test_a_digit_that_nobody_proposes_on_the_same_ink_is_the_networks_error():
    evidence = two_pieces(crop_scores({1: 9}, {7: 9}), view({1: 9}, {7: 9}))
    assert cause("12", "17", evidence) == "sure-of-wrong-digit"


def test_strings_too_long_or_too_short_are_told_by_their_length():
    evidence = Evidence(lattice_of(3, set()), crop_scores({1: 9}, {1: 9}, {2: 9}), (view({1: 9}, {1: 9}, {2: 9}),))
    assert cause("72", "112", evidence) == "extra-mark"
    short = two_pieces(crop_scores({1: 9}, {11: 9}), view({1: 9}))
    assert cause("12", "1", short) == "digit-dropped"


def test_a_label_is_doubtful_only_when_both_readers_are_far_ahead_and_the_confidence_is_high():
    evidence = two_pieces(crop_scores({1: 9}, {7: 9}), view({1: 9}, {7: 9}))
    assert cause("12", "17", evidence, confidence=0.99) == "label-doubtful"
    assert cause("12", "17", evidence, confidence=0.9) != "label-doubtful"


def test_readings_of_another_network_are_recognised():
    assert cause("12", "17", two_pieces(crop_scores({1: 9}, {2: 9}), view({1: 9}, {2: 9}))) == "not-repeated"


@given(scored_lattices(), digits, digits, st.floats(0, 1))
def test_every_mistake_has_a_cause_and_proposals_in_order(scored, truth, read, confidence):
    lattice, scores = scored
    found = diagnose(truth, read, confidence, Evidence(lattice, scores, ()), SETTINGS)
    assert found.cause in CAUSES
    totals = [spelling.total for spelling in found.proposals]
    assert totals == sorted(totals, reverse=True)
    for spelling in (found.written, found.said):
        assert spelling.path is None or len(spelling.digits) == len(spelling.text)
