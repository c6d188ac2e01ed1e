"""LiteRT files say what the trained network says."""

from __future__ import annotations

import numpy as np
import pytest

from extractor.network import open_interpreter
from training.backend import tensorflow
from training.export import to_tflite

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def model():
    keras = tensorflow().keras
    keras.utils.set_random_seed(1)
    picture = keras.Input((12, 12), name="picture")
    x = keras.layers.Reshape((12, 12, 1))(picture)
    x = keras.layers.Conv2D(8, 3, activation="relu")(x)
    return keras.Model(picture, keras.layers.Dense(5)(keras.layers.Flatten()(x)))


@pytest.mark.parametrize(
    ("precision", "error"), [("float32", 1e-5), ("float16", 1e-2), ("dynamic", 5e-2), ("int8", 1e-1)]
)
def test_converted_network_says_nearly_the_same(model, precision, error):
    samples = np.random.default_rng(2).uniform(0, 1, (20, 1, 12, 12)).astype(np.float32)
    content = to_tflite(model, precision, [[sample] for sample in samples])
    interpreter = open_interpreter(content, 1)
    source, target = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    for sample in samples[:5]:
        interpreter.set_tensor(source, sample)
        interpreter.invoke()
        wanted = np.asarray(model(sample))
        np.testing.assert_allclose(interpreter.get_tensor(target), wanted, atol=error * np.abs(wanted).max() + 1e-6)


def test_half_precision_is_smaller(model):
    assert len(to_tflite(model, "float16")) < 0.75 * len(to_tflite(model, "float32"))


def test_a_fixed_batch_leaves_no_shape_open(model):
    interpreter = open_interpreter(to_tflite(model, "float16", batch=3), 1)
    details = [*interpreter.get_input_details(), *interpreter.get_output_details()]
    assert [list(item["shape_signature"]) for item in details] == [[3, 12, 12], [3, 5]]
