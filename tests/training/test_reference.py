"""The reference network is trained, written, read again, and goes on after an interruption."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
from multiprocessing.pool import ThreadPool
from types import SimpleNamespace

import numpy as np
import pytest

from extractor.network import CARD, CROPS, LINE, load_network
from extractor.reader import Reader, ReadOptions
from training import examples, reference
from training.recipe import RecipeError
from training.reference_recipe import load

from . import drawn_sets

RECIPE = """
name = "tiny"
title = "a recipe of seconds"
expected_accuracy = 0.1
parameters = 10_000

[examples]
shards = 2
word_shards = 1
seed = 1
workers = 1

[crops]
filters = [4, 4, 4, 4, 4]
dense = 8
dropout = 0.1
epochs = 2
batch_size = 32
learning_rate = 0.004
weight_decay = 0.0005
mnist_repeats = 1
candidates_per_epoch = 100
rotation = 8.0
scale = 0.1
shear = 0.15
shift = 1.2
forget_context = 0.12
seed = 1

[line]
filters = [4, 4, 4, 4, 4, 8]
dropout = 0.1
epochs = 1
batch_size = 8
learning_rate = 0.002
weight_decay = 0.0005
seed = 1
"""


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "tiny.toml"
    path.write_text(RECIPE)
    return path


@pytest.fixture
def data(tmp_path):
    return drawn_sets.write_sets(tmp_path / "data")


@pytest.mark.slow
@pytest.mark.train
def test_an_interrupted_run_goes_on_and_ends_with_a_network_that_reads(recipe, data, tmp_path, monkeypatch):
    monkeypatch.setattr(examples, "LINES_PER_SHARD", 12)
    monkeypatch.setattr(reference, "MNIST_TRAIN", 80)
    monkeypatch.setattr(multiprocessing, "get_context", lambda _: SimpleNamespace(Pool=ThreadPool))
    run = tmp_path / "run"
    told: list[str] = []

    def interrupt_after(words: str | None):
        def log(text: str) -> None:
            told.append(text)
            if words is not None and words in text:
                raise KeyboardInterrupt

        monkeypatch.setattr(reference, "_log", log)
        told.clear()

    interrupt_after("crops: epoch 1 of 2")
    with pytest.raises(KeyboardInterrupt):
        reference.train(recipe, data, run)
    assert not (run / "network").exists()

    interrupt_after("line: epoch 1 of 1")
    with pytest.raises(KeyboardInterrupt):
        reference.train(recipe, data, run)
    assert [text[:20] for text in told if "epoch" in text] == ["crops: epoch 2 of 2,", "line: epoch 1 of 1, "]

    interrupt_after(None)
    reference.train(recipe, data, run)
    assert not [text for text in told if "crops: epoch" in text]

    folder = run / "network"
    card = json.loads((folder / CARD).read_text())
    assert card["sha256"] == {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in (CROPS, LINE)}
    assert set(card["data_sha256"]) >= {"digits/mnist.npz", "letters/dhsd_words.npz"}
    assert card["recipe"]["crops"]["seed"] == 1
    assert 0 <= card["metrics"]["mnist_test_accuracy"] <= 1
    assert card["licence"] == "MIT"
    assert str(tmp_path) not in (folder / CARD).read_text(), "a card holds no path of the machine"
    assert load_network(folder).card == card

    page = np.full((80, 300), 255, np.uint8)
    reader = Reader(folder)
    assert reader.read(page, ReadOptions(layout="line")).fields[0].status == "blank"
    page[20:60, 40:44] = page[20:60, 100:104] = 0
    assert reader.read(page, ReadOptions(layout="line")).error is None


def test_shipped_recipe_is_valid():
    from pathlib import Path

    recipe = load(Path(reference.__file__).parent / "recipes" / "reference.toml")
    assert recipe.name == "reference"
    assert recipe.expected_accuracy >= 0.995


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("dropout = 0.1", "dropout = 1.5", "dropout"),
        ("seed = 1", "seed = -1", "seed"),
        ("shards = 2", "shards = 0", "shards"),
        ("[line]", "[line]\nfoo = 1", "foo"),
        ("epochs = 2", "epochs = 0", "epochs"),
    ],
)
def test_a_wrong_recipe_is_refused_by_its_place(recipe, old, new, place):
    recipe.write_text(RECIPE.replace(old, new, 1))
    with pytest.raises(RecipeError) as caught:
        load(recipe)
    assert place in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_recipe_and_no_toml_are_refused(tmp_path):
    with pytest.raises(RecipeError):
        load(tmp_path / "none.toml")
    (tmp_path / "broken.toml").write_text("[[[")
    with pytest.raises(RecipeError):
        load(tmp_path / "broken.toml")
