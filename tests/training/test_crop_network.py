"""The crop network's schedule, augmentation, batches and shape."""

from __future__ import annotations

import numpy as np
import pytest

from training import crop_network
from training.crop_network import batches, load_examples, lone_examples
from training.hypotheses import NOT_ONE_DIGIT, Hypotheses
from training.models import lone_geometry
from training.reference_recipe import CropSettings

from . import drawn_sets

STILL = {"rotation": 0.0, "scale": 0.0, "shear": 0.0, "shift": 0.0}
"""No augmentation: examples can be told apart by their pixels."""


def crop_settings(**changes) -> CropSettings:
    return CropSettings(
        **{
            "filters": (4, 4, 4, 4, 4), "dense": 8, "dropout": 0.1, "epochs": 1, "batch_size": 16,
            "learning_rate": 0.002, "weight_decay": 0.0005, "mnist_repeats": 1, "candidates_per_epoch": 40,
            "rotation": 8.0, "scale": 0.1, "shear": 0.15, "shift": 1.2, "forget_context": 0.25, "seed": 1,
        } | changes
    )  # fmt: skip


def numbered(count: int) -> Hypotheses:
    """Examples that can be told apart by their first pixel."""
    digits = np.full((count, 28, 28), 50, np.uint8)
    digits[:, 0, 0] = np.arange(count)
    return Hypotheses(
        digits, np.full_like(digits, 9), np.zeros((count, 8), np.float32), (np.arange(count) % 12).astype(np.int8)
    )


def test_an_epoch_sees_every_lone_glyph_and_a_fresh_draw_of_candidates():
    chosen, lone = crop_settings(**STILL), 24
    seen = []
    for epoch in (0, 1):
        numbers = []
        for planes, geometry, labels in batches(numbered(200), lone, chosen, epoch):
            assert planes.shape == (16, 28, 28, 2)
            assert geometry.shape == (16, 8)
            which = planes[:, 0, 0, 0]
            np.testing.assert_array_equal(labels, which % 12)
            numbers += which.tolist()
        assert len(set(numbers)) == len(numbers) == (lone + 40) // 16 * 16
        assert set(range(lone)) <= set(numbers)
        seen.append(set(numbers))
    assert seen[0] != seen[1]


def test_forgotten_surroundings_take_their_geometry_along():
    (planes, geometry, _), *_ = batches(numbered(200), 24, crop_settings(forget_context=0.5, **STILL), 0)
    forgotten = ~planes[..., 1].any(axis=(1, 2))
    assert 0 < forgotten.sum() < len(forgotten)
    np.testing.assert_array_equal(geometry[forgotten], lone_geometry(planes[forgotten][..., 0]))
    assert not geometry[~forgotten].any()


def test_batches_are_repeatable():
    first, second = (list(batches(numbered(100), 24, crop_settings(), 3)) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        for left, right in zip(a, b, strict=True):
            np.testing.assert_array_equal(left, right)


def test_lone_examples_are_digits_and_letters_in_mnist_format():
    lone = lone_examples(drawn_sets.bank(), crop_settings(mnist_repeats=2))
    assert set(lone.labels.tolist()) == {*range(10), NOT_ONE_DIGIT}
    assert not lone.context.any()
    assert (lone.digits.reshape(len(lone.labels), -1).max(axis=1) >= 254).all()
    mnist = sum(len(members) for members in drawn_sets.bank().digits["mnist"])
    assert len(lone.labels) >= 2 * mnist


def test_examples_of_shards_follow_the_lone_glyphs(tmp_path):
    lone = numbered(5)
    np.savez(
        tmp_path / "shard.npz", digits=np.full((3, 28, 28), 7, np.uint8), context=np.zeros((3, 28, 28), np.uint8),
        geometry=np.ones((3, 8), np.float32), labels=np.array([1, 10, 11], np.int8), strips=np.zeros((32, 8), np.uint8),
        widths=np.array([8], np.int32), texts=np.full((1, 12), -1, np.int8),
    )  # fmt: skip
    together = load_examples([tmp_path / "shard.npz"], lone)
    np.testing.assert_array_equal(together.digits[:5], lone.digits)
    np.testing.assert_array_equal(together.labels[5:], [1, 10, 11])


@pytest.mark.train
def test_network_takes_candidates_and_gives_twelve_classes():
    model = crop_network.build(crop_settings())
    assert [tuple(item.shape[1:]) for item in model.inputs] == [(28, 28), (28, 28), (8,)]
    assert [item.name.split(":")[0] for item in model.inputs] == ["crops", "context", "geometry"]
    assert tuple(model.outputs[0].shape[1:]) == (crop_network.CLASSES,)


def test_varied_geometry_keeps_shares_and_what_is_far_and_stays_near_the_truth():
    rng = np.random.default_rng(5)
    geometry = np.tile(np.array([[1.0, 0.6, 0.0, 0.0, 0.2, 2.0, 0.3, 0.1]], np.float32), (4000, 1))
    varied = crop_network.jitter(geometry, 0.1, rng)
    np.testing.assert_array_equal(varied[:, [5, 6]], geometry[:, [5, 6]])
    changed = (varied != geometry).any(axis=1)
    assert 0.45 < changed.mean() < 0.55
    assert np.abs(np.log(varied[changed, 0])).std() == pytest.approx(0.06, abs=0.02)
    assert varied[changed, 3].std() == pytest.approx(0.1, abs=0.02)
    np.testing.assert_array_equal(crop_network.jitter(geometry, 0.0, rng), geometry)
