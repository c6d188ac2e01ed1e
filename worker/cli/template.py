"""``digits template``: describe forms."""

from __future__ import annotations

from pathlib import Path

import click

from extractor.names import printable
from extractor.templates import Template, TemplateError, load_template
from worker.cli.messages import say
from worker.cli.template_detect import detect_command


@click.group("template")
def template_group() -> None:
    """Describe forms: check, preview and propose templates."""


template_group.add_command(detect_command)


@template_group.command("check")
@click.argument("templates", nargs=-1, required=True, metavar="T.toml...", type=click.Path(path_type=Path))
def check_command(templates: tuple[Path, ...]) -> int:
    """Check templates, and say what each describes.

    Everything wrong with a template is said with its line.
    """
    code = 0
    for path in templates:
        try:
            template = load_template(path)
            _check_constraints(path, template)
        except TemplateError as error:
            for line in (error.message, *error.others):
                say(line)
            code = int(error.exit_code)
        else:
            click.echo(_description(path, template))
    return code


@template_group.command("preview")
@click.argument("template", metavar="T.toml", type=click.Path(path_type=Path))
@click.argument("scan", type=click.Path(path_type=Path))
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.png",
    help="Picture to write; the scan's name with -preview.png, in this folder, when not given.",
)
@click.option("--page", type=click.IntRange(1), default=1, show_default=True, help="Page of the document.")
@click.option(
    "--dpi",
    type=click.IntRange(72, 1200),
    default=300,
    show_default=True,
    help="Resolution at which a page of a PDF is drawn.",
)
def preview_command(template: Path, scan: Path, output: Path | None, page: int, dpi: int) -> int:
    """Draw the fields of a template on SCAN, where they were found.

    Also says how much of the form's print was found in its place: a page below the limit fails when it is read.
    """
    from extractor.documents import load_page
    from extractor.preview import draw
    from extractor.registration import LEAST_QUALITY, register
    from worker.cli.pictures import write_picture

    form = load_template(template)
    image = load_page(scan, page, dpi=dpi)
    found = register(image, form, page)
    picture = draw(image, form, found, page)
    target = output or Path(f"{scan.stem}-preview.png")
    write_picture(target, picture)
    fits = found.quality >= LEAST_QUALITY
    verdict = "the page fits" if fits else f"the page does not fit: {LEAST_QUALITY:.0%} is needed"
    say(f"{found.quality:.0%} of the form's print was found in its place, by {found.method}: {verdict}")
    click.echo(printable(str(target)))
    return 0 if fits else 1


def _check_constraints(path: Path, template: Template) -> None:
    """Find out whether any number at all can satisfy each field.

    Raises:
        TemplateError: None can.
    """
    from extractor.constraints import Constraint

    for item in template.fields:
        if Constraint.of_field(item).acceptor is None:
            raise TemplateError(f"{printable(str(path))}: no number satisfies all that {item.name} asks for")
    template.reference_image()


def _description(path: Path, template: Template) -> str:
    names = template.reading_names()
    by = [f"{len(template.anchors)} anchors"] if template.anchors else []
    by += ["a frame"] if template.frame is not None else []
    by += ["a reference scan"] if template.reference is not None else []
    rules = f", {len(template.rules)} rules" if template.rules else ""
    laid = " and ".join(by) if by else "the lines of its fields"
    size = f"{template.page.width:g} x {template.page.height:g} at {template.page.dpi:g} dpi"
    return (
        f"{printable(str(path))}: {printable(template.name)}, {size}: {len(names)} fields{rules}; "
        f"pages are laid by {laid}"
    )
