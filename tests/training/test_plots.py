from __future__ import annotations

import shutil
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest

from training import plots, runs
from training.checkpoint import Epoch

pytestmark = pytest.mark.train

NAMES = ("curves", "samples", "misread", "confusion", "reliability", "reject")


@pytest.fixture(scope="module")
def figures(trained_run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("plots")
    return folder, plots.plot_run(trained_run, folder)


def texts(path):
    root = ElementTree.parse(path).getroot()
    return " ".join("".join(node.itertext()) for node in root.iter("{http://www.w3.org/2000/svg}text"))


def test_every_figure_is_drawn_twice_and_nothing_else(figures):
    folder, written = figures
    assert {path.name for path in folder.iterdir()} == {f"{name}.{kind}" for name in NAMES for kind in ("png", "svg")}
    assert set(written) == set(folder.iterdir())


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_is_a_picture_with_something_on_it(figures, name):
    image = cv2.imread(str(figures[0] / f"{name}.png"))
    assert min(image.shape[:2]) > 200
    assert len(np.unique(image.reshape(-1, 3), axis=0)) > 10


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("curves", ("Epoch", "Loss (cross-entropy)", "Accuracy (%)", "training", "validation")),
        ("confusion", ("True digit", "Read as")),
        ("reliability", ("Confidence", "Share read right", "Readings")),
        ("reject", ("Rejected readings, least confident first (%)", "Wrong among the accepted (%)")),
    ],
)
def test_axes_are_named(figures, name, labels):
    found = texts(figures[0] / f"{name}.svg")
    assert all(label in found for label in labels)


def test_misread_digits_show_what_was_read_and_what_is_true(figures, trained_run):
    said = runs.read_predictions(trained_run)
    wrong = int((said.log_probabilities.argmax(axis=1) != said.y).sum())
    found = texts(figures[0] / "misread.svg")
    assert f"{wrong} of 200 misread" in found
    assert found.count(", true ") == min(wrong, 40)
    assert ("Surest first" in found) == (wrong > 0)


def test_the_same_run_gives_the_same_files(figures, trained_run, tmp_path):
    for path in plots.plot_run(trained_run, tmp_path):
        assert path.read_bytes() == (figures[0] / path.name).read_bytes()


def test_a_network_without_an_error_can_be_drawn(trained_run, tmp_path):
    run = shutil.copytree(trained_run, tmp_path / "run")
    said = np.full((10, 10), -20, np.float32)
    np.fill_diagonal(said, 0)
    x = runs.read_predictions(run).x[:10]
    runs.write_predictions(run, runs.Predictions(x, np.arange(10, dtype=np.uint8), said))
    plots.plot_run(run)
    assert "0 of 10 misread" in texts(run / "plots" / "misread.svg")


def test_one_epoch_can_be_drawn():
    figure = plots.curves("one", [Epoch(1, 0.5, 0.8, 0.4, 0.9)])
    assert len(figure.axes) == 2


def test_what_was_not_measured_is_left_out():
    nan = float("nan")
    history = [Epoch(1, 0.5, nan, nan, 0.9), Epoch(2, 0.4, nan, nan, 0.95)]
    figure = plots.curves("reference", history, plots.REFERENCE[0])
    assert [len(axis.lines) for axis in figure.axes] == [1, 1]
    assert figure.axes[1].get_ylabel() == "Digits read right (%)"


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(runs.RunError, match="no complete run"):
        plots.plot_run(tmp_path)


def test_damaged_predictions_are_named(trained_run, tmp_path):
    run = shutil.copytree(trained_run, tmp_path / "run")
    content = bytearray((run / "predictions.npz").read_bytes())
    content[len(content) // 2] ^= 1
    (run / "predictions.npz").write_bytes(content)
    with pytest.raises(runs.RunError, match=r"predictions\.npz is damaged"):
        plots.plot_run(run)
    assert not (run / "plots").exists()
