"""The folder of a training run: what is in it, and how it is read back.

========================  ====================================================================================
``recipe.toml``           the recipe as run, with every override
``history.csv``           one row an epoch
``weights.keras``         the float network
``weights.tflite``        the same for LiteRT; what ``--model`` takes
``saved_model/``          the same for TensorFlow, when the recipe asks for it
``predictions.npz``       the test images, their labels and what the network said: what the plots are drawn from
``card.json``             data, metrics, checksums, versions; written last, so it marks the run as complete
``plots/``                figures
``checkpoint.npz``        only while the run is under way
========================  ====================================================================================
"""

from __future__ import annotations

import json
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extractor.errors import ModelError, UsageError
from training.files import PARTIAL, remove, replacing, sha256_of, write_text

RECIPE = "recipe.toml"
HISTORY = "history.csv"
KERAS = "weights.keras"
TFLITE = "weights.tflite"
SAVED_MODEL = "saved_model"
PREDICTIONS = "predictions.npz"
CARD = "card.json"
PLOTS = "plots"
CHECKPOINT = "checkpoint.npz"
NETWORK = "network"
"""Folder of a network like the shipped one, which the reference recipe writes; its card is in it."""
HISTORIES = {"crops": "history-crops.csv", "line": "history-line.csv"}
"""Histories of the two networks of the reference recipe."""

ALL_NAMES = (RECIPE, HISTORY, KERAS, TFLITE, SAVED_MODEL, PREDICTIONS, CARD, PLOTS, CHECKPOINT)
STAGES = ("crops", "crops-settled", "line", "line-settled")
"""Stages of the reference recipe's training."""
BEGINNINGS = ("crops-beginning", "line-beginning")
"""Weights of another network that its training began with, if any."""
REFERENCE_NAMES = (
    *HISTORIES.values(),
    "examples",
    NETWORK,
    *(f"checkpoints-{stage}" for stage in STAGES),
    *(f"{stage}.weights.h5" for stage in (*STAGES, *BEGINNINGS)),
)
"""What the reference recipe writes besides its recipe."""
CHECKPOINT_PARTS = ("ckpt-*_temp", "*.tempstate*", "checkpoint.tmp*")
"""What TensorFlow's checkpoints are called before they are whole."""


class RunError(UsageError):
    """A run folder that is missing, damaged or of another run."""

    code = "run"


@dataclass(frozen=True, slots=True)
class Predictions:
    """What a network said about a test set.

    Attributes:
        x: (N, 28, 28) uint8.
        y: (N,) uint8, the truth.
        log_probabilities: (N, 10) float32.
    """

    x: NDArray[np.uint8]
    y: NDArray[np.uint8]
    log_probabilities: NDArray[np.float32]


def clear(run: Path) -> None:
    """Remove what a run wrote, and nothing else.

    Args:
        run: A run folder.

    Raises:
        RunError: The folder holds something, but no run.
    """
    if run.is_dir() and any(run.iterdir()) and not (run / RECIPE).is_file():
        raise RunError(f"{run} is not empty and holds no run", "choose another folder with --run")
    for name in (*ALL_NAMES, *REFERENCE_NAMES):
        remove(run / name)


def remove_partial(run: Path) -> None:
    """Remove what a killed process left half-written.

    Args:
        run: A run folder, which need not exist.
    """
    for pattern in (f"{PARTIAL}*", *CHECKPOINT_PARTS):
        for path in list(run.rglob(pattern)):
            remove(path)


def write_card(run: Path, card: dict[str, Any]) -> None:
    """Write the card with the checksums of the network files, which completes the run.

    Args:
        run: A run folder.
        card: JSON values.

    Raises:
        StorageError: Writing failed.
    """
    checksums = {name: sha256_of(run / name) for name in (KERAS, TFLITE)}
    write_text(run / CARD, json.dumps({**card, "sha256": checksums}, indent=2) + "\n")


def is_reference(run: Path) -> bool:
    """Tell whether a folder holds a run of the reference recipe whose network is there."""
    return (run / NETWORK / CARD).is_file()


def is_complete(run: Path) -> bool:
    """Tell whether a folder holds a complete run of the reference recipe: a network, and what it said."""
    return is_reference(run) and "mnist_test_accuracy" in network_card(run).get("metrics", {})


def network_card(run: Path) -> dict[str, Any]:
    """Read the card of the network in a run of the reference recipe.

    Args:
        run: A run folder.

    Raises:
        RunError: There is none, or it is damaged.
    """
    return read_card(run / NETWORK)


def recipe_name(run: Path) -> str:
    """Return the name of the recipe that a complete run was made by.

    Args:
        run: A run folder.

    Raises:
        RunError: There is no complete run, or its card is damaged.
    """
    recipe = (network_card(run) if is_reference(run) else read_card(run)).get("recipe")
    return str(recipe.get("name") if isinstance(recipe, dict) else recipe or run.name)


def read_card(run: Path) -> dict[str, Any]:
    """Read the card of a complete run.

    Args:
        run: A run folder.

    Raises:
        RunError: There is no complete run, or its card is damaged.
    """
    if not (run / CARD).is_file():
        raise RunError(f"{run} holds no complete run: it has no {CARD}", "digits train makes one")
    try:
        card = json.loads((run / CARD).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{run / CARD} is damaged") from error
    if not isinstance(card, dict):
        raise RunError(f"{run / CARD} is damaged")
    return card


def check_weights(path: Path, card: Path) -> None:
    """Hold a network file to the checksum on its card.

    Args:
        path: The network file.
        card: A ``card.json`` that may name its checksum under ``sha256``.

    Raises:
        ModelError: The file cannot be read, or is not the one that the card describes.
    """
    try:
        actual = sha256_of(path)
    except OSError as error:
        raise ModelError(f"Cannot read the network {path}: {error.strerror}") from error
    if not card.is_file():
        return
    checksums = read_card(card.parent).get("sha256")
    expected = checksums.get(path.name) if isinstance(checksums, dict) else None
    if expected is not None and actual != expected:
        raise ModelError(f"{path} is damaged: its sha256 is not the one in {card.name}", "train or fetch it again")


def write_predictions(run: Path, predictions: Predictions) -> None:
    """Store what the network said about the test set.

    Args:
        run: A run folder.
        predictions: What it said.

    Raises:
        StorageError: Writing failed.
    """
    with replacing(run / PREDICTIONS) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(
            stream,
            allow_pickle=False,
            x=predictions.x,
            y=predictions.y,
            log_probabilities=predictions.log_probabilities,
        )


def read_predictions(run: Path) -> Predictions:
    """Read what `write_predictions` wrote.

    Args:
        run: A run folder.

    Raises:
        RunError: The file is missing or damaged.
    """
    try:
        with np.load(run / PREDICTIONS, allow_pickle=False) as archive:
            return Predictions(archive["x"], archive["y"], archive["log_probabilities"])
    except FileNotFoundError as error:
        raise RunError(f"{run} holds no complete run: it has no {PREDICTIONS}", "digits train makes one") from error
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise RunError(f"{run / PREDICTIONS} is damaged", "train the run again with --fresh") from error
