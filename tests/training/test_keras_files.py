"""A .keras file is opened when it holds plain layers, and refused when it could run anything else."""

from __future__ import annotations

import json
import shutil
import zipfile

import numpy as np
import pytest

from extractor.errors import ModelError
from extractor.network import default_model
from training.keras_files import load_keras

pytestmark = pytest.mark.train


@pytest.mark.parametrize(("name", "classes"), [("crops.keras", 12), ("line.keras", 11)])
def test_the_shipped_networks_are_opened(name, classes):
    model = load_keras(default_model() / name)
    assert model.output.shape[-1] == classes
    assert sum(int(np.prod(weight.shape)) for weight in model.weights) > 100_000


def with_config(path, change):
    """A copy of the shipped crop network whose configuration was changed."""
    with zipfile.ZipFile(default_model() / "crops.keras") as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "config.json":
                config = json.loads(content)
                change(config)
                content = json.dumps(config).encode()
            target.writestr(name, content)
    return path


def test_a_file_that_names_code_is_refused_unopened(tmp_path):
    def to_lambda(config):
        config["config"]["layers"][3]["class_name"] = "Lambda"

    def to_module(config):
        config["config"]["layers"][3] |= {"module": "builtins", "class_name": "eval", "registered_name": None}

    def to_registered(config):
        config["config"]["layers"][3] |= {"module": None, "registered_name": "mine>Layer", "class_name": "Layer"}

    for number, change in enumerate((to_lambda, to_module, to_registered)):
        path = with_config(tmp_path / f"{number}.keras", change)
        with pytest.raises(ModelError, match="no layer of Keras"):
            load_keras(path)


def test_an_unchanged_copy_is_opened(tmp_path):
    assert load_keras(with_config(tmp_path / "copy.keras", lambda config: None)) is not None


def test_a_missing_or_damaged_file_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"crops\.keras is missing"):
        load_keras(tmp_path / "crops.keras")
    (tmp_path / "text.keras").write_text("no network")
    with pytest.raises(ModelError, match="damaged"):
        load_keras(tmp_path / "text.keras")
    shutil.copy(default_model() / "crops.keras", tmp_path / "flipped.keras")
    content = bytearray((tmp_path / "flipped.keras").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "flipped.keras").write_bytes(content)
    with pytest.raises(ModelError, match="damaged"):
        load_keras(tmp_path / "flipped.keras")
