"""Training a recipe: the same seed gives the same history, also when a run is killed and goes on."""

from __future__ import annotations

import csv
import io
import math
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training import augmentation, backend, evaluate, models, networks, runs
from training.checkpoint import Checkpoint, Epoch
from training.datasets import Digits, TrainingData, scale
from training.files import replacing, write_bytes, write_text
from training.recipe import Recipe
from training.recipe import load as load_recipe

VALIDATION_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Watcher:
    """Who is told how the training goes.

    Attributes:
        on_batch: Called with the epoch, from 1, and the share of it that is done.
        on_epoch: Called after each epoch.
        on_resume: Called with the last epoch of the checkpoint that the run goes on from.
    """

    on_batch: Callable[[int, float], None] = lambda epoch, share: None
    on_epoch: Callable[[Epoch], None] = lambda epoch: None
    on_resume: Callable[[int], None] = lambda epoch: None


def train(recipe: Recipe, data: TrainingData, run: Path, watcher: Watcher | None = None) -> dict[str, Any]:
    """Train a recipe into a run folder, or go on where a killed run of the same recipe and data stopped.

    Args:
        recipe: What to train.
        data: What on.
        run: The folder; see `training.runs`. A complete run of the same recipe and data is left as it is.
        watcher: Who is told how it goes.

    Returns:
        The card, as in ``card.json``.

    Raises:
        RunError: The folder holds another run, or something else.
        DigitsError: TensorFlow is missing, or a file cannot be written.
    """
    watcher = watcher or Watcher()
    _open_run(recipe, data, run)
    if (run / runs.CARD).is_file():
        return runs.read_card(run)
    started = time.monotonic()
    fitting, validation = split(data.train, recipe)
    state = _Fit(recipe, fitting, validation, watcher)
    if (run / runs.CHECKPOINT).is_file():
        state.restore(Checkpoint.load(run / runs.CHECKPOINT))
        watcher.on_resume(len(state.history))
    write_text(run / runs.HISTORY, history_csv(state.history))
    while not finished(state.history, recipe):
        state.run_epoch()
        state.checkpoint().save(run / runs.CHECKPOINT)
        write_text(run / runs.HISTORY, history_csv(state.history))
        watcher.on_epoch(state.history[-1])
    card = _finish(state, data, run, time.monotonic() - started)
    (run / runs.CHECKPOINT).unlink(missing_ok=True)
    return card


def split(digits: Digits, recipe: Recipe) -> tuple[Digits, Digits]:
    """Shuffle by the recipe's seed, keep `limit` images, and hold back the last share for validation.

    Args:
        digits: The training part of a data set.
        recipe: Names the seed, the limit and the share.

    Returns:
        The digits to fit on and those to validate on, at least one of each.
    """
    training = recipe.training
    order = np.random.default_rng([training.seed, 0]).permutation(len(digits))[: training.limit]
    held_back = min(max(1, round(len(order) * training.validation_split)), len(order) - 1)
    return digits.take(order[:-held_back]), digits.take(order[-held_back:])


def best_epoch(history: list[Epoch]) -> int:
    """Return the epoch, from 1, of the lowest validation loss; the first of equals."""
    return min(history, key=lambda row: (row.val_loss, row.epoch)).epoch


def finished(history: list[Epoch], recipe: Recipe) -> bool:
    """Tell whether a run is at its last epoch, or has waited in vain for a better one."""
    training = recipe.training
    if len(history) >= training.epochs:
        return True
    return bool(training.patience and history and len(history) - best_epoch(history) >= training.patience)


def history_csv(history: list[Epoch]) -> str:
    """Write a history as CSV, every number in full."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["epoch", "loss", "accuracy", "val_loss", "val_accuracy"])
    table.writerows([row.epoch, row.loss, row.accuracy, row.val_loss, row.val_accuracy] for row in history)
    return text.getvalue()


def read_history(run: Path, name: str = runs.HISTORY) -> list[Epoch]:
    """Read the history of a run.

    Args:
        run: A run folder.
        name: Of the file.

    Raises:
        RunError: There is none, or it is damaged.
    """
    path = run / name
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            table = csv.DictReader(stream)
            rows = [Epoch(int(row.pop("epoch")), **{name: float(row[name]) for name in row}) for row in table]
    except FileNotFoundError as error:
        raise runs.RunError(f"{run} holds no run: it has no {name}", "digits train makes one") from error
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise runs.RunError(f"{path} is damaged", "train the run again with --fresh") from error
    if not rows:
        raise runs.RunError(f"{path} holds no epoch yet")
    return rows


class _Fit:
    """A model in training."""

    def __init__(self, recipe: Recipe, fitting: Digits, validation: Digits, watcher: Watcher) -> None:
        self.recipe = recipe
        self.fitting = fitting
        self.watcher = watcher
        self.history: list[Epoch] = []
        self.keras = backend.tensorflow().keras
        self.keras.utils.set_random_seed(recipe.training.seed)
        self.model = networks.build(recipe.network)
        self.model.compile(
            optimizer=self.keras.optimizers.Adam(recipe.training.learning_rate),
            loss=recipe.training.loss,
            metrics=["accuracy"],
            # Compiling costs seconds on a CPU, where it speeds up such small networks little.
            jit_compile=False,
        )
        self.model.optimizer.build(self.model.trainable_variables)
        # The metrics' own variables start anew in each epoch.
        self.variables = list(self.model.variables)
        self.best = _values(self.variables)
        self.validation = (scale(validation.x), self._targets(validation.y))

    def run_epoch(self) -> None:
        """Train one epoch; its order and its distortions depend on the seed and its number alone."""
        training = self.recipe.training
        number = len(self.history) + 1
        rng = np.random.default_rng([training.seed, number])
        digits = self.fitting.take(rng.permutation(len(self.fitting)))
        images = digits.x
        if self.recipe.augmentation is not None:
            images = augmentation.distort(images, self.recipe.augmentation, rng)
        steps = math.ceil(len(digits) / training.batch_size)
        report = self.keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda batch, logs: self.watcher.on_batch(number, (batch + 1) / steps)
        )
        logs = self.model.fit(
            scale(images),
            self._targets(digits.y),
            batch_size=training.batch_size,
            shuffle=False,
            validation_data=self.validation,
            validation_batch_size=VALIDATION_BATCH,
            callbacks=[report],
            verbose=0,
        ).history
        row = Epoch(number, *(float(logs[name][0]) for name in ("loss", "accuracy", "val_loss", "val_accuracy")))
        self.history.append(row)
        if best_epoch(self.history) == number:
            self.best = _values(self.variables)

    def checkpoint(self) -> Checkpoint:
        """Return the state after the last epoch."""
        return Checkpoint(
            tuple(self.history), _values(self.variables), _values(self.model.optimizer.variables), self.best
        )

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go back to a state.

        Raises:
            RunError: It is of another network.
        """
        self.history = list(checkpoint.history)
        self.best = checkpoint.best
        try:
            _assign(self.variables, checkpoint.variables)
            _assign(self.model.optimizer.variables, checkpoint.optimizer)
        except ValueError as error:
            raise runs.RunError("The checkpoint is of another network", "--fresh begins the run anew") from error

    def choose_weights(self) -> int:
        """Take the weights that the recipe asks for, and return their epoch."""
        if not self.recipe.training.patience:
            return len(self.history)
        _assign(self.variables, self.best)
        return best_epoch(self.history)

    def _targets(self, labels: NDArray[np.uint8]) -> NDArray[Any]:
        if self.recipe.training.loss == "categorical_crossentropy":
            return np.eye(networks.CLASSES, dtype=np.float32)[labels]
        return labels.astype(np.int32)


def _open_run(recipe: Recipe, data: TrainingData, run: Path) -> None:
    """Make the run folder, or see that it is of this recipe and these data."""
    runs.remove_partial(run)
    path = run / runs.RECIPE
    text = f"# data: {data.name}, sha256 {data.sha256}\n{recipe.to_toml()}"
    if not path.is_file():
        if run.is_dir() and any(run.iterdir()):
            raise runs.RunError(f"{run} is not empty and holds no run", "choose another folder with --run")
        networks.parameter_count(recipe.network)
        write_text(path, text)
        return
    if load_recipe(path) != recipe or path.read_text(encoding="utf-8").partition("\n")[0] != text.partition("\n")[0]:
        raise runs.RunError(
            f"{run} holds a run of another recipe or other data", "--fresh replaces it; --run names another folder"
        )


def _finish(state: _Fit, data: TrainingData, run: Path, seconds: float) -> dict[str, Any]:
    """Write everything that a complete run has; the card last."""
    epoch = state.choose_weights()
    with replacing(run / runs.KERAS) as temporary:
        state.model.save(temporary)
    write_bytes(run / runs.TFLITE, networks.to_tflite(state.model))
    if state.recipe.export.saved_model:
        networks.export_saved_model(state.model, run / runs.SAVED_MODEL)
    # What is measured is the file that is used, not the model it was made from.
    said = models.PlainLiteRT(run / runs.TFLITE).log_probabilities(data.test.x)
    runs.write_predictions(run, runs.Predictions(data.test.x, data.test.y, said))
    test = evaluate.score(said, data.test.y)
    card = {
        "recipe": state.recipe.name,
        "recipe_sha256": state.recipe.sha256(),
        "parameters": networks.parameter_count(state.recipe.network),
        "input": "float32 (N, 28, 28): MNIST crops, ink 1 on paper 0",
        "output": "float32 (N, 10): probabilities of the digits 0 to 9",
        "data": {
            "name": data.name,
            "sha256": data.sha256,
            "train": len(state.fitting),
            "validation": len(state.validation[0]),
            "test": len(data.test),
            "note": data.note,
        },
        "seed": state.recipe.training.seed,
        "epochs": len(state.history),
        "epoch_of_weights": epoch,
        "validation_accuracy": state.history[epoch - 1].val_accuracy,
        "test": {
            "accuracy": test.accuracy,
            "interval": [test.interval.low, test.interval.high],
            "loss": test.loss,
            "ece": test.ece,
        },
        "seconds": round(seconds, 1),
        "software": {
            "python": platform.python_version(),
            "tensorflow": backend.tensorflow().__version__,
            "keras": state.keras.__version__,
            "numpy": np.__version__,
        },
    }
    runs.write_card(run, card)
    return runs.read_card(run)


def _values(variables: list[Any]) -> tuple[NDArray[Any], ...]:
    return tuple(np.asarray(variable.numpy()) for variable in variables)


def _assign(variables: list[Any], values: tuple[NDArray[Any], ...]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
