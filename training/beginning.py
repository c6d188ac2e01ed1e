"""Lets the reference network's training begin with the weights of a network like it, in place of random ones.

At its end the weights may lie between those before and those after: what was learnt before is forgotten less, and what
is new holds better on other scans (Wortsman et al., "Robust fine-tuning of zero-shot models", 2022).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extractor.errors import ModelError
from extractor.network import CROPS, LINE
from training.files import replacing, sha256_of
from training.keras_files import load_keras
from training.runs import RunError

FLOAT = {"crops": Path(CROPS).with_suffix(".keras").name, "line": Path(LINE).with_suffix(".keras").name}
"""Files of the float networks, which stand beside those that ship."""


def checksums(network: Path) -> dict[str, str]:
    """Return the SHA-256 of the float networks of a folder by their names.

    Args:
        network: The folder.

    Raises:
        ModelError: One of them is missing or cannot be read.
    """
    try:
        return {name: sha256_of(network / name) for name in FLOAT.values()}
    except OSError as error:
        raise ModelError(
            f"no float networks in {network}", f"training begins with {' and '.join(FLOAT.values())}"
        ) from error


def lay(network: Path, kind: str, build: Callable[[], Any], weights: Path) -> None:
    """Write the weights of a network's file as those that a training begins with, unless they are there.

    Args:
        network: Folder of the network to begin with.
        kind: ``crops`` or ``line``.
        build: Builds the network of the recipe; not called where the weights are there.
        weights: Where they are written.

    Raises:
        ModelError: The file is damaged.
        RunError: It is built otherwise than the recipe says.
    """
    if weights.exists():
        return
    path = network / FLOAT[kind]
    found, model = load_keras(path).get_weights(), build()
    if [values.shape for values in found] != [values.shape for values in model.get_weights()]:
        raise RunError(f"{path} is built otherwise than the recipe says", "change the recipe, or begin without --from")
    model.set_weights(found)
    with replacing(weights) as part:
        model.save_weights(part)


def between(
    before: Sequence[NDArray[np.float32]], after: Sequence[NDArray[np.float32]], share: float
) -> list[NDArray[np.float32]]:
    """Go a share of the way from some weights to others, array by array."""
    return [old + share * (new - old) for old, new in zip(before, after, strict=True)]
