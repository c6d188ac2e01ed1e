"""What is learnt from a user's pictures is held back where isolated digits would suffer."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from training import crop_network
from training.finetune_networks import hold_back
from training.hypotheses import Hypotheses
from training.models import lone_geometry

from .test_crop_network import crop_settings

pytestmark = pytest.mark.train


@dataclass
class Listener:
    """Keeps what a user would be told."""

    notes: list[str] = field(default_factory=list)

    def begin(self, title: str, total: int) -> None: ...

    def step(self, done: int) -> None: ...

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.mark.parametrize(("asked", "share", "told"), [(0.0, 0.75, False), (1.01, 0.25, True)])
def test_weights_go_three_quarters_of_the_way_and_less_where_digits_suffer(asked, share, told):
    rng = np.random.default_rng(1)
    digits = rng.integers(0, 256, (20, 28, 28)).astype(np.uint8)
    validation = Hypotheses(digits, np.zeros_like(digits), lone_geometry(digits), (np.arange(20) % 10).astype(np.int8))
    model = crop_network.build(crop_settings())
    base = model.get_weights()
    tuned = [values + rng.uniform(0.01, 0.1, values.shape).astype(np.float32) for values in base]
    model.set_weights(tuned)
    listener = Listener()

    hold_back(model, base, validation, asked, listener)

    for found, before, after in zip(model.get_weights(), base, tuned, strict=True):
        np.testing.assert_allclose(found, before + share * (after - before), atol=1e-5)
    assert [("25% of its way" in note) for note in listener.notes] == [True] * told
