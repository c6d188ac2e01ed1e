"""Writes the trained networks as LiteRT files and measures what the conversion costs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np

from training.backend import quiet_stderr, tensorflow

Precision = Literal["float32", "float16", "dynamic", "int8"]
"""float32: weights and arithmetic; float16: weights; dynamic: int8 weights, ranges found at run time; int8: both."""


def to_tflite(
    model: Any,
    precision: Precision,
    samples: list[list[np.ndarray[Any, Any]]] | None = None,
    batch: int | None = None,
) -> bytes:
    """Convert a Keras network.

    Args:
        model: The network.
        precision: Of weights and arithmetic.
        samples: For int8, a few hundred lists of inputs (each with a leading batch axis) from which ranges are taken.
        batch: Length of the leading axis in the file, so that all shapes are known; open when None.

    Returns:
        The LiteRT file's bytes.
    """
    tf = tensorflow()
    with tempfile.TemporaryDirectory() as folder, quiet_stderr():
        path = Path(folder) / "saved"
        signature = [
            tf.TensorSpec((batch, *tensor.shape[1:]), tensor.dtype, name=tensor.name.split(":")[0])
            for tensor in model.inputs
        ]
        # Keras takes the list of a network of several inputs as one argument.
        signature = signature if len(signature) == 1 else [signature]
        model.export(path, format="tf_saved_model", verbose=False, input_signature=signature)
        converter = tf.lite.TFLiteConverter.from_saved_model(str(path))
        if precision != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if precision == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if precision == "int8":
            names = [tensor.name.split(":")[0] for tensor in model.inputs]

            def representative() -> Iterator[dict[str, Any]]:
                for sample in samples or []:
                    yield dict(zip(names, sample, strict=True))

            converter.representative_dataset = representative
        return bytes(converter.convert())
