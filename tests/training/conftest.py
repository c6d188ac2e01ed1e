"""Drawn digits in MNIST's format, and one small trained run that the tests of this folder share."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from extractor.normalize import to_mnist
from training import datasets
from training.recipe import DenseNetwork, Recipe, Training

# How long an example takes says more about the machine's load than about the code.
settings.register_profile("training", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("training")

FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX)


def pytest_collection_modifyitems(items):
    if importlib.util.find_spec("tensorflow") is None:
        for item in items:
            if item.get_closest_marker("train"):
                item.add_marker(pytest.mark.skip(reason="the train extra is not installed"))


@pytest.fixture(autouse=True)
def _no_outside_settings(monkeypatch):
    for name in ("DIGITS_DATA", "DIGITS_MODEL"):
        monkeypatch.delenv(name, raising=False)


def draw_digits(count: int, seed: int) -> datasets.Digits:
    """Digits of three plotter fonts, of varied weight, slanted and turned a little."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count, dtype=np.uint8) % 10
    images = np.empty((count, 28, 28), np.uint8)
    for index, label in enumerate(labels):
        canvas = np.zeros((64, 64), np.uint8)
        font = FONTS[rng.integers(len(FONTS))]
        cv2.putText(canvas, str(label), (16, 50), font, 1.7, 255, int(rng.integers(2, 6)), cv2.LINE_AA)
        slant, turn = rng.uniform(-0.3, 0.3), rng.uniform(-0.15, 0.15)
        matrix = np.array([[1, slant, -32 * slant], [turn, 1, -32 * turn]])
        images[index] = to_mnist(cv2.warpAffine(canvas, matrix, (64, 64)).astype(np.uint8))
    return datasets.Digits(images, labels)


@pytest.fixture(scope="session")
def drawn() -> datasets.TrainingData:
    """600 digits to train on, 200 to test on."""
    return datasets.TrainingData("drawn", draw_digits(600, 1), draw_digits(200, 2), "0" * 64)


@pytest.fixture(scope="session")
def archive(drawn, tmp_path_factory) -> Path:
    """The same in an npz file as Keras caches MNIST."""
    path = tmp_path_factory.mktemp("data") / "drawn.npz"
    np.savez(path, x_train=drawn.train.x, y_train=drawn.train.y, x_test=drawn.test.x, y_test=drawn.test.y)
    return path


@pytest.fixture(scope="session")
def small_recipe() -> Recipe:
    """A recipe of seconds."""
    return Recipe(
        name="small",
        title="a recipe of seconds",
        expected_accuracy=0.9,
        network=DenseNetwork(kind="dense", hidden=(32,), dropout=0.1),
        training=Training(
            optimizer="adam",
            learning_rate=0.005,
            loss="sparse_categorical_crossentropy",
            epochs=4,
            batch_size=32,
            validation_split=0.2,
            seed=3,
        ),
    )


@pytest.fixture(scope="session")
def recipe_file(small_recipe, tmp_path_factory) -> Path:
    """The recipe as a file."""
    path = tmp_path_factory.mktemp("recipes") / "small.toml"
    path.write_text(small_recipe.to_toml())
    return path


@pytest.fixture(scope="session")
def trained_run(small_recipe, drawn, tmp_path_factory) -> Path:
    """A complete run. Not to be changed: copy it first."""
    from training import fit

    run = tmp_path_factory.mktemp("runs") / "small"
    fit.train(small_recipe, drawn, run)
    return run
