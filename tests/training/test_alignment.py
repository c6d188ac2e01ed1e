"""Labels without boxes are laid over the lattice: by what is there, and only where they fit."""

from __future__ import annotations

import numpy as np
import pytest

from extractor.classifier import NOT_ONE_DIGIT, SKIP
from extractor.line_input import line_input
from extractor.reader import Evidence, Reader
from extractor.segmentation import segment
from training.alignment import align_label
from training.handwriting import draw_hand, write_string
from training.hypotheses import UNSURE

from .test_hypotheses import bare_line


@pytest.fixture(scope="module")
def reader():
    return Reader()


def picture_of(text: str, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    ink, _ = write_string(text, draw_hand(rng), rng, 48)
    return np.pad(255 - ink, 20, constant_values=255)


def made_evidence(digit_at: dict[tuple[int, int], int]) -> Evidence:
    """Four bars in a row as pieces, and a crop network that is sure of some candidates."""
    mask = np.zeros((60, 130), np.bool_)
    for left in (5, 21, 53, 101):
        mask[10:50, left : left + 12] = True
    lattice = segment(bare_line(mask))
    assert lattice.pieces == 4
    scores = np.full((len(lattice.candidates), 12), np.log(0.001), np.float32)
    for row, item in zip(scores, lattice.candidates, strict=True):
        row[digit_at.get((item.start, item.stop), NOT_ONE_DIGIT)] = np.log(0.99)
    steps = np.full((line_input(lattice.line).shape[1] // 4, 11), np.log(1 / 11), np.float32)
    return Evidence(lattice, scores, (steps, steps))


def labels_of(evidence: Evidence, text: str) -> dict[tuple[int, int], int]:
    labels = align_label(evidence, text).labels
    assert labels is not None
    pairs = zip(evidence.lattice.candidates, labels, strict=True)
    return {(item.start, item.stop): int(label) for item, label in pairs}


def test_digits_parts_pairs_and_strangers_get_their_labels():
    found = labels_of(made_evidence({(0, 2): 4, (2, 3): 7, (3, 4): SKIP}), "47")
    assert found[0, 2] == 4
    assert found[0, 1] == found[1, 2] == NOT_ONE_DIGIT
    assert found[2, 3] == 7
    assert found[3, 4] == SKIP
    assert {found[key] for key in found if key[0] <= 1 and key[1] >= 3} <= {NOT_ONE_DIGIT}


def test_the_label_decides_where_the_network_doubts():
    doubtful = made_evidence({(0, 2): 4, (2, 3): 7, (3, 4): 1})
    doubtful.scores[:, SKIP] = np.log(0.01)
    assert labels_of(doubtful, "471")[3, 4] == 1
    assert labels_of(doubtful, "47")[3, 4] == SKIP


def test_a_label_that_the_lattice_cannot_spell_is_left_out():
    evidence = made_evidence({(0, 2): 4, (2, 3): 7})
    assert align_label(evidence, "12345").labels is None


def test_drawn_strings_are_aligned_in_order(reader):
    aligned = 0
    for seed, text in enumerate(("3047", "91", "582136", "77700")):
        evidence = reader.evidence(picture_of(text, seed))
        alignment = align_label(evidence, text)
        assert alignment.is_line_plausible
        if alignment.labels is None:
            continue
        digits = [
            (item.start, int(label))
            for item, label in zip(evidence.lattice.candidates, alignment.labels, strict=True)
            if 0 <= label < 10
        ]
        # A digit with a speck beside it may count as the digit too.
        seen = dict(digits)
        assert "".join(str(seen[start]) for start in sorted(seen)).startswith(text[0])
        assert {label for _, label in digits} == {int(digit) for digit in text}
        assert UNSURE not in {label for _, label in digits}
        aligned += 1
    assert aligned >= 3


def test_the_label_of_another_picture_is_left_out(reader):
    evidence = reader.evidence(picture_of("3047518", 3))
    alignment = align_label(evidence, "6692902")
    assert alignment.labels is None
    assert not alignment.is_line_plausible
