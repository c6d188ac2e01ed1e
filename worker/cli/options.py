"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

paths_argument = click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(path_type=Path))
job_argument = click.argument("job", metavar="JOB")
"""A job's id, or its name."""


def reading_options(command: Command) -> Command:
    """Add what a user chooses about reading."""
    for option in (
        click.option("--job", "name", default="", metavar="NAME", help="A name for the job, to be used for its id."),
        click.option(
            "--dpi",
            type=click.IntRange(72, 1200),
            default=300,
            show_default=True,
            help="Resolution at which pages of a PDF are drawn.",
        ),
        click.option(
            "--layout",
            type=click.Choice(["auto", "page", "line", "grid"]),
            default="auto",
            show_default=True,
            help="Where digits are looked for: strings anywhere on a page, one line that fills the image, or the cells "
            "of a ruled grid.",
        ),
    ):
        command = option(command)
    return command


def output_options(command: Command) -> Command:
    """Add what a user chooses about results."""
    for option in (
        click.option(
            "--report",
            type=click.Path(dir_okay=False, path_type=Path),
            metavar="FILE.html",
            help="Also write a web page with every string beside its picture, the most doubtful first.",
        ),
        click.option(
            "--overlays",
            type=click.Path(file_okay=False, path_type=Path),
            metavar="DIR",
            help="Also draw what was read onto each page, as PNG files in this folder.",
        ),
        click.option(
            "--output",
            type=click.Path(dir_okay=False, path_type=Path),
            metavar="FILE",
            help="Write results to a file; it appears when it is complete.",
        ),
        click.option(
            "--format",
            "output_format",
            type=click.Choice(["table", "csv", "json", "jsonl"]),
            default="table",
            show_default=True,
            help="Format of the results.",
        ),
    ):
        command = option(command)
    return command
