from __future__ import annotations

import numpy as np
import pytest

from training import networks, recipe
from training.recipe import CnnNetwork, Convolution, DenseNetwork, RecipeError

NETWORKS = [
    DenseNetwork(kind="dense", hidden=()),
    DenseNetwork(kind="dense", hidden=(16, 8), dropout=0.5, activation="gelu"),
    CnnNetwork(
        kind="cnn",
        convolutions=(Convolution(filters=3, kernel=5, pool=2), Convolution(filters=4, kernel=4)),
        hidden=(9,),
        dropout=0.2,
    ),
    CnnNetwork(kind="cnn", convolutions=(Convolution(filters=2, kernel=3, pool=3),), hidden=()),
]


def test_known_sizes():
    assert networks.parameter_count(DenseNetwork(kind="dense", hidden=(128,))) == 784 * 128 + 128 + 128 * 10 + 10
    assert networks.parameter_count(recipe.load(recipe.find("cnn")).network) < 500_000


def test_convolutions_that_use_up_the_image_are_refused():
    block = Convolution(filters=2, kernel=5, pool=4)
    with pytest.raises(RecipeError, match="leave nothing"):
        networks.parameter_count(CnnNetwork(kind="cnn", convolutions=(block, block, block), hidden=()))


@pytest.mark.train
@pytest.mark.parametrize("network", NETWORKS)
def test_built_networks_have_the_counted_size_and_give_probabilities(network):
    model = networks.build(network)
    assert model.count_params() == networks.parameter_count(network)
    said = np.asarray(model(np.random.default_rng(0).random((5, 28, 28), np.float32)))
    assert said.shape == (5, 10)
    assert said.min() >= 0
    assert np.allclose(said.sum(axis=1), 1, atol=1e-5)


@pytest.mark.train
def test_the_litert_file_says_what_the_keras_model_says(tmp_path, capfd):
    from training.models import PlainLiteRT

    model = networks.build(NETWORKS[2])
    path = tmp_path / "weights.tflite"
    path.write_bytes(networks.to_tflite(model))
    assert capfd.readouterr().out == ""
    crops = np.random.default_rng(0).integers(0, 256, (1203, 28, 28), np.uint8)
    said = np.exp(PlainLiteRT(path).log_probabilities(crops))
    assert np.abs(said - np.asarray(model(crops.astype(np.float32) / 255))).max() < 1e-5
