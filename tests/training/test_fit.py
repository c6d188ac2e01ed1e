from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training import fit, recipe, runs
from training.checkpoint import Checkpoint, Epoch
from training.files import StorageError, replacing, sha256_of, write_bytes
from training.recipe import Augmentation, Export

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def full_recipe(small_recipe):
    """Everything that a resumed run must carry over: dropout, distortion, the best weights so far."""
    changed = small_recipe.override(epochs=5, patience=4)
    return changed.model_copy(
        update={"name": "full", "augmentation": Augmentation(rotation=9, scale=0.1, shear=9, shift=1)}
    )


@pytest.fixture(scope="module")
def full_run(full_recipe, drawn, tmp_path_factory):
    run = tmp_path_factory.mktemp("full") / "run"
    fit.train(full_recipe, drawn, run)
    return run


def same_readings(one, other):
    said = [runs.read_predictions(run).log_probabilities for run in (one, other)]
    return np.array_equal(*said)


def test_a_run_learns_and_leaves_a_complete_folder(trained_run, small_recipe):
    names = {path.name for path in trained_run.iterdir()}
    assert names == {"recipe.toml", "history.csv", "weights.keras", "weights.tflite", "predictions.npz", "card.json"}
    card = json.loads((trained_run / "card.json").read_text())
    assert card["test"]["accuracy"] > 0.9
    assert card["data"]["train"] == 480
    assert card["data"]["validation"] == 120
    assert card["sha256"]["weights.tflite"] == sha256_of(trained_run / "weights.tflite")
    assert recipe.load(trained_run / "recipe.toml") == small_recipe
    history = fit.read_history(trained_run)
    assert [row.epoch for row in history] == [1, 2, 3, 4]
    assert history[-1].val_accuracy == card["validation_accuracy"]
    assert history[-1].loss < history[0].loss


def test_what_the_card_says_is_what_the_files_do(trained_run, drawn):
    from training import evaluate, models

    card = runs.read_card(trained_run)
    for name in ("weights.tflite", "weights.keras"):
        result = evaluate.evaluate(models.load(trained_run / name), drawn.test)
        assert result.accuracy == card["test"]["accuracy"]


def test_the_same_seed_gives_the_same_history_and_another_seed_another(small_recipe, drawn, trained_run, tmp_path):
    fit.train(small_recipe, drawn, tmp_path / "again")
    assert (tmp_path / "again" / "history.csv").read_bytes() == (trained_run / "history.csv").read_bytes()
    assert same_readings(tmp_path / "again", trained_run)
    fit.train(small_recipe.override(seed=4), drawn, tmp_path / "other")
    assert (tmp_path / "other" / "history.csv").read_bytes() != (trained_run / "history.csv").read_bytes()


KILLED_AFTER_TWO_EPOCHS = """
import os, signal, sys
from pathlib import Path
from training import datasets, fit, recipe

def kill(row):
    if row.epoch == 2:
        os.kill(os.getpid(), signal.SIGKILL)

archive, recipe_path, run = map(Path, sys.argv[1:])
with_own_name = datasets.load_training(archive)
data = datasets.TrainingData("drawn", with_own_name.train, with_own_name.test, "0" * 64)
fit.train(recipe.load(recipe_path), data, run, fit.Watcher(on_epoch=kill))
"""


def test_a_killed_run_goes_on_to_the_history_of_an_unbroken_one(full_recipe, full_run, drawn, archive, tmp_path):
    recipe_path, run = tmp_path / "full.toml", tmp_path / "run"
    recipe_path.write_text(full_recipe.to_toml())
    command = [sys.executable, "-c", KILLED_AFTER_TWO_EPOCHS, str(archive), str(recipe_path), str(run)]
    killed = subprocess.run(command, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(fit.read_history(run)) == 2
    assert not (run / "card.json").exists()
    (run / ".partial-1-weights.keras").write_bytes(b"half")

    resumed = []
    fit.train(full_recipe, drawn, run, fit.Watcher(on_resume=resumed.append))
    assert resumed == [2]
    assert (run / "history.csv").read_bytes() == (full_run / "history.csv").read_bytes()
    assert same_readings(run, full_run)
    assert {path.name for path in run.iterdir()} == {path.name for path in full_run.iterdir()}


def test_a_complete_run_is_left_as_it_is(full_recipe, full_run, drawn):
    before = {path.name: path.stat().st_mtime_ns for path in full_run.iterdir()}
    card = fit.train(full_recipe, drawn, full_run)
    assert card == runs.read_card(full_run)
    assert before == {path.name: path.stat().st_mtime_ns for path in full_run.iterdir()}


def test_a_folder_of_another_run_is_refused(full_run, small_recipe, full_recipe, drawn):
    with pytest.raises(runs.RunError, match="another recipe or other data"):
        fit.train(small_recipe, drawn, full_run)
    other = type(drawn)("other", drawn.train, drawn.test, "1" * 64)
    with pytest.raises(runs.RunError, match="another recipe or other data"):
        fit.train(full_recipe, other, full_run)


def test_a_folder_of_other_things_is_refused_and_untouched(small_recipe, drawn, tmp_path):
    (tmp_path / "thesis.txt").write_text("ten years")
    with pytest.raises(runs.RunError, match="holds no run"):
        fit.train(small_recipe, drawn, tmp_path)
    with pytest.raises(runs.RunError, match="holds no run"):
        runs.clear(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_damaged_checkpoint_is_named(small_recipe, drawn, trained_run, tmp_path):
    run = shutil.copytree(trained_run, tmp_path / "run")
    (run / "card.json").unlink()
    (run / "checkpoint.npz").write_bytes(b"PK not a checkpoint")
    with pytest.raises(runs.RunError, match=r"checkpoint.*damaged"):
        fit.train(small_recipe, drawn, run)


def test_training_stops_early_and_keeps_the_best_weights(small_recipe, drawn, tmp_path):
    hasty = small_recipe.override(epochs=40, learning_rate=0.3, patience=2)
    card = fit.train(hasty, drawn, tmp_path / "run")
    history = fit.read_history(tmp_path / "run")
    best = fit.best_epoch(history)
    assert len(history) == card["epochs"] == best + 2 < 40
    assert card["epoch_of_weights"] == best
    assert card["validation_accuracy"] == history[best - 1].val_accuracy


def test_limit_and_saved_model_and_one_hot_labels(small_recipe, drawn, tmp_path):
    limited = small_recipe.override(limit=100, epochs=1)
    training = limited.training.model_copy(update={"loss": "categorical_crossentropy"})
    card = fit.train(
        limited.model_copy(update={"training": training, "export": Export(saved_model=True)}), drawn, tmp_path / "run"
    )
    assert card["data"]["train"] + card["data"]["validation"] == 100
    tf = fit.backend.tensorflow()
    saved = tf.saved_model.load(str(tmp_path / "run" / "saved_model"))
    served = saved.serve(drawn.test.x / np.float32(255))
    said = runs.read_predictions(tmp_path / "run").log_probabilities
    assert np.allclose(np.log(np.maximum(served, 1e-12)), said, atol=1e-3)


def test_a_split_uses_every_image_once(small_recipe, drawn):
    fitting, validation = fit.split(drawn.train, small_recipe)
    assert (len(fitting), len(validation)) == (480, 120)
    together = np.concatenate([fitting.x, validation.x]).reshape(600, -1)
    assert sorted(map(bytes, together)) == sorted(map(bytes, drawn.train.x.reshape(600, -1)))


@given(st.lists(st.floats(0, 9), min_size=1, max_size=30), st.integers(0, 5))
def test_a_run_ends_exactly_when_patience_or_epochs_run_out(losses, patience):
    chosen = recipe.load(recipe.find("dense-128")).override(epochs=30, patience=patience)
    history = [Epoch(number, 0.0, 0.0, loss, 0.0) for number, loss in enumerate(losses, start=1)]
    waited = len(losses) - fit.best_epoch(history)
    assert losses[fit.best_epoch(history) - 1] == min(losses)
    assert fit.finished(history, chosen) == (len(losses) == 30 or (patience > 0 and waited >= patience))


def test_a_checkpoint_is_read_back_to_the_last_bit(tmp_path):
    arrays = tuple(np.random.default_rng(n).normal(size=n + 1).astype(np.float32) for n in range(12))
    history = (Epoch(1, 0.1 + 0.2, 1 / 3, 1e-9, 0.5),)
    Checkpoint(history, arrays, arrays[:1], arrays).save(tmp_path / "c.npz")
    found = Checkpoint.load(tmp_path / "c.npz")
    assert found.history == history
    assert all(np.array_equal(a, b) for a, b in zip(found.variables, arrays, strict=True))
    assert len(found.optimizer) == 1
    assert len(found.best) == 12


def write_on_a_full_disk(path):
    with replacing(path) as temporary:
        temporary.write_bytes(b"half of the n")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file.bin"
    write_bytes(path, b"old")
    with pytest.raises(StorageError, match=r"file\.bin: No space left"):
        write_on_a_full_disk(path)
    assert path.read_bytes() == b"old"
    assert [item.name for item in tmp_path.iterdir()] == ["file.bin"]


def test_a_first_write_that_fails_leaves_no_folder(tmp_path):
    with pytest.raises(StorageError):
        write_on_a_full_disk(tmp_path / "new" / "file.bin")
    assert list(tmp_path.iterdir()) == []
