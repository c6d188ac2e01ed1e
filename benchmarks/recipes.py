"""Train recipes and print their times and accuracies as a Markdown table.

    python benchmarks/recipes.py --data mnist.npz --runs FOLDER [--recipes dense-128,cnn]

Each recipe runs through the same command that a user gives. A run that is complete already is only measured again.
"""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

import click

from extractor.errors import DigitsError
from training import datasets, evaluate, models, recipe, runs
from training.cli import train_command


@click.command()
@click.option("--data", type=click.Path(path_type=Path), help="As for digits train.")
@click.option("--runs", "folder", type=click.Path(path_type=Path), required=True, help="Where the run folders go.")
@click.option("--recipes", "names", help="Names, separated by commas.  [default: all]")
def main(data: Path | None, folder: Path, names: str | None) -> None:
    """Train recipes one after the other and print a table."""
    chosen = names.split(",") if names else [path.stem for path in recipe.built_in()]
    test = datasets.load_evaluation(data)[0]
    rows = []
    for name in chosen:
        run = folder / name
        arguments = [name, "--run", str(run), *(["--data", str(data)] if data else [])]
        train_command.main(arguments, standalone_mode=False)
        result = evaluate.evaluate(models.load(run), test.digits)
        if runs.is_reference(run):
            card = runs.network_card(run)
            size, epochs, seconds = card["recipe"]["parameters"], "-", 60 * card["minutes"]
        else:
            card = runs.read_card(run)
            size, epochs, seconds = card["parameters"], card["epochs"], card["seconds"]
        rows.append(
            f"| `{name}` | {size:,} | {epochs} | {seconds:.0f} "
            f"| {result.accuracy:.2%} | {result.interval.low:.2%} - {result.interval.high:.2%} | {result.ece:.4f} |"
        )
    click.echo(f"\n{test.name} test set, {len(test.digits):,} digits; {os.cpu_count()} cores, {platform.machine()}\n")
    click.echo("| recipe | parameters | epochs | seconds | accuracy | 95 % interval | calibration error |")
    click.echo("|---|---|---|---|---|---|---|")
    click.echo("\n".join(rows))


if __name__ == "__main__":
    try:
        main()
    except DigitsError as error:
        sys.exit(str(error))
