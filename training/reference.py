"""Trains, exports, measures and writes the reference network: what `extractor` reads with.

Every stage leaves its result in the run folder and is passed over when it is there, so that an interrupted run goes on.
"""

from __future__ import annotations

import hashlib
import json
import platform
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extractor.classifier import Classifier
from extractor.errors import UsageError
from extractor.network import CARD, CROPS, FORMAT, LINE
from training import crop_network, line_network
from training.backend import tensorflow
from training.examples import make_shards
from training.export import Precision, to_tflite
from training.files import replacing, write_bytes, write_text
from training.glyphs import SOURCES, load_bank
from training.hypotheses import Hypotheses
from training.models import lone_geometry
from training.recipe import toml_text
from training.reference_recipe import ReferenceRecipe, load
from training.runs import RECIPE

MNIST_TRAIN = 55_000
"""MNIST's training pictures that the network learns from; the other 5,000 of the 60,000 validate."""
PRECISION: Precision = "float16"
"""Of the shipped files: half the size of float32."""
ATTRIBUTION = (
    "MNIST (LeCun, Cortes, Burges), CC BY-SA 3.0, the 60,000 training digits",
    "BHMSDS, Basic Handwritten Math Symbols Dataset (wblachowski), MIT",
    "Semeion Handwritten Digit (Semeion Research Center, UCI), CC BY 4.0",
    "Optical Recognition of Handwritten Digits (Alpaydin, Kaynak, UCI), CC BY 4.0",
    "Hand-Written letters (Bishwaprotapi), MIT; not used as digits",
    "DHSD words (Riaz, Saifullah, Agne, Dengel, Ahmed), CC BY 4.0; not used as digits",
    "digits drawn by the stroke model in training/handwriting.py",
)


def train(recipe_path: Path, data: Path, run: Path, **overrides: float | int) -> dict[str, Any]:
    """Train the reference network into a run folder.

    Args:
        recipe_path: The recipe.
        data: Folder with ``digits/`` and ``letters/``.
        run: Where everything is kept; the network is in its ``network`` folder.
        overrides: ``epochs``, ``batch_size``, ``learning_rate``, ``seed`` of both networks; ``limit``: lines of
            examples.

    Returns:
        The card.
    """
    recipe = _overridden(load(recipe_path), overrides)
    _open_run(recipe, run)
    started = time.perf_counter()
    shards = example_shards(recipe, data, run)
    _log(f"examples: {len(shards)} shards")
    network = run / "network"
    validation = mnist_validation(data)
    crops = _crops(recipe, data, shards, run, validation)
    line = _line(recipe, shards, run)
    for model, name in ((crops, CROPS), (line, LINE)):
        write_bytes(network / name, to_tflite(model, PRECISION))
        with replacing((network / name).with_suffix(".keras")) as path:
            model.save(path)
    metrics = {"mnist_validation_accuracy_float": crop_network.accuracy(crops, validation)}
    card = make_card(recipe, network, data, metrics, time.perf_counter() - started)
    write_text(network / CARD, json.dumps(card, indent=2) + "\n")
    return write_metrics(network, data)


def _open_run(recipe: ReferenceRecipe, run: Path) -> None:
    """Begin a run, or make sure that what the folder holds was begun with the same recipe."""
    path = run / RECIPE
    text = toml_text(recipe.model_dump(exclude_none=True))
    if not path.exists():
        write_text(path, text)
    elif path.read_text(encoding="utf-8") != text:
        raise UsageError(
            f"{run} holds a run of other settings", "choose another folder with --run, or begin anew with --fresh"
        )


def example_shards(recipe: ReferenceRecipe, data: Path, run: Path) -> list[Path]:
    """Make the shards of a recipe that are not there yet, and list all of them."""
    settings = recipe.examples
    folder = run / "examples"
    digits = make_shards(data, folder, settings.seed, "digits", settings.shards, settings.workers)
    return digits + make_shards(data, folder, settings.seed, "words", settings.word_shards, settings.workers)


def mnist_validation(data: Path) -> Hypotheses:
    """The 5,000 digits of MNIST's training part that nothing learns from."""
    with np.load(data / "digits" / "mnist.npz") as archive:
        return lone(archive["x_train"][MNIST_TRAIN:], archive["y_train"][MNIST_TRAIN:])


def lone(pictures: NDArray[np.uint8], labels: NDArray[np.integer[Any]]) -> Hypotheses:
    """Dress isolated digits as candidates without surroundings."""
    return Hypotheses(pictures, np.zeros_like(pictures), lone_geometry(pictures), labels.astype(np.int8))


def make_card(
    recipe: ReferenceRecipe, network: Path, data: Path, metrics: dict[str, float], seconds: float
) -> dict[str, Any]:
    """Describe a network: what it is made of, how it is made again, and what it was measured at.

    Args:
        recipe: How it was trained.
        network: Folder with both LiteRT files.
        data: Folder of the sets.
        metrics: What was measured so far.
        seconds: How long it took.
    """
    names = [f"digits/{source}.npz" for source in SOURCES] + ["letters/letters_hw62.npz", "letters/dhsd_words.npz"]
    return {
        "format": FORMAT,
        "name": "digits reference network",
        "licence": "MIT",
        "sha256": {name: _sha256(network / name) for name in (CROPS, LINE)},
        "command": "digits train reference --data FOLDER",
        "recipe": recipe.model_dump(mode="json"),
        "trained_on": list(ATTRIBUTION),
        "data_sha256": {name: _sha256(data / name) for name in names},
        "tensorflow": tensorflow().__version__,
        "python": platform.python_version(),
        "minutes": round(seconds / 60, 1),
        "metrics": metrics,
        "reading": {"temperature": 1.0},
    }


def write_metrics(network: Path, data: Path) -> dict[str, Any]:
    """Measure the exported crop network on MNIST's test set, write the result on the card, and return the card."""
    with np.load(data / "digits" / "mnist.npz") as archive:
        test = lone(archive["x_test"], archive["y_test"])
    classifier = Classifier(network)
    said = classifier.log_probabilities(test.digits, test.context, test.geometry)
    card: dict[str, Any] = json.loads((network / CARD).read_text(encoding="utf-8"))
    card["metrics"]["mnist_test_accuracy"] = float(np.mean(said[:, :10].argmax(axis=1) == test.labels))
    card["metrics"]["mnist_test_rejected"] = float(np.mean(said.argmax(axis=1) >= 10))
    write_text(network / CARD, json.dumps(card, indent=2) + "\n")
    _log(f"MNIST test: {card['metrics']}")
    return card


def _crops(recipe: ReferenceRecipe, data: Path, shards: list[Path], run: Path, validation: Hypotheses) -> Any:
    weights = run / "crops.weights.h5"
    if weights.exists():
        model = crop_network.build(recipe.crops)
        model.load_weights(weights)
    else:
        bank = load_bank(data, mnist_train=MNIST_TRAIN)
        lone_glyphs = crop_network.lone_examples(bank, recipe.crops)
        examples = crop_network.load_examples(shards, lone_glyphs)
        _log(f"crops: {len(examples.labels)} examples, by class {np.bincount(examples.labels).tolist()}")
        model = crop_network.fit(
            recipe.crops, examples, len(lone_glyphs.labels), validation, run / "checkpoints-crops", _log
        )
        with replacing(weights) as path:
            model.save_weights(path)
    return model


def _line(recipe: ReferenceRecipe, shards: list[Path], run: Path) -> Any:
    weights = run / "line.weights.h5"
    if weights.exists():
        model = line_network.build(recipe.line)
        model.load_weights(weights)
    else:
        lines = line_network.load_lines(shards[1:])
        held = line_network.load_lines(shards[:1])
        _log(f"line: {len(lines.pictures)} lines")
        model = line_network.fit(recipe.line, lines, held, run / "checkpoints-line", _log)
        with replacing(weights) as path:
            model.save_weights(path)
    return model


def _overridden(recipe: ReferenceRecipe, overrides: dict[str, float | int]) -> ReferenceRecipe:
    values = recipe.model_dump()
    for name, value in overrides.items():
        if name == "limit":
            values["examples"]["shards"] = max(2, int(value) // 500)
        else:
            for part in ("crops", "line"):
                values[part][name] = value
    return ReferenceRecipe.model_validate(values)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _log(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)
