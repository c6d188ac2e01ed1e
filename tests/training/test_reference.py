"""The reference network is trained, written, read again, and goes on after an interruption."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import resource
import signal
import subprocess
import sys
from multiprocessing.pool import ThreadPool
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner

from extractor.errors import DigitsError, ExitCode, ModelError
from extractor.network import CARD, CROPS, LINE, load_network
from extractor.reader import Reader, ReadOptions
from training import cli, crop_network, examples, line_network, models, reference, reference_data, rejection, runs
from training.keras_files import load_keras
from training.recipe import RecipeError, find, toml_text
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


SMALL = """
import multiprocessing
from multiprocessing.pool import ThreadPool
from types import SimpleNamespace
from training import examples, reference, rejection
examples.LINES_PER_SHARD = 12
reference.MNIST_TRAIN = 80
rejection.COUNT = 10
multiprocessing.get_context = lambda _: SimpleNamespace(Pool=ThreadPool)
"""
KILLED = """
import os, signal, sys
from pathlib import Path
from training.journal import Journal, journal
from training.reference_recipe import load

class Killer(Journal):
    def __call__(self, text):
        if sys.argv[4] in text:
            os.kill(os.getpid(), signal.SIGKILL)
        super().__call__(text)

recipe, data, run = map(Path, sys.argv[1:4])
with journal(run) as told:
    told.__class__ = Killer
    reference.train(load(recipe), data, run, told)
"""


@pytest.fixture
def small(monkeypatch):
    """Shards of a dozen lines, made in this process, and a validation set that fits a hundred digits."""
    monkeypatch.setattr(examples, "LINES_PER_SHARD", 12)
    monkeypatch.setattr(reference, "MNIST_TRAIN", 80)
    monkeypatch.setattr(rejection, "COUNT", 10)
    monkeypatch.setattr(multiprocessing, "get_context", lambda _: SimpleNamespace(Pool=ThreadPool))


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "tiny.toml"
    path.write_text(RECIPE)
    return path


@pytest.fixture
def data(tmp_path):
    return drawn_sets.write_sets(tmp_path / "data")


def call(*arguments):
    return CliRunner().invoke(cli.train_command, [str(argument) for argument in arguments])


def error_of(*arguments):
    error = call(*arguments).exception
    assert isinstance(error, DigitsError), error
    assert "\n" not in str(error)
    return error


def killed_at(words, *paths):
    """Train in a process of its own that is killed when it reports these words."""
    command = [sys.executable, "-c", SMALL + KILLED, *map(str, paths), words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    return done.stderr


@pytest.mark.slow
@pytest.mark.train
def test_a_network_that_is_killed_while_it_learns_goes_on_after_its_last_epoch(recipe, data, tmp_path):
    run = tmp_path / "run"
    killed_at("crops: epoch 1 of 2", recipe, data, run)
    assert not (run / "network").exists()
    killed_at("crops: epoch 2 of 2", recipe, data, run)
    assert not (run / "crops.weights.h5").exists()
    told = killed_at("line: epoch 1 of 1", recipe, data, run)
    assert "crops: epoch" not in told
    assert (run / "crops.weights.h5").exists()


@pytest.mark.slow
@pytest.mark.train
def test_a_killed_run_ends_as_an_unbroken_one_with_a_network_that_reads(small, recipe, data, tmp_path):
    unbroken, run = tmp_path / "unbroken", tmp_path / "run"
    arguments = (recipe, "--data", data, "--run")
    result = call(*arguments, unbroken)
    assert result.exception is None, result.exception
    assert "MNIST test digits read right" in result.stdout

    killed_at("line: epoch 1 of 1", recipe, data, run)
    resumed = call(*arguments, run)
    assert resumed.exception is None, resumed.exception
    assert "crops: epoch" not in resumed.stderr

    histories = [(folder / "history-crops.csv").read_bytes() for folder in (unbroken, run)]
    assert histories[0] == histories[1]
    assert len(histories[0].splitlines()) == 3
    said = [runs.read_predictions(folder).log_probabilities for folder in (unbroken, run)]
    assert np.array_equal(*said)
    assert not list(run.rglob(".partial-*"))

    folder = run / "network"
    card = json.loads((folder / CARD).read_text())
    assert card["sha256"] == {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in (CROPS, LINE)}
    assert set(card["data_sha256"]) >= {"digits/mnist.npz", "letters/dhsd_words.npz"}
    assert card["recipe"]["crops"]["seed"] == 1
    assert 0 <= card["metrics"]["mnist_test_accuracy"] <= 1
    assert set(card["metrics"]["rejection"]["kinds"]) >= {"halves", "pairs", "punctuation", "line remains"}
    assert card["licence"] == "MIT"
    assert str(tmp_path) not in (folder / CARD).read_text(), "a card holds no path of the machine"
    assert load_network(folder).card == card

    page = np.full((80, 300), 255, np.uint8)
    reader = Reader(folder)
    assert reader.read(page, ReadOptions(layout="line")).fields[0].status == "blank"
    page[20:60, 40:44] = page[20:60, 100:104] = 0
    assert reader.read(page, ReadOptions(layout="line")).error is None

    # The run folder is one for the other commands too.
    assert models.load(unbroken).log_probabilities(np.zeros((1, 28, 28), np.uint8)).shape == (1, 12)
    drawn = {path.name for path in (unbroken / "plots").iterdir()}
    assert {"curves-crops.svg", "curves-line.png", "confusion.png"} <= drawn
    assert "complete already" in call(*arguments, unbroken).stderr
    assert isinstance(error_of(*arguments, unbroken, "--seed", 9), runs.RunError)
    runs.clear(unbroken)
    assert list(unbroken.iterdir()) == []


@pytest.mark.slow
@pytest.mark.train
def test_a_training_may_begin_with_the_weights_of_a_network_and_keep_a_share_of_them(small, recipe, data, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    assert call(recipe, "--data", data, "--run", first, "--epochs", 1).exception is None
    recipe.write_text(RECIPE.replace("seed = 1\n\n[line]", "kept = 0.75\nseed = 1\n\n[line]"))
    arguments = (recipe, "--data", data, "--run", second, "--epochs", 1)
    begun = call(*arguments, "--from", first / "network")
    assert begun.exception is None, begun.exception

    card = json.loads((second / "network" / CARD).read_text())
    names = ("crops.keras", "line.keras")
    assert card["began_with"] == {
        name: hashlib.sha256((first / "network" / name).read_bytes()).hexdigest() for name in names
    }
    before, ended = (load_keras(folder / "network" / "crops.keras").get_weights() for folder in (first, second))
    trained = crop_network.build(load(recipe).crops)
    trained.load_weights(second / "crops.weights.h5")
    for old, new, mixed in zip(before, trained.get_weights(), ended, strict=True):
        assert np.allclose(mixed, 0.75 * old + 0.25 * new, atol=1e-5)
    assert any(not np.allclose(old, mixed) for old, mixed in zip(before, ended, strict=True))
    lines = load_keras(second / "network" / "line.keras")
    trained = line_network.build(load(recipe).line)
    trained.load_weights(second / "line.weights.h5")
    assert all(np.array_equal(*pair) for pair in zip(lines.get_weights(), trained.get_weights(), strict=True))

    assert isinstance(error_of(*arguments), runs.RunError), "the run is of a training that began otherwise"
    runs.clear(second)
    assert list(second.iterdir()) == []


@pytest.mark.train
def test_what_no_training_can_begin_with_is_named(small, recipe, data, tmp_path):
    arguments = (recipe, "--data", data, "--run", tmp_path / "run", "--from")
    (tmp_path / "empty").mkdir()
    error = error_of(*arguments, tmp_path / "empty")
    assert isinstance(error, ModelError)
    assert "no float networks" in str(error)
    assert not (tmp_path / "run").exists()
    shipped = Path(reference.__file__).parents[1] / "extractor" / "models"
    error = error_of(*arguments, shipped)
    assert "crops.keras is built otherwise" in str(error)
    assert "--from" in str(error_of("dense-128", "--data", data, "--from", shipped))


@pytest.mark.slow
@pytest.mark.train
@pytest.mark.parametrize("limit", [1_500, 9_000])
def test_no_space_left_gives_one_line_and_leaves_nothing_half_written(small, recipe, data, tmp_path, limit):
    run = tmp_path / "run"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        error = error_of(recipe, "--data", data, "--run", run)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert error.exit_code == ExitCode.UNAVAILABLE
    assert "free some space" in str(error)
    left = {path.name for path in run.rglob("*") if path.is_file()}
    assert not {name for name in left if "temp" in name or "partial" in name}
    assert "card.json" not in left


def spoil(name, **changes):
    def change(folder):
        path = folder / name
        with np.load(path) as archive:
            arrays = {key: archive[key] for key in archive.files}
        np.savez(path, **{key: value for key, value in (arrays | changes).items() if value is not None})

    return change


def cut_in_half(name):
    def change(folder):
        path = folder / name
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    return change


@pytest.mark.train
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda folder: (folder / "digits/semeion.npz").unlink(), "lacks digits/semeion.npz"),
        (lambda folder: (folder / "letters/dhsd_words.npz").unlink(), "lacks letters/dhsd_words.npz"),
        (cut_in_half("digits/bhmsds.npz"), "bhmsds.npz is damaged"),
        (cut_in_half("letters/letters_hw62.npz"), "letters_hw62.npz is damaged"),
        (spoil("digits/optdigits32.npz", y=np.full(40, 10)), "holds the label 10 at 0"),
        (spoil("digits/optdigits32.npz", x=np.zeros((40, 32), np.uint8)), "x has the shape (40, 32)"),
        (spoil("digits/semeion.npz", y=None), "no digits to learn from"),
        (spoil("digits/mnist.npz", x_train=np.zeros((100, 28, 27), np.uint8)), "(100, 28, 27), not (N, 28, 28)"),
        (spoil("digits/mnist.npz", x_train=np.zeros((80, 28, 28), np.uint8), y_train=np.zeros(80, int)), "not more"),
        (spoil("letters/letters_hw62.npz", y=np.zeros(3, int)), "not one character for each"),
        (spoil("letters/letters_hw62.npz", x=np.zeros((4, 4))), "not (N, H, W) of uint8"),
        (spoil("letters/letters_hw62.npz", x=None), "has no letters"),
        (spoil("letters/dhsd_words.npz", x=None), "has no array x"),
    ],
)
def test_bad_sets_are_named_before_anything_is_written(small, recipe, data, tmp_path, change, words):
    change(data)
    error = error_of(recipe, "--data", data, "--run", tmp_path / "run")
    assert words in str(error)
    assert error.exit_code == ExitCode.USAGE
    assert not (tmp_path / "run").exists()


def test_absent_sets_are_named(recipe, tmp_path):
    assert "no data set at" in str(error_of(recipe, "--data", tmp_path / "absent", "--run", tmp_path / "run"))
    assert "--data" in str(error_of(recipe, "--run", tmp_path / "run"))


def test_the_file_of_mnist_stands_for_the_folder_that_it_is_in(data):
    assert reference_data.folder_of(data / "digits" / "mnist.npz") == data
    assert reference_data.folder_of(data) == data


@pytest.mark.train
def test_a_folder_of_other_things_is_refused_and_untouched(small, recipe, data, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "thesis.txt").write_text("ten years")
    assert "holds no run" in str(error_of(recipe, "--data", data, "--run", run))
    assert "holds no run" in str(error_of(recipe, "--data", data, "--run", run, "--fresh"))
    assert [path.name for path in run.iterdir()] == ["thesis.txt"]


@pytest.mark.train
def test_a_batch_that_is_larger_than_the_set_is_named(small, recipe, data, tmp_path):
    error = error_of(recipe, "--data", data, "--run", tmp_path / "run", "--batch-size", 100_000)
    assert "crops.batch_size 100,000" in str(error)


@pytest.mark.train
@pytest.mark.parametrize("name", ["crops.weights.h5", "examples/digits-1-0001.npz"])
def test_a_damaged_part_of_a_run_is_named(small, recipe, data, tmp_path, name):
    run = tmp_path / "run"
    path = run / name
    path.parent.mkdir(parents=True)
    (run / "recipe.toml").write_text(toml_text(load(recipe).model_dump(exclude_none=True)))
    path.write_bytes(b"PK neither the one nor the other")
    error = error_of(recipe, "--data", data, "--run", run)
    assert "damaged" in str(error)
    assert path.name in str(error)


def test_every_override_reaches_the_recipe(recipe):
    chosen = load(recipe).override(epochs=7, batch_size=5, learning_rate=0.5, seed=9)
    for part in (chosen.crops, chosen.line):
        assert (part.epochs, part.batch_size, part.learning_rate, part.seed) == (7, 5, 0.5, 9)
    assert chosen.examples.seed == 9
    shipped = load(find("reference"))
    short = shipped.override(epochs=1)
    for part in (short.crops, short.line):
        assert part.epochs == 1
        assert part.settle is None or part.settle.epochs == 1
    limited = shipped.override(limit=shipped.examples.shards * 250)
    assert limited.examples.shards == shipped.examples.shards // 2
    assert limited.examples.word_shards == round(shipped.examples.word_shards / 2)
    assert shipped.override(limit=2).examples.shards == 2
    assert shipped.override(limit=10**9) == shipped
    with pytest.raises(RecipeError, match=r"tiny: crops\.learning_rate"):
        load(recipe).override(learning_rate=-1)


def test_shipped_recipe_is_valid():
    recipe = load(Path(reference.__file__).parent / "recipes" / "reference.toml")
    assert recipe.name == "reference"
    assert recipe.expected_accuracy >= 0.995


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("dropout = 0.1", "dropout = 1.5", "dropout"),
        ("seed = 1", "seed = -1", "seed"),
        ("shards = 2", "shards = 0", "shards"),
        ("[line]", "[line]\nfoo = 1", "unknown key line.foo"),
        ("dense = 8", "dense = 0", "crops.dense"),
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
