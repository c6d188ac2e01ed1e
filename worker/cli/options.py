"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from extractor.acceptance import parse_rate
from worker.records import is_url

Command = TypeVar("Command", bound=Callable[..., Any])


class _Place(click.Path):
    """A path, or a URL as it was written: a path would make one slash of two."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if isinstance(value, str) and is_url(value) else super().convert(value, param, ctx)


paths_argument = click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=_Place(path_type=Path))
job_argument = click.argument("job", metavar="JOB")
"""A job's id, or its name."""
log_format_option = click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    help="Form of the log; DIGITS_LOG_FORMAT when not given.",
)


def _rate(_context: click.Context, _parameter: click.Parameter, value: str | None) -> float | None:
    """Read a share such as ``0.1%`` or ``0.001``."""
    try:
        return None if value is None else parse_rate(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is no rate between 0 and 1, such as 0.1% or 0.001") from None


def reading_options(command: Command) -> Command:
    """Add what a user chooses about reading."""
    for option in (
        click.option(
            "--template",
            "template_files",
            multiple=True,
            type=click.Path(dir_okay=False, path_type=Path),
            metavar="T.toml",
            help="Read forms: a template that describes the form, see digits template. May be given several times; "
            "each page is read by the one that fits it best.",
        ),
        click.option("--job", "name", default="", metavar="NAME", help="A name for the job, to be used for its id."),
        click.option(
            "--accept-error",
            callback=_rate,
            metavar="RATE",
            help="Share of wrong strings that may be among the accepted ones, such as 0.1% or 0.001; 0.5% when not "
            "given. The smaller it is, the more strings are left for review.",
        ),
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
            type=click.Choice(["table", "csv", "wide", "json", "jsonl"]),
            default="table",
            show_default=True,
            help="Format of the results; csv has a row for each field, wide a row for each page and a column for each "
            "field.",
        ),
    ):
        command = option(command)
    return command
