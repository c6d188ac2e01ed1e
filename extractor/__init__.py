"""Page image in, digit strings out. Knows no queue, no database, no TensorFlow.

The public names below are imported when they are first used, so ``import extractor`` loads neither OpenCV nor LiteRT.
"""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from extractor.errors import DigitsError, DocumentError, ModelError, UsageError
    from extractor.layout import Layout
    from extractor.reader import Reader, ReadOptions
    from extractor.readings import DigitReading, FieldReading, PageFailure, PageReading, Separator

__all__ = [
    "DigitReading",
    "DigitsError",
    "DocumentError",
    "FieldReading",
    "ModelError",
    "PageFailure",
    "PageReading",
    "ReadOptions",
    "Reader",
    "Separator",
    "UsageError",
    "read",
]

_HOMES = {
    "DigitReading": "extractor.readings",
    "DigitsError": "extractor.errors",
    "DocumentError": "extractor.errors",
    "FieldReading": "extractor.readings",
    "ModelError": "extractor.errors",
    "PageFailure": "extractor.readings",
    "PageReading": "extractor.readings",
    "ReadOptions": "extractor.reader",
    "Reader": "extractor.reader",
    "Separator": "extractor.readings",
    "UsageError": "extractor.errors",
}


def read(
    path: str | os.PathLike[str],
    *,
    layout: Layout = "auto",
    dpi: int = 300,
    accept_error: float | None = None,
    model: str | os.PathLike[str] | None = None,
) -> list[PageReading]:
    """Read the digit strings of one document, one page in memory at a time.

    The network is loaded anew by each call; to read many files, keep a `Reader`.

    Args:
        path: A PNG, JPEG, TIFF or PDF file.
        layout: Where digits are looked for: the whole image is one string (``line``), strings anywhere (``page``), the
            largest ruled grid (``grid``), or whichever fits (``auto``).
        dpi: Resolution at which pages of a PDF are drawn.
        accept_error: Share of wrong strings that may be among the accepted ones, 0 to 1; 0.005 when None.
        model: Folder of the network; the shipped one when None.

    Returns:
        A reading for each page, in order. A page that cannot be read carries the reason in ``error``, and the others
        are read all the same.

    Raises:
        DocumentError: No page of the file can be read.
        ModelError: The network is missing, damaged or of another make.
        UsageError: The resolution is not positive, or the network cannot hold the accepted error.
    """
    from extractor.documents import count_pages, load_page
    from extractor.errors import DocumentError
    from extractor.reader import Reader, ReadOptions
    from extractor.readings import PageFailure, PageReading

    file, name = Path(path), os.fspath(path)
    options = ReadOptions(layout=layout, dpi=dpi, accept_error=accept_error)
    reader = Reader(None if model is None else Path(model))
    readings: list[PageReading] = []
    errors: list[DocumentError] = []
    for page in range(1, count_pages(file) + 1):
        try:
            image = load_page(file, page, dpi=dpi)
        except DocumentError as error:
            errors.append(error)
            readings.append(PageReading(name, page, error=PageFailure(error.code, error.message, error.hint)))
        else:
            readings.append(reader.read(image, options, document=name, page=page))
    if len(errors) == len(readings):
        raise errors[0]
    return readings


def __getattr__(name: str) -> object:
    """Import a public name when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
