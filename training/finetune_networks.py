"""Fine-tunes both networks on a user's pictures, and keeps the crop network from forgetting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.beginning import between
from training.crop_network import accuracy
from training.finetune_fit import Told, fit_crops, fit_line
from training.finetune_settings import FinetuneSettings
from training.hypotheses import NOT_ONE_DIGIT, Hypotheses
from training.line_network import Lines
from training.rehearsal import Rehearsal
from training.stage_progress import Watcher
from training.strings import StringExamples

KEEP_NOT_ONE_DIGIT = 0.5
"""Share of the user's "not one digit" candidates that is learnt from: there are several for each digit."""
FORGIVEN = 0.0004
"""Loss of accuracy on the validation digits that is let pass: two digits of MNIST's 5,000."""
SHARES = (0.75, 0.5, 0.25)
"""How far to go from the base weights to the tuned ones, tried in this order until little enough is forgotten. Never
all the way: 5,000 digits tell too little of what is lost on others."""


def tune(
    crops: Any,
    line: Any,
    pictures: Sequence[StringExamples],
    rehearsal: Rehearsal,
    settings: FinetuneSettings,
    watcher: Watcher,
) -> None:
    """Fine-tune both networks in place; one that the pictures teach nothing stays as it is.

    Args:
        crops: The crop network.
        line: The line network.
        pictures: What the user's pictures teach.
        rehearsal: What must not be forgotten.
        settings: All numbers.
        watcher: Hears how far it is.
    """
    own = _candidates(pictures, np.random.default_rng([settings.seed, 3]))
    if own is not None:
        base = crops.get_weights()
        least = accuracy(crops, rehearsal.validation) - FORGIVEN
        # Isolated digits twice: they are what is forgotten first.
        rest = (rehearsal.digits, rehearsal.digits, rehearsal.candidates)
        told = _telling(watcher, "crop network")
        fit_crops(crops, own, rest, settings.crops, settings.affine, settings.seed, told)
        hold_back(crops, base, rehearsal.validation, least, watcher)
    lines = Lines(
        [view for item in pictures for view in item.views], [item.text for item in pictures for _ in item.views]
    )
    if lines.pictures:
        fit_line(line, lines, rehearsal.lines, settings.line, settings.seed, _telling(watcher, "line network"))


def hold_back(
    model: Any, base: Sequence[NDArray[np.float32]], validation: Hypotheses, least: float, watcher: Watcher
) -> None:
    """Go from the base weights as far to the tuned ones as the validation digits allow.

    Weights between both read nearly as well what was learnt, and forget less (Wortsman et al., "Robust fine-tuning of
    zero-shot models", 2022).

    Args:
        model: With the tuned weights; left with those between.
        base: The weights before.
        validation: Isolated digits.
        least: The accuracy on them that is asked for.
        watcher: Hears when it does not go all the way.
    """
    tuned = model.get_weights()
    for share in SHARES:
        model.set_weights(between(base, tuned, share))
        if accuracy(model, validation) >= least:
            break
    if share < SHARES[0]:
        watcher.note(f"the crop network goes {share:.0%} of its way: farther it would read isolated digits worse")


def _candidates(pictures: Sequence[StringExamples], rng: np.random.Generator) -> Hypotheses | None:
    parts = [item.candidates for item in pictures if item.candidates is not None]
    if not parts:
        return None
    names = ("digits", "context", "geometry", "labels")
    whole = Hypotheses(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))
    keep = (whole.labels != NOT_ONE_DIGIT) | (rng.random(len(whole.labels)) < KEEP_NOT_ONE_DIGIT)
    return Hypotheses(*(getattr(whole, name)[keep] for name in names))


def _telling(watcher: Watcher, title: str) -> Told:
    def told(done: int, total: int, _: float) -> None:
        if done == 1:
            watcher.begin(title, total)
        watcher.step(done)

    return told
