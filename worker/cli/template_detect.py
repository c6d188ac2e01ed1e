"""``digits template detect``: propose a template from a scan of a form."""

from __future__ import annotations

from pathlib import Path

import click

from extractor.errors import PageError, UsageError
from extractor.names import printable
from worker.cli.messages import say
from worker.files import whole_file


@click.command("detect")
@click.argument("scan", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), help="Template to write; else standard output."
)
@click.option(
    "--reference",
    type=click.Path(dir_okay=False, path_type=Path),
    help="PNG to write the level scan to, by which pages are laid onto the template; beside the template, and under "
    "its name, when only --output is given.",
)
@click.option("--name", help="What the form is called; the scan's name when not given.")
@click.option("--page", type=click.IntRange(1), default=1, show_default=True, help="Page of the document.")
@click.option(
    "--dpi",
    type=click.IntRange(30, 2400),
    help="Resolution of the scan; told from its proportions when not given. A page of a PDF is drawn at it, or at 300.",
)
def detect_command(
    scan: Path, output: Path | None, reference: Path | None, name: str | None, page: int, dpi: int | None
) -> None:
    """Propose a template from SCAN, a blank or filled-in form.

    Boxes, combs, grids and ruled lines become fields called field_1, field_2 and so on: name them, and drop those that
    hold no number. The scan is laid level first, and kept as the reference that other pages are laid onto.
    """
    from extractor.documents import load_page
    from extractor.template_detect import propose
    from extractor.template_text import to_toml
    from worker.cli.pictures import write_picture

    is_pdf = scan.suffix.lower() == ".pdf"
    image = load_page(scan, page, dpi=dpi or 300)
    proposal = propose(image, 300 if is_pdf and dpi is None else dpi)
    if not proposal.fields:
        raise PageError(
            f"{printable(str(scan))}: no box, comb, grid or ruled line was found",
            "is the scan upright? Else write the template by hand",
        )
    if reference is None and output is not None:
        reference = output.with_suffix(".png")
    if reference is not None and reference.absolute() == scan.absolute():
        raise UsageError(f"the reference would take the place of {printable(str(scan))}", "give another --reference")
    shown = None
    if reference is not None:
        write_picture(reference, proposal.picture)
        folder = (output or Path("template")).absolute().parent
        near = reference.absolute().is_relative_to(folder)
        shown = str(reference.absolute().relative_to(folder) if near else reference.absolute())
    text = to_toml(proposal, name or scan.stem[:100], shown)
    if output is None:
        click.echo(text, nl=False)
    else:
        with whole_file(output) as stream:
            stream.write(text)
    kinds = [field.kind for field in proposal.fields]
    counts = ", ".join(f"{kinds.count(kind)} {word}" for kind, word in _WORDS.items() if kind in kinds)
    say(f"{len(kinds)} fields found ({counts}) at {proposal.dpi} dpi")


_WORDS = {"box": "boxes", "comb": "combs", "grid": "grids", "line": "ruled lines"}
