"""Pages of PDF files, drawn by PDFium.

pypdfium2 is imported inside functions: processes that meet no PDF never load it.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from extractor.errors import DocumentError

_POINTS_PER_INCH = 72
_pdfium_lock = threading.Lock()
"""PDFium is not thread-safe, not even between documents."""


def page_count(stream: BinaryIO) -> int:
    """Count the pages.

    Args:
        stream: The file, seekable.

    Returns:
        At least 1.

    Raises:
        DocumentError: ``encrypted``, ``damaged`` or ``no_pages``.
    """
    with _opened(stream) as document:
        return _length(document)


def draw_page(stream: BinaryIO, page: int, dpi: int, max_pixels: int) -> NDArray[np.uint8]:
    """Draw one page on white, annotations and filled-in form fields included.

    Args:
        stream: The file, seekable.
        page: Page number from 1.
        dpi: Resolution.
        max_pixels: A page that would have more is refused.

    Returns:
        (H, W, 3) BGR.

    Raises:
        DocumentError: ``encrypted``, ``damaged``, ``no_pages``, ``no_such_page`` or ``too_large``.
    """
    import pypdfium2

    with _opened(stream) as document:
        count = _length(document)
        if page > count:
            raise DocumentError(f"there is no page {page}; the file has {count}", "", "no_such_page")
        try:
            document.init_forms()
            drawing = document[page - 1]
            width, height = drawing.get_size()
            pixels = (width * dpi / _POINTS_PER_INCH) * (height * dpi / _POINTS_PER_INCH)
            if not (math.isfinite(pixels) and width > 0 and height > 0):
                raise DocumentError("this page of the PDF has no size", "print it to a new PDF", "damaged")
            if pixels > max_pixels:
                largest = max(1, int(dpi * math.sqrt(max_pixels / pixels)))
                raise DocumentError(
                    f"at {dpi} dpi this page has {pixels / 1e6:,.0f} million pixels, "
                    f"more than {max_pixels / 1e6:,.0f} million",
                    f"read it at {largest} dpi or less",
                    "too_large",
                )
            bitmap = drawing.render(scale=dpi / _POINTS_PER_INCH, rev_byteorder=False)
            image: NDArray[np.uint8] = bitmap.to_numpy()
        except pypdfium2.PdfiumError:
            raise DocumentError("this page of the PDF is damaged", "print it to a new PDF", "damaged") from None
        if image.ndim == 3 and image.shape[2] == 4:
            return np.ascontiguousarray(image[..., :3])
        return image.reshape(image.shape[:2]).copy() if image.ndim == 3 and image.shape[2] == 1 else image.copy()


@contextmanager
def _opened(stream: BinaryIO) -> Iterator[Any]:
    import pypdfium2

    with _pdfium_lock:
        try:
            document = pypdfium2.PdfDocument(stream)
        except pypdfium2.PdfiumError:
            raise _reason(stream) from None
        try:
            yield document
        finally:
            document.close()


def _reason(stream: BinaryIO) -> DocumentError:
    """Tell why a PDF does not open.

    pypdfium2 takes a PDF without pages for one that failed, and gives the reason of an earlier document for it.
    """
    from pypdfium2 import raw

    stream.seek(0)
    content = stream.read()
    document = raw.FPDF_LoadMemDocument64(content, len(content), None)
    if document:
        raw.FPDF_CloseDocument(document)
        return _no_pages()
    if raw.FPDF_GetLastError() in (raw.FPDF_ERR_PASSWORD, raw.FPDF_ERR_SECURITY):
        return DocumentError("the PDF is protected by a password", "save a copy without the password", "encrypted")
    return DocumentError("the PDF is damaged and cannot be opened", "print it to a new PDF", "damaged")


def _no_pages() -> DocumentError:
    return DocumentError("the PDF has no pages", "export it again", "no_pages")


def _length(document: Any) -> int:
    count = len(document)
    if count < 1:
        raise _no_pages()
    return count
