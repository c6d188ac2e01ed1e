"""What is learnt from a user's pictures is held back where isolated digits would suffer."""

from __future__ import annotations

import numpy as np
import pytest

from training import crop_network
from training.finetune_networks import hold_back
from training.hypotheses import Hypotheses
from training.models import lone_geometry

from .test_crop_network import crop_settings
from .test_finetune import Silent

pytestmark = pytest.mark.train


@pytest.mark.parametrize(("asked", "share", "told"), [(0.0, 0.75, False), (1.01, 0.25, True)])
def test_weights_go_three_quarters_of_the_way_and_less_where_digits_suffer(asked, share, told):
    rng = np.random.default_rng(1)
    digits = rng.integers(0, 256, (20, 28, 28)).astype(np.uint8)
    validation = Hypotheses(digits, np.zeros_like(digits), lone_geometry(digits), (np.arange(20) % 10).astype(np.int8))
    model = crop_network.build(crop_settings())
    base = model.get_weights()
    tuned = [values + rng.uniform(0.01, 0.1, values.shape).astype(np.float32) for values in base]
    model.set_weights(tuned)
    watcher = Silent()

    hold_back(model, base, validation, asked, watcher)

    for found, before, after in zip(model.get_weights(), base, tuned, strict=True):
        np.testing.assert_allclose(found, before + share * (after - before), atol=1e-5)
    assert [("25% of its way" in note) for note in watcher.notes] == [True] * told
