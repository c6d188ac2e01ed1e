from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from extractor.errors import DigitsError, ModelError
from training import cli, models, runs
from training.files import StorageError
from training.recipe import RecipeError


def call(command, *arguments):
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def output_of(command, *arguments):
    result = call(command, *arguments)
    assert result.exception is None, result.exception
    return result


def error_of(command, *arguments):
    error = call(command, *arguments).exception
    assert isinstance(error, DigitsError), error
    assert "\n" not in str(error)
    return error


@pytest.fixture
def run_copy(trained_run, tmp_path):
    return shutil.copytree(trained_run, tmp_path / "copy")


def flip_a_byte(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_the_commands_are_there_before_anything_heavy_is_imported():
    script = (
        "import sys, training.cli; "
        "sys.exit(', '.join({'tensorflow', 'keras', 'matplotlib', 'cv2', 'numpy'} & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""
    assert done.returncode == 0


def test_recipes_are_listed_with_size_and_expected_accuracy():
    lines = output_of(cli.recipes_command).stdout.splitlines()
    rows = {line.split()[0]: line for line in lines[1:]}
    assert {"cnn", "dense-128", "dense-256-128", "dense-dropout", "sequential"} <= rows.keys()
    assert "101,770" in rows["dense-128"]
    assert "%" in rows["cnn"]
    listed = json.loads(output_of(cli.recipes_command, "--format", "json").stdout)
    assert {item["name"]: item["parameters"] for item in listed}["dense-128"] == 101_770
    assert all(0.9 < item["expected_accuracy"] <= 1 for item in listed)


@pytest.mark.train
def test_train_plot_evaluate_and_predict_work_on_one_another(recipe_file, archive, drawn, tmp_path):
    run = tmp_path / "run"
    trained = output_of(
        cli.train_command, recipe_file, "--data", archive, "--run", run, "--epochs", 3, "--seed", 5, "--batch-size", 16
    )
    assert "of 200 test digits read right" in trained.stdout
    assert "epoch 3/3" in trained.stderr
    assert "not MNIST" in trained.stderr
    assert (run / "plots" / "confusion.svg").is_file()
    assert "epochs = 3" in (run / "recipe.toml").read_text()

    drawn_files = output_of(cli.plot_command, run, "--output", tmp_path / "figures").stdout.split()
    assert len(drawn_files) == 12

    report = json.loads(output_of(cli.evaluate_command, "--model", run, "--data", archive, "--format", "json").stdout)
    assert report["accuracy"] == runs.read_card(run)["test"]["accuracy"]
    assert report["interval"]["low"] < report["accuracy"] <= report["interval"]["high"]
    assert len(report["corruptions"]) == 15

    crop = tmp_path / "digit.png"
    cv2.imwrite(str(crop), drawn.test.x[7])
    crops = tmp_path / "crops"
    found = output_of(cli.predict_command, crop, "--model", run, "--crops", crops, "--format", "json").stdout
    assert json.loads(found)["digit"] == 7
    assert np.array_equal(cv2.imread(str(crops / "001-digit.png"), cv2.IMREAD_GRAYSCALE), drawn.test.x[7])


@pytest.mark.train
def test_a_complete_run_is_reported_again_and_fresh_replaces_it(run_copy, recipe_file, archive, tmp_path):
    arguments = (recipe_file, "--data", archive, "--run", tmp_path / "run", "--limit", 50, "--epochs", 1)
    first = output_of(cli.train_command, *arguments)
    again = output_of(cli.train_command, *arguments)
    assert again.stdout == first.stdout
    assert "complete already" in again.stderr
    assert isinstance(error_of(cli.train_command, *arguments, "--seed", 9), runs.RunError)
    replaced = output_of(cli.train_command, *arguments, "--seed", 9, "--fresh")
    assert replaced.exit_code == 0
    assert runs.read_card(tmp_path / "run")["seed"] == 9


@pytest.mark.train
def test_an_interrupted_run_says_how_it_goes_on(recipe_file, archive, tmp_path, monkeypatch):
    from training import fit

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(fit, "train", interrupt)
    result = call(cli.train_command, recipe_file, "--data", archive, "--run", tmp_path / "run")
    assert result.exit_code == 130
    assert "same command goes on" in result.stderr


@pytest.mark.train
def test_no_space_left_gives_one_line_and_the_run_goes_on_later(recipe_file, archive, tmp_path):
    run = tmp_path / "run"
    arguments = (recipe_file, "--data", archive, "--run", run, "--epochs", 1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))  # The checkpoint is larger: its write is cut off.
    try:
        error = error_of(cli.train_command, *arguments)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert isinstance(error, StorageError)
    assert "free some space" in str(error)
    assert {path.name for path in run.iterdir()} == {"recipe.toml", "history.csv"}
    assert output_of(cli.train_command, *arguments).exit_code == 0


def test_faulty_recipes_and_data_are_named(tmp_path, recipe_file, archive):
    faulty = tmp_path / "faulty.toml"
    faulty.write_text(recipe_file.read_text().replace("epochs", "epoch"))
    run = tmp_path / "run"
    assert "unknown key training.epoch" in str(error_of(cli.train_command, faulty, "--data", archive, "--run", run))
    assert isinstance(error_of(cli.train_command, "unheard-of"), RecipeError)
    absent = error_of(cli.train_command, recipe_file, "--data", tmp_path / "absent.npz", "--run", run)
    assert "no data set at" in str(absent)
    assert not run.exists()


def test_the_reference_recipe_asks_for_its_data(tmp_path):
    header = 'name = "reference"\ntitle = "t"\nexpected_accuracy = 0.99\nparameters = 5\n'
    path = tmp_path / "reference.toml"
    path.write_text(header)
    assert "--data" in str(error_of(cli.train_command, path))


@pytest.mark.train
def test_a_run_is_evaluated_as_text_and_on_every_set_of_a_folder(trained_run, archive, drawn, tmp_path):
    shutil.copy(archive, tmp_path / "mnist.npz")
    np.savez(tmp_path / "inverted.npz", x=np.invert(drawn.test.x), y=drawn.test.y)
    arguments = ("--model", trained_run, "--data", tmp_path, "--no-corruptions")
    result = output_of(cli.evaluate_command, *arguments)
    assert "mnist: " in result.stdout
    assert "inverted: inverted" in result.stderr
    report = json.loads(output_of(cli.evaluate_command, *arguments, "--format", "json").stdout)
    assert report["set"] == "mnist"
    assert report["sets"]["inverted"]["accuracy"] == report["accuracy"]
    assert report["corruptions"] == {}


@pytest.mark.train
@pytest.mark.parametrize("name", ["weights.tflite", "weights.keras"])
def test_a_flipped_byte_in_a_network_is_found(run_copy, name):
    flip_a_byte(run_copy / name)
    error = error_of(cli.predict_command, "any.png", "--model", run_copy / name)
    assert isinstance(error, ModelError)
    assert "damaged" in str(error)


@pytest.mark.train
def test_a_keras_file_is_damaged_also_when_no_card_tells(run_copy):
    (run_copy / "card.json").unlink()
    flip_a_byte(run_copy / "weights.keras")
    with pytest.raises(ModelError, match="damaged"):
        models.load(run_copy / "weights.keras")


@pytest.mark.train
def test_a_keras_file_without_its_recipe_is_refused(trained_run, tmp_path):
    shutil.copy(trained_run / "weights.keras", tmp_path)
    with pytest.raises(ModelError, match=r"no recipe\.toml"):
        models.load(tmp_path / "weights.keras")


def test_what_is_no_network_is_named(tmp_path):
    with pytest.raises(ModelError, match="no network at"):
        models.load(tmp_path / "absent.tflite")
    with pytest.raises(ModelError, match="holds no network"):
        models.load(tmp_path)
    (tmp_path / "text.tflite").write_text("not a network")
    with pytest.raises(ModelError, match="no LiteRT network"):
        models.load(tmp_path / "text.tflite")


@pytest.mark.train
def test_one_bad_picture_does_not_stop_the_others(trained_run, drawn, tmp_path):
    good, blank, text = tmp_path / "good.png", tmp_path / "blank.png", tmp_path / "text.png"
    cv2.imwrite(str(good), drawn.test.x[3])
    cv2.imwrite(str(blank), np.full((50, 50), 255, np.uint8))
    text.write_text("no picture")
    result = call(cli.predict_command, blank, text, tmp_path / "absent.png", good, "--model", trained_run)
    assert result.exit_code == 1
    assert result.stdout.startswith(f"{good}  3  ")
    lines = result.stderr.splitlines()
    assert len(lines) == 3
    assert lines[0] == f"{blank}: There is no digit: the picture is blank"
    assert call(cli.predict_command, blank, "--model", trained_run).exit_code == 65
