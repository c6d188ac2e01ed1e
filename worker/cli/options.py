"""Options that several commands share."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from extractor.acceptance import parse_rate
from worker.forms import read_templates
from worker.jobs import JobOptions, Layout
from worker.pages import check_accept_error
from worker.records import is_url
from worker.settings import Settings

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


def _workers(_context: click.Context, _parameter: click.Parameter, value: int | None) -> int:
    """Take one process for each core that this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return value or cores


workers_option = click.option(
    "--workers",
    type=click.IntRange(1, 1024),
    callback=_workers,
    metavar="N",
    help="Processes of this machine that read at the same time; one for each core when not given.",
)


def _rate(_context: click.Context, _parameter: click.Parameter, value: str | None) -> float | None:
    """Read a share such as ``0.1%`` or ``0.001``."""
    try:
        return None if value is None else parse_rate(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is no rate between 0 and 1, such as 0.1% or 0.001") from None


@dataclass(frozen=True, slots=True)
class Reading:
    """What a user chose about reading.

    Attributes:
        layout: Where digits are looked for.
        dpi: Resolution at which pages of a PDF are drawn.
        accept_error: Share of wrong strings among the accepted ones; the network's own when None.
        template_files: Forms.
        name: Of the job; none when empty.
    """

    layout: Layout
    dpi: int
    accept_error: float | None
    template_files: tuple[Path, ...]
    name: str

    def options(self, settings: Settings) -> JobOptions:
        """Return it as a job records it, once it is known that it can be done.

        Raises:
            TemplateError: A template cannot be meant.
            UsageError: Two templates have the same name, or the accepted error is out of the network's reach.
            ModelError: The network is missing or damaged.
        """
        templates = read_templates(self.template_files)
        check_accept_error(settings, self.accept_error)
        return JobOptions(self.layout, self.dpi, self.accept_error, templates)


def reading_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what a user chooses about reading; the command takes it as ``reading``, a `Reading`."""

    @functools.wraps(command)
    def gathered(**values: Any) -> Any:
        return command(reading=Reading(**{name: values.pop(name) for name in Reading.__slots__}), **values)

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
        gathered = option(gathered)
    return gathered


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
