"""The commands around networks: ``digits recipes``, ``train``, ``plot``, ``evaluate`` and ``predict``.

Everything heavy is imported inside the commands.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from extractor.errors import DigitsError, ExitCode, UsageError

DATA_HELP = "npz file, idx file or folder; MNIST from Keras when absent."
MODEL_HELP = "Run folder, .tflite or .keras file; the shipped network when absent."

data_option = click.option("--data", type=click.Path(path_type=Path), envvar="DIGITS_DATA", help=DATA_HELP)
model_option = click.option("--model", type=click.Path(path_type=Path), envvar="DIGITS_MODEL", help=MODEL_HELP)


@click.command("recipes")
@click.option("--format", "output_format", type=click.Choice(["text", "json"]), default="text", show_default=True)
def recipes_command(output_format: str) -> None:
    """List the recipes that `digits train` knows, with size and expected accuracy."""
    from training import networks, recipe

    rows = []
    for path in recipe.built_in():
        header = recipe.load_header(path)
        size = header.parameters
        if size is None:
            size = networks.parameter_count(recipe.load(path).network)
        rows.append((header.name, size, header.expected_accuracy, header.title))
    if output_format == "json":
        keys = ("name", "parameters", "expected_accuracy", "title")
        click.echo(json.dumps([dict(zip(keys, row, strict=True)) for row in rows], indent=2))
        return
    width = max(len(row[0]) for row in rows)
    click.echo(f"{'recipe':{width}}  parameters  accuracy  ")
    for name, size, accuracy, title in rows:
        click.echo(f"{name:{width}}  {size:10,d}  {accuracy:8.2%}  {title}")


@click.command("train")
@click.argument("recipe")
@data_option
@click.option("--run", type=click.Path(path_type=Path), help="Folder of the run.  [default: runs/RECIPE]")
@click.option("--epochs", type=click.IntRange(min=1), help="Override the recipe's epochs.")
@click.option("--batch-size", type=click.IntRange(min=1), help="Override the recipe's batch size.")
@click.option("--learning-rate", type=click.FloatRange(min=0, min_open=True), help="Override the recipe's step size.")
@click.option("--seed", type=click.IntRange(min=0, max=2**31 - 1), help="Override the recipe's seed.")
@click.option("--limit", type=click.IntRange(min=2), help="Train on this many images only.")
@click.option(
    "--from",
    "begin",
    type=click.Path(path_type=Path),
    help="Begin the reference recipe with the weights of the network in this folder.",
)
@click.option("--fresh", is_flag=True, help="Begin anew where the folder holds a run already.")
def train_command(
    recipe: str,
    data: Path | None,
    run: Path | None,
    begin: Path | None,
    fresh: bool,
    **overrides: float | int | None,
) -> None:
    """Train RECIPE, a name from `digits recipes` or a path to a .toml file, into a run folder.

    A run that was killed goes on where it stopped when the same command is given again.
    """
    from training import recipe as recipes

    path = recipes.find(recipe)
    header = recipes.load_header(path)
    run = run or Path("runs") / header.name
    given = {key: value for key, value in overrides.items() if value is not None}
    is_plain = header.parameters is None
    if is_plain and begin is not None:
        raise UsageError(
            f"{header.name} begins with random weights", "leave --from out; it is for the reference recipe"
        )
    try:
        if is_plain:
            _train_plain(path, data, run, fresh, given)
        else:
            _train_reference(path, data, run, fresh, given, begin)
    except KeyboardInterrupt:
        click.echo("Interrupted. The same command goes on after the last full epoch.", err=True)
        sys.exit(ExitCode.INTERRUPTED)


@click.command("plot")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--output", type=click.Path(path_type=Path), help="Folder for the figures.  [default: RUN/plots]")
def plot_command(run: Path, output: Path | None) -> None:
    """Draw the figures of RUN as PNG and SVG, and print their names."""
    from training import plots

    for path in plots.plot_run(run, output):
        click.echo(str(path))


@click.command("evaluate")
@model_option
@data_option
@click.option("--format", "output_format", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--corruptions/--no-corruptions", default=True, help="Also measure on corrupted digits.")
@click.option(
    "--rejection/--no-rejection", default=True, help="Also measure how surely a network like the shipped one rejects."
)
def evaluate_command(
    model: Path | None, data: Path | None, output_format: str, corruptions: bool, rejection: bool
) -> None:
    """Measure how well a network reads isolated digits: the MNIST test set, or the sets of --data."""
    from training import datasets, evaluate, models
    from training.rejection import to_text

    classifier = models.load(model)
    sets = datasets.load_evaluation(data)
    for item in sets:
        if item.note:
            click.echo(f"{item.name}: {item.note}", err=True)
    results = {item.name: evaluate.evaluate(classifier, item.digits) for item in sets}
    robustness = _robustness(classifier, sets[0].digits) if corruptions else {}
    rejected = _rejection(classifier, data) if rejection else None
    if output_format == "json":
        first, *others = results
        report: dict[str, Any] = {
            "model": None if model is None else str(model),
            "set": first,
            **results[first].to_dict(),
            "corruptions": {name: result.to_dict() for name, result in robustness.items()},
            "rejection": None if rejected is None else rejected.to_dict(),
            "sets": {name: results[name].to_dict() for name in others},
        }
        click.echo(json.dumps(report, indent=2))
        return
    for name, result in results.items():
        click.echo(evaluate.to_text(name, result))
    if robustness:
        click.echo(f"{sets[0].name}, corrupted:")
        for name, result in robustness.items():
            click.echo(f"  {name:14} {result.accuracy:8.2%}   calibration error {result.ece:.4f}")
        mean = sum(result.accuracy for result in robustness.values()) / len(robustness)
        click.echo(f"  {'mean':14} {mean:8.2%}")
    if rejected is not None:
        click.echo(to_text(rejected))


@click.command("predict")
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...", type=click.Path(path_type=Path))
@model_option
@click.option("--crops", type=click.Path(path_type=Path), help="Folder for each digit as the network saw it.")
@click.option("--format", "output_format", type=click.Choice(["text", "json"]), default="text", show_default=True)
def predict_command(images: tuple[Path, ...], model: Path | None, crops: Path | None, output_format: str) -> None:
    """Read pictures of one digit each: photographs, scans, or 28x28 pixels."""
    from extractor.documents import load_page
    from extractor.names import printable
    from training import models
    from training.predict import crop_digit, predict, write_crop

    classifier = models.load(model)
    failed = 0
    for number, path in enumerate(images, start=1):
        try:
            reading = predict(classifier, crop_digit(load_page(path, 1)))
        except DigitsError as error:
            failed += 1
            line, name = str(error), printable(str(path))
            click.echo(line if line.startswith(name) else f"{name}: {line}", err=True)
            continue
        if crops is not None:
            # Numbered, for two pictures of two folders may have one name.
            write_crop(reading.crop, crops / f"{number:03d}-{path.stem}.png")
        if output_format == "json":
            click.echo(json.dumps({"image": printable(str(path)), **reading.to_dict()}))
        else:
            doubt = f"  (no digit: {reading.not_a_digit:.1%})" if (reading.not_a_digit or 0) >= 0.5 else ""
            click.echo(f"{printable(str(path))}  {reading.digit}  {reading.confidence:.4f}{doubt}")
    if failed:
        sys.exit(ExitCode.NO_PAGE_READ if failed == len(images) else ExitCode.SOME_PAGES_FAILED)


def _train_plain(path: Path, data: Path | None, run: Path, fresh: bool, overrides: dict[str, Any]) -> None:
    from training import datasets, fit, plots, progress, recipe, runs

    chosen = recipe.load(path).override(**overrides)
    digits = datasets.load_training(data)
    if digits.note:
        click.echo(digits.note, err=True)
    if fresh:
        runs.clear(run)
    if (run / runs.CARD).is_file():
        click.echo(f"{run} is complete already; --fresh begins it anew", err=True)
    with progress.watching(chosen.training.epochs) as watcher:
        card = fit.train(chosen, digits, run, watcher)
    if not (run / runs.PLOTS).is_dir():
        plots.plot_run(run)
    test = card["test"]
    low, high = test["interval"]
    click.echo(
        f"{run}: {test['accuracy']:.2%} of {card['data']['test']} test digits read right "
        f"(95 % interval {low:.2%} to {high:.2%}), {card['parameters']:,} parameters, "
        f"{card['epochs']} epochs in {card['seconds']} s"
    )


def _train_reference(
    path: Path, data: Path | None, run: Path, fresh: bool, overrides: dict[str, Any], begin: Path | None
) -> None:
    from training import journal, plots, reference, reference_data, reference_recipe, runs

    if data is None:
        raise UsageError("The reference recipe needs its data sets", "name their folder with --data")
    chosen = reference_recipe.load(path).override(**overrides)
    data = reference_data.folder_of(data)
    if fresh:
        runs.clear(run)
    with journal.journal(run) as told:
        card = reference.train(chosen, data, run, told, begin)
    if not (run / runs.PLOTS).is_dir():
        plots.plot_run(run)
    metrics = card["metrics"]
    click.echo(
        f"{run / runs.NETWORK}: {metrics['mnist_test_accuracy']:.2%} of the MNIST test digits read right, "
        f"{metrics['rejection']['overall']['rejected']:.2%} of non-digits rejected, {card['minutes']} minutes"
    )


def _robustness(classifier: Any, digits: Any) -> dict[str, Any]:
    from training import corruptions, evaluate
    from training.datasets import Digits

    return {
        name: evaluate.evaluate(classifier, Digits(corruptions.corrupt(name, digits.x), digits.y))
        for name in corruptions.CORRUPTIONS
    }


def _rejection(classifier: Any, data: Path | None) -> Any:
    """Measure what only a network with outputs beyond the ten digits can do; None where it cannot be measured."""
    from training import models, rejection
    from training.datasets import DatasetError

    if not isinstance(classifier, models.LoneDigits):
        return None
    try:
        return rejection.measure(classifier, data, rejection.COUNT)
    except DatasetError as error:
        click.echo(f"non-digits are not measured, which takes MNIST with its training part: {error}", err=True)
        return None
