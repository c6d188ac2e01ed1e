"""The files that ship say what the trained networks say."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from extractor.network import CROPS, open_interpreter
from training.backend import tensorflow
from training.crop_network import build
from training.deployment import block_filters, by_blocks, network_file
from training.keras_files import load_keras

from .test_crop_network import crop_settings


@pytest.fixture(scope="module")
def network():
    """A crop network whose normalisations are not those of an untrained one."""
    tensorflow().keras.utils.set_random_seed(3)
    model = build(crop_settings(filters=(6, 4, 4, 4, 4)))
    rng = np.random.default_rng(4)
    model.set_weights([
        rng.uniform(0.5, 2.0, values.shape) if "variance" in variable.name else rng.normal(0, 0.3, values.shape)
        for variable, values in zip(model.weights, model.get_weights(), strict=True)
    ])  # fmt: skip
    return model


@pytest.fixture(scope="module")
def candidates() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    return {
        "crops": rng.integers(0, 256, (16, 28, 28)).astype(np.float32),
        "context": rng.integers(0, 256, (16, 28, 28)).astype(np.float32),
        "geometry": rng.normal(0, 1, (16, 8)).astype(np.float32),
    }


@pytest.mark.parametrize("side", [1, 3, 5])
def test_filters_over_blocks_give_the_results_of_filters_over_pixels(side):
    rng = np.random.default_rng(side)
    pixels, filters = rng.normal(size=(8, 12, 2)), rng.normal(size=(side, side, 2, 3)).astype(np.float32)
    blocks = pixels.reshape(4, 2, 6, 2, 2).transpose(0, 2, 1, 3, 4).reshape(4, 6, 8)

    said = convolve(blocks, block_filters(filters)).reshape(4, 6, 2, 2, 3).transpose(0, 2, 1, 3, 4).reshape(8, 12, 3)

    np.testing.assert_allclose(said, convolve(pixels, filters), atol=1e-6)


@pytest.mark.train
def test_a_network_by_blocks_says_the_same(network, candidates):
    inputs = list(candidates.values())
    np.testing.assert_allclose(
        by_blocks(network).predict(inputs, verbose=0), network.predict(inputs, verbose=0), atol=1e-4
    )


@pytest.mark.train
def test_a_networks_file_is_made_alike_again_and_the_network_can_still_be_saved(network, candidates, tmp_path):
    first = network_file(CROPS, network)
    assert network_file(CROPS, network) == first
    network.save(tmp_path / "crops.keras")
    inputs = list(candidates.values())
    again = load_keras(tmp_path / "crops.keras")
    np.testing.assert_array_equal(again.predict(inputs, verbose=0), network.predict(inputs, verbose=0))


@pytest.mark.train
def test_the_crop_networks_file_says_nearly_the_same(network, candidates):
    interpreter = open_interpreter(network_file(CROPS, network), 1)
    wanted = network.predict(list(candidates.values()), verbose=0)
    for start in (0, 8):
        for item in interpreter.get_input_details():
            name = item["name"].split(":")[0].removeprefix("serving_default_")
            interpreter.set_tensor(item["index"], candidates[name][start : start + 8])
        interpreter.invoke()
        said = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
        np.testing.assert_allclose(said, wanted[start : start + 8], atol=0.05 * np.abs(wanted).max())


def convolve(planes: np.ndarray, filters: np.ndarray) -> np.ndarray:
    """Convolve planes (H, W, C) with filters (S, S, C, F), paper around them."""
    reach = len(filters) // 2
    padded = np.pad(planes, ((reach, reach), (reach, reach), (0, 0)))
    return np.einsum("hwcyx,yxcf->hwf", sliding_window_view(padded, filters.shape[:2], axis=(0, 1)), filters)
