"""Before and after are measured alike and shown side by side."""

from __future__ import annotations

from extractor.scoring import Answer, wilson
from training.comparison import measure, to_text


def answers(right: int, wrong: int, missed: int = 0) -> list[Answer]:
    return [Answer("123", "123", 0.995)] * right + [Answer("123", "124", 0.6)] * wrong + [Answer("123", None)] * missed


def test_only_what_reaches_the_threshold_is_accepted():
    found = measure([*answers(6, 3, 1), Answer("5", "6", 0.999)], 0.99, wilson(9, 10))
    assert (found.accepted.count, found.accepted.total) == (7, 11)
    assert (found.accepted_wrong.count, found.accepted_wrong.total) == (1, 7)
    assert found.strings.exact.count == 6


def test_both_stand_side_by_side_with_intervals():
    before, after = measure(answers(6, 4), 0.99, wilson(98, 100)), measure(answers(9, 1), 0.7, wilson(97, 100))
    lines = to_text(before, after, "MNIST").splitlines()
    rows = {line.split("  ")[0]: line for line in lines}
    assert lines[0].split() == ["before", "after"]
    assert "60.00% [" in rows["exact strings"]
    assert "90.00% [" in rows["exact strings"]
    assert "13.33%" in rows["character error"]
    assert "98.00% [" in rows["digits of MNIST, test part"]
    assert len({line.index(line.split("  ")[-1].strip()) for line in lines[1:]}) <= len(lines)


def test_nothing_accepted_is_said_so():
    nothing = measure(answers(0, 4), 0.99, wilson(1, 2))
    assert "none" in to_text(nothing, nothing, "MNIST")


def test_a_program_finds_every_number():
    found = measure(answers(6, 4), 0.99, wilson(98, 100)).to_dict()
    assert found["exact"]["share"] == 0.6
    assert set(found["read_rates"]) == {"0.01", "0.005", "0.001"}
    assert found["digits"]["count"] == 98
