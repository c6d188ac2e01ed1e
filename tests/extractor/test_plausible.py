"""Loose ink on a page counts as a number only when its digits are sure and hold most of the ink."""

from __future__ import annotations

import numpy as np

from extractor.classifier import NOT_ONE_DIGIT, SKIP
from extractor.decision import Decision, DecisionSettings, decide
from extractor.decoding import Path
from extractor.line_reader import BLANK
from extractor.lines import LineImage
from extractor.plausible import LEAST_PROBABILITY, may_hold_number, number_probability

from . import drawn


def rows(*classes: int, sure: float = -0.01) -> np.ndarray:
    """Log-probabilities of single pieces, each of a class."""
    scores = np.full((len(classes), 12), -9.0, np.float32)
    for index, value in enumerate(classes):
        scores[index, value] = sure
    return scores


def steps_of(text: str, sure: float = -0.01) -> np.ndarray:
    """A line network's view that spells a string, a blank after each digit."""
    rows = np.full((2 * len(text) + 1, 11), -9.0, np.float32)
    rows[:, BLANK] = sure
    for index, character in enumerate(text):
        rows[2 * index + 1] = -9.0
        rows[2 * index + 1, int(character)] = sure
    return rows


def verdict(scores: np.ndarray, seen: str) -> tuple[bool, bool]:
    """Whether a line may hold, and does hold, a number, when the line network sees the second argument."""
    lattice = drawn.lattice_of(len(scores), set())
    views = [steps_of(seen)]
    decision = decide(lattice, scores, views, DecisionSettings())
    probability = number_probability(decision, lattice, scores, views)
    assert 0 <= probability < 1
    return may_hold_number(lattice.line, views[0]), probability >= LEAST_PROBABILITY


def test_sure_digits_are_a_number():
    assert verdict(rows(4, 0, 7), "407") == (True, True)


def test_one_sure_digit_is_a_number():
    assert verdict(rows(8), "8") == (True, True)


def test_separators_between_digits_do_not_matter():
    assert verdict(rows(4, 0, 7, SKIP, 1, 3), "40713") == (True, True)


def test_ink_that_is_no_digit_is_no_number():
    assert verdict(rows(NOT_ONE_DIGIT, NOT_ONE_DIGIT, NOT_ONE_DIGIT), "") == (False, False)


def test_skipped_ink_is_no_number():
    assert verdict(rows(SKIP, SKIP, SKIP), "") == (False, False)


def test_one_digit_among_much_other_ink_is_no_number():
    assert verdict(rows(SKIP, SKIP, 3, SKIP), "3")[1] is False


def test_digits_that_only_one_reader_sees_are_no_number():
    assert verdict(rows(1, 2, 3), "")[1] is False


def test_the_empty_string_is_no_number():
    lattice = drawn.lattice_of(0, set())
    scores = np.zeros((0, 12), np.float32)
    empty = Path("", 0.0, ())
    assert number_probability(Decision(empty, 0.5, (), (), ()), lattice, scores, [steps_of("")]) == 0


def test_the_less_speaks_for_digits_the_less_likely_a_number_is():
    found = []
    for sure in (-0.01, -1.0, -2.0):
        lattice = drawn.lattice_of(3, set())
        scores, views = rows(4, 0, 7, sure=sure), [steps_of("407", sure=sure)]
        decision = decide(lattice, scores, views, DecisionSettings())
        found.append(number_probability(decision, lattice, scores, views))
    assert found == sorted(found, reverse=True)
    assert found[0] > 0.99


def line_with_ink(columns: slice, width: int = 200) -> LineImage:
    """A line of paper with ink in some columns."""
    ink = np.zeros((40, width), np.uint8)
    ink[10:30, columns] = 255
    return LineImage(ink=ink, raw=ink, mask=ink > 0, scale=1.0, origin=(0.0, 0.0), digit_height=20.0, stroke=3.0)


def test_digits_beside_their_ink_are_worth_reading_on():
    assert may_hold_number(line_with_ink(slice(0, 200)), steps_of("407", sure=-0.2))


def test_a_line_in_which_digits_are_hardly_likelier_than_nothing_is_not_worth_it():
    steps = np.full((5, 11), -9.0, np.float32)
    steps[:, BLANK] = -0.8
    steps[2, 3] = -0.7
    assert not may_hold_number(line_with_ink(slice(0, 200)), steps)


def test_digits_that_little_speaks_for_are_not_worth_it():
    steps = np.full((4, 11), -np.log(11), np.float32)
    steps[1, 5] += 0.01
    assert not may_hold_number(line_with_ink(slice(0, 200)), steps)


def test_a_digit_in_a_line_of_other_ink_is_not_worth_it():
    steps = np.tile(steps_of(""), (50, 1))
    steps[40] = steps_of("4")[1]
    assert may_hold_number(line_with_ink(slice(152, 172)), steps)
    assert not may_hold_number(line_with_ink(slice(0, 200)), steps)
