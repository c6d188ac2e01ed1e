"""Print how well a network tells digits from non-digits, as a Markdown table.

    python benchmarks/rejection.py FOLDER [--model NETWORK]

The folder has digits/mnist.npz and letters/letters_hw62.npz; see docs/training.md for the rule and for every kind.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from extractor.errors import DigitsError
from training import models, rejection


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--model", type=click.Path(path_type=Path), help="Folder of a network; the shipped one when absent.")
@click.option("--count", default=rejection.COUNT, show_default=True, help="Candidates of each kind that is made.")
def main(folder: Path, model: Path | None, count: int) -> None:
    """Measure a network and print a table."""
    found = rejection.measure(models.LoneDigits(model), folder, count)
    kept = found.kept_interval
    click.echo(
        f"P(digit) of at least {found.threshold:.4f} keeps {found.kept_validation:.2%} of the validation digits and "
        f"{found.kept_test:.2%} of the test digits ({kept.low:.2%}-{kept.high:.2%}).\n"
    )
    click.echo("| kind | candidates | rejected | 95 % interval |")
    click.echo("|---|---|---|---|")
    rows = {**found.kinds, "**all of these**": found.overall}
    rows |= {f"{name} (not counted)": item for name, item in found.apart.items()}
    for name, item in rows.items():
        interval = f"{item.interval.low:.2%}-{item.interval.high:.2%}"
        click.echo(f"| {name} | {item.count:,} | {item.rejected:.2%} | {interval} |")


if __name__ == "__main__":
    try:
        main()
    except DigitsError as error:
        sys.exit(str(error))
