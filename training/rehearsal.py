"""What a network is shown again while it learns something new, so that it forgets nothing.

Rehearsal: Robins, "Catastrophic Forgetting, Rehearsal and Pseudorehearsal", Connection Science 7, 1995.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.crop_network import load_examples
from training.datasets import DatasetError, Digits, load_training
from training.examples import make_shards
from training.glyphs import GlyphBank
from training.hypotheses import Hypotheses
from training.line_network import Lines, load_lines
from training.reference import lone
from training.reference_data import check, folder_of

VALIDATION_SHARE = 1 / 12
"""Of the training digits, the last ones: of MNIST's 60,000 the 5,000 that the reference network never learns from."""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What is rehearsed, and the digits that tell whether it helped.

    Attributes:
        name: Of the set of isolated digits.
        note: What the user should know about it; may be empty.
        has_all_hands: Whether synthetic lines are written in the hands of all sets, or of these digits and the stroke
            model only.
        digits: Isolated digits to learn from.
        validation: Isolated digits that choose between networks.
        test: Isolated digits that nothing is chosen by.
        candidates: Of synthetic lines.
        lines: Synthetic lines.
    """

    name: str
    note: str
    has_all_hands: bool
    digits: Hypotheses
    validation: Hypotheses
    test: Hypotheses
    candidates: Hypotheses
    lines: Lines


def make_rehearsal(
    data: Path | None, folder: Path, seed: int, shards: int, word_shards: int, workers: int
) -> Rehearsal:
    """Load isolated digits and make synthetic lines.

    Args:
        data: As for `training.datasets.load_training`: a folder of all sets, an npz file, or None for Keras's MNIST.
        folder: Where the lines are kept.
        seed: Of the lines.
        shards: Of lines of digits.
        word_shards: Of lines without digits; only where `data` has letters and words.
        workers: Processes.

    Raises:
        DatasetError: The digits are absent or damaged.
        StorageError: No space left.
    """
    sets = _all_sets(data)
    loaded = load_training(data)
    validating = max(1, round(len(loaded.train) * VALIDATION_SHARE))
    order = np.arange(len(loaded.train))
    train, validation = loaded.train.take(order[:-validating]), loaded.train.take(order[-validating:])
    paths = make_shards(sets or bank_of(train), folder, seed, "digits", shards, workers)
    if sets is not None:
        paths += make_shards(sets, folder, seed, "words", word_shards, workers)
    nothing = _as_hypotheses(Digits(train.x[:0], train.y[:0]))
    return Rehearsal(
        name=loaded.name,
        note=loaded.note,
        has_all_hands=sets is not None,
        digits=_as_hypotheses(train),
        validation=_as_hypotheses(validation),
        test=_as_hypotheses(loaded.test),
        candidates=load_examples(paths, nothing),
        lines=load_lines(paths),
    )


def _all_sets(data: Path | None) -> Path | None:
    """The folder of all sets, checked, when `data` names one."""
    if data is None:
        return None
    try:
        folder = folder_of(data)
    except DatasetError:
        return None
    check(folder, 0)
    return folder


def bank_of(digits: Digits) -> GlyphBank:
    """Let one set of digits stand in MNIST's place, without the others, letters and words.

    Args:
        digits: Isolated digits.

    Raises:
        DatasetError: One of the ten is absent.
    """
    classes = [digits.x[digits.y == digit] for digit in range(10)]
    absent = [str(digit) for digit, members in enumerate(classes) if not len(members)]
    if absent:
        raise DatasetError(f"the data set holds no {', '.join(absent)}", "rehearsal takes all ten digits")
    empty = np.zeros((1, 28, 28), np.uint8)
    return GlyphBank({"mnist": classes}, empty, empty)


def _as_hypotheses(digits: Digits) -> Hypotheses:
    return lone(digits.x, digits.y)
