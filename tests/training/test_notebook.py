"""The notebook of the documentation runs from its first cell to its last."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[2] / "docs" / "training.ipynb"

RUNNER = """
import json, sys, warnings
warnings.simplefilter("ignore")
namespace = {"__name__": "__main__"}
for cell in json.load(open(sys.argv[1], encoding="utf-8"))["cells"]:
    if cell["cell_type"] == "code":
        exec(compile("".join(cell["source"]), cell["id"], "exec"), namespace)
print("READ", namespace["reading"].digit)
"""


@pytest.fixture(scope="module")
def notebook():
    return json.loads(NOTEBOOK.read_text(encoding="utf-8"))


@pytest.mark.train
def test_every_cell_runs_in_order(archive, tmp_path):
    settings = {"DIGITS_DATA": str(archive), "MPLBACKEND": "Agg", "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", RUNNER, str(NOTEBOOK)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | settings)
    assert done.returncode == 0, done.stderr
    assert "600 digits to train on, 200 to test on" in done.stdout
    assert "epoch 3: loss" in done.stdout
    assert "of 200 digits read right" in done.stdout
    assert "zigzag" in done.stdout
    assert "READ 7" in done.stdout


def test_it_is_a_valid_notebook_without_stored_output(notebook):
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    cells = notebook["cells"]
    assert len({cell["id"] for cell in cells}) == len(cells)
    assert all(cell["outputs"] == [] for cell in cells if cell["cell_type"] == "code")


def test_the_commands_it_names_take_the_options_it_gives(notebook):
    from training import cli

    commands = {
        "recipes": cli.recipes_command,
        "train": cli.train_command,
        "plot": cli.plot_command,
        "evaluate": cli.evaluate_command,
        "predict": cli.predict_command,
    }
    lines = [
        line.split() for line in "".join(notebook["cells"][-1]["source"]).splitlines() if line.startswith("digits ")
    ]
    assert len(lines) == 5
    for _, name, *arguments in lines:
        commands[name].make_context(name, arguments)
