"""Trains, exports, measures and writes the reference network: what `extractor` reads with.

Every stage leaves its result in the run folder and is passed over when it is there, so that an interrupted run goes on.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from extractor.network import CARD, CROPS, FORMAT, LINE
from training import backend, beginning, crop_network, line_network, rejection, runs
from training.backend import tensorflow
from training.datasets import Digits
from training.deployment import network_file
from training.examples import make_shards
from training.files import replacing, sha256_of, write_bytes, write_text
from training.glyphs import load_bank
from training.hypotheses import Hypotheses
from training.journal import Journal
from training.models import LoneDigits, lone_geometry
from training.recipe import RecipeError, toml_text
from training.reference_data import FILES, check, folder_of
from training.reference_recipe import CropSettings, LineSettings, ReferenceRecipe

MNIST_TRAIN = 55_000
"""MNIST's training pictures that the network learns from; the other 5,000 of the 60,000 validate."""
ATTRIBUTION = (
    "MNIST (LeCun, Cortes, Burges), CC BY-SA 3.0, the 60,000 training digits",
    "BHMSDS, Basic Handwritten Math Symbols Dataset (wblachowski), MIT",
    "Semeion Handwritten Digit (Semeion Research Center, UCI), CC BY 4.0",
    "Optical Recognition of Handwritten Digits (Alpaydin, Kaynak, UCI), CC BY 4.0",
    "Hand-Written letters (Bishwaprotapi), MIT; not used as digits",
    "DHSD words (Riaz, Saifullah, Agne, Dengel, Ahmed), CC BY 4.0; not used as digits",
    "digits drawn by the stroke model in training/handwriting.py",
)


def train(
    recipe: ReferenceRecipe, data: Path, run: Path, journal: Journal, begin: Path | None = None
) -> dict[str, Any]:
    """Train the reference network into a run folder, or go on where a killed run of the same recipe stopped.

    Args:
        recipe: What to train.
        data: Folder with ``digits/`` and ``letters/``, or MNIST's file in it.
        run: Where everything is kept; the network is in its ``network`` folder. A complete run of the same recipe is
            left as it is.
        journal: Who is told how it goes.
        begin: Folder of a network whose weights the training begins with; random ones when None.

    Returns:
        The card.

    Raises:
        DatasetError: A set is missing, damaged or of another shape.
        ModelError: There is no float network to begin with, or it is damaged.
        RunError: The folder holds another run, or something else; or the network to begin with is built otherwise.
        StorageError: Writing failed.
    """
    data = folder_of(data)
    note = check(data, MNIST_TRAIN)
    if note:
        journal(note)
    began_with = {} if begin is None else beginning.checksums(begin)
    _open_run(recipe, run, began_with)
    if runs.is_complete(run):
        journal(f"{run} is complete already; --fresh begins it anew")
        return runs.network_card(run)
    started = time.perf_counter()
    try:
        with backend.storage_errors(run):
            if begin is not None:
                builds = {
                    "crops": partial(crop_network.build, recipe.crops),
                    "line": partial(line_network.build, recipe.line),
                }
                for name, build in builds.items():
                    beginning.lay(begin, name, build, _beginning_of(run, name))
            return _train(recipe, data, run, journal, started, began_with)
    except tensorflow().errors.DataLossError as error:
        raise runs.RunError(f"A checkpoint in {run} is damaged", "--fresh begins the run anew") from error
    finally:
        runs.remove_partial(run)


def _train(
    recipe: ReferenceRecipe, data: Path, run: Path, journal: Journal, started: float, began_with: dict[str, str]
) -> dict[str, Any]:
    shards = example_shards(recipe, data, run)
    journal(f"examples: {len(shards)} shards")
    network = run / runs.NETWORK
    validation = mnist_validation(data)
    crops = _crops(recipe, data, shards, run, validation, journal)
    line = _line(recipe, shards, run, journal)
    for model, name in ((crops, CROPS), (line, LINE)):
        write_bytes(network / name, network_file(name, model))
        with replacing((network / name).with_suffix(".keras")) as path:
            model.save(path)
    metrics = {"mnist_validation_accuracy_float": crop_network.accuracy(crops, validation)}
    card = make_card(recipe, network, data, metrics, time.perf_counter() - started)
    if began_with:
        card["began_with"] = began_with
    write_text(network / CARD, json.dumps(card, indent=2) + "\n")
    card = write_metrics(network, data, run)
    journal(f"MNIST test: {card['metrics']['mnist_test_accuracy']:.2%} right")
    return card


def _open_run(recipe: ReferenceRecipe, run: Path, began_with: dict[str, str]) -> None:
    """Begin a run, or make sure that what the folder holds was begun with the same recipe and weights."""
    runs.remove_partial(run)
    path = run / runs.RECIPE
    notes = "".join(f"# begins with {name}, sha256 {checksum}\n" for name, checksum in began_with.items())
    text = notes + toml_text(recipe.model_dump(exclude_none=True))
    if not path.exists():
        if run.is_dir() and any(run.iterdir()):
            raise runs.RunError(f"{run} is not empty and holds no run", "choose another folder with --run")
        write_text(path, text)
    elif path.read_text(encoding="utf-8") != text:
        raise runs.RunError(
            f"{run} holds a run of another recipe or other settings", "--fresh replaces it; --run names another folder"
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
    return {
        "format": FORMAT,
        "name": "digits reference network",
        "licence": "MIT",
        "sha256": {name: sha256_of(network / name) for name in (CROPS, LINE)},
        "command": "digits train reference --data FOLDER",
        "recipe": recipe.model_dump(mode="json"),
        "trained_on": list(ATTRIBUTION),
        "data_sha256": {name: sha256_of(data / name) for name in FILES},
        "tensorflow": tensorflow().__version__,
        "python": platform.python_version(),
        "minutes": round(seconds / 60, 1),
        "metrics": metrics,
        "reading": {"temperature": 1.0},
    }


def write_metrics(network: Path, data: Path, run: Path | None = None) -> dict[str, Any]:
    """Measure the exported crop network, write the result on its card, and return the card.

    Args:
        network: Its folder.
        data: Folder of the sets.
        run: Where to keep what it said about MNIST's test set, from which the figures are drawn; nowhere when None.
    """
    with np.load(data / "digits" / "mnist.npz") as archive:
        test = Digits(archive["x_test"], archive["y_test"].astype(np.uint8))
    classifier = LoneDigits(network)
    validation = mnist_validation(data)
    read = classifier.log_probabilities(validation.digits)[:, :10].argmax(axis=1)
    said = classifier.log_probabilities(test.x)
    if run is not None:
        runs.write_predictions(run, runs.Predictions(test.x, test.y, said))
    card: dict[str, Any] = json.loads((network / CARD).read_text(encoding="utf-8"))
    card["metrics"] |= {
        "mnist_validation_accuracy": float(np.mean(read == validation.labels)),
        "mnist_test_accuracy": float(np.mean(said[:, :10].argmax(axis=1) == test.y)),
        "mnist_test_rejected": float(np.mean(said.argmax(axis=1) >= 10)),
        "rejection": rejection.measure(classifier, data, rejection.COUNT).to_dict(),
    }
    write_text(network / CARD, json.dumps(card, indent=2) + "\n")
    return card


def _crops(
    recipe: ReferenceRecipe, data: Path, shards: list[Path], run: Path, validation: Hypotheses, journal: Journal
) -> Any:
    def fit(settings: CropSettings, stage: str, start: Path | None, done: int) -> Any:
        bank = load_bank(data, mnist_train=MNIST_TRAIN)
        lone_glyphs = crop_network.lone_examples(bank, settings)
        examples = crop_network.load_examples(shards, lone_glyphs)
        count = len(lone_glyphs.labels)
        if settings.batch_size > count:
            raise RecipeError(f"crops.batch_size {settings.batch_size:,} exceeds the {count:,} isolated digits")
        journal(f"{stage}: {len(examples.labels)} examples, by class {np.bincount(examples.labels).tolist()}")
        journal.begin(stage, done + settings.epochs)
        return crop_network.fit(
            settings, examples, count, validation, run / f"checkpoints-{stage}", journal, start, done
        )

    return _stages(recipe.crops, "crops", crop_network.build, fit, run)


def _line(recipe: ReferenceRecipe, shards: list[Path], run: Path, journal: Journal) -> Any:
    def fit(settings: LineSettings, stage: str, start: Path | None, done: int) -> Any:
        lines = line_network.load_lines(shards[1:])
        held = line_network.load_lines(shards[:1])
        journal(f"{stage}: {len(lines.pictures)} lines")
        journal.begin(stage, done + settings.epochs)
        return line_network.fit(settings, lines, held, run / f"checkpoints-{stage}", journal, start, done)

    return _stages(recipe.line, "line", line_network.build, fit, run)


Settings = TypeVar("Settings", CropSettings, LineSettings)


def _stages(
    settings: Settings,
    name: str,
    build: Callable[[Settings], Any],
    fit: Callable[[Settings, str, Path | None, int], Any],
    run: Path,
) -> Any:
    """Train a network stage by stage; what an earlier attempt completed is loaded."""
    stages = [(name, settings)]
    if settings.settle is not None:
        stages.append((f"{name}-settled", settings.settled(settings.settle)))
    first = _beginning_of(run, name)
    model, start, done = None, first if first.exists() else None, 0
    for stage, chosen in stages:
        weights = run / f"{stage}.weights.h5"
        if weights.exists():
            model = _restored(build(chosen), weights)
        else:
            model = fit(chosen, stage, start, done)
            with replacing(weights) as path:
                model.save_weights(path)
        start, done = weights, done + chosen.epochs
    if first.exists() and model is not None and settings.kept:
        before = _restored(build(settings), first).get_weights()
        model.set_weights(beginning.between(before, model.get_weights(), 1 - settings.kept))
    return model


def _beginning_of(run: Path, name: str) -> Path:
    """Where the weights are kept that a network's training begins with."""
    return run / f"{name}-beginning.weights.h5"


def _restored(model: Any, weights: Path) -> Any:
    try:
        model.load_weights(weights)
    except (OSError, ValueError, KeyError) as error:
        raise runs.RunError(f"{weights} is damaged", "remove the file: its network is trained again") from error
    return model
