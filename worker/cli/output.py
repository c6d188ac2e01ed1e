"""Results out of the program: to standard output or a file, drawn onto pages, and as a web page."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from extractor.documents import load_page
from extractor.errors import DigitsError, UsageError
from extractor.export import Format, write
from extractor.names import printable
from extractor.readings import PageReading
from worker.cli.messages import say
from worker.files import whole_file
from worker.forms import JobTemplates
from worker.jobs import collect
from worker.ledger import Ledger
from worker.records import Job
from worker.storage import Storage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from extractor.templates import Template


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a user wants results.

    Attributes:
        output_format: Format of the results.
        output: File for them; standard output when None.
        overlays: Folder for pictures of the pages with what was read; none when None.
        report: File for a web page with every string beside its picture; none when None.
    """

    output_format: Format
    output: Path | None
    overlays: Path | None
    report: Path | None

    def check(self) -> None:
        """Find out before the work begins whether results can be written.

        Raises:
            UsageError: They cannot.
        """
        for file in (self.output, self.report):
            if file is not None and not os.access(file.absolute().parent, os.W_OK | os.X_OK):
                raise UsageError(f"cannot write to the folder of {printable(str(file))}", "does it exist?")
        if self.overlays is not None:
            try:
                self.overlays.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                reason = f"{printable(str(self.overlays))}: {error.strerror}"
                raise UsageError(f"cannot make the folder {reason}") from None


def deliver(ledger: Ledger, job: Job, destination: Destination) -> None:
    """Write a job's results, page by page in the order of submission.

    Raises:
        UsageError: A file cannot be written.
    """
    if destination.output is None:
        write(collect(ledger, job.id), destination.output_format, sys.stdout)
        sys.stdout.flush()
    else:
        with whole_file(destination.output) as stream:
            write(collect(ledger, job.id), destination.output_format, stream)
    if destination.overlays is not None:
        _write_overlays(_with_images(ledger, job), job, destination.overlays)
    if destination.report is not None:
        from extractor import report

        with whole_file(destination.report) as stream:
            report.write(_with_images(ledger, job), stream, job.name or f"Job {job.id}")


def _with_images(ledger: Ledger, job: Job) -> Iterator[tuple[PageReading, NDArray[np.uint8] | None]]:
    storage = Storage()
    for reading in collect(ledger, job.id):
        image = None
        # A page that lies on no template is shown too: a person sees why.
        if reading.error is None or reading.error.code == "registration":
            try:
                with storage.local(job.base, reading.document) as path:
                    image = load_page(path, reading.page, dpi=job.options["dpi"])
            except DigitsError as error:
                say(f"no picture: {error}")
        yield reading, image


def _write_overlays(pages: Iterable[tuple[PageReading, NDArray[np.uint8] | None]], job: Job, folder: Path) -> None:
    import cv2

    from extractor import overlay

    templates = JobTemplates(Storage())
    for number, (reading, image) in enumerate(pages, start=1):
        if image is None:
            continue
        stem = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in Path(reading.document).stem)
        path = folder / f"{number:06d}-{stem[:80]}-{reading.page}.png"
        picture = overlay.draw(image, reading)
        if reading.error is not None:
            picture = _misfit(image, templates.of(job.id, job.options), reading.page)
        _, encoded = cv2.imencode(".png", picture)
        try:
            path.write_bytes(encoded.tobytes())
        except OSError as error:
            raise UsageError(f"cannot write {printable(str(path))}: {error.strerror}") from None


def _misfit(image: NDArray[np.uint8], templates: Sequence[Template], page: int) -> NDArray[np.uint8]:
    """Draw the template that a refused page looks most like, where it would lie."""
    from extractor import preview
    from extractor.form_reader import best_fit

    template, found = best_fit(image, templates, page)
    return image if found is None else preview.draw(image, template, found, page)
