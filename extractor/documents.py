"""Files and folders to pages: PNG, JPEG, TIFF and PDF, one page in memory at a time.

What a file is, its content decides and not its name. Limits are checked against what headers promise, before a pixel
is decoded, so that a small file cannot ask for all memory. Everything wrong with a file is a `DocumentError` of one
line; the codes are explained in docs/errors.md.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from extractor.errors import DocumentError, UsageError
from extractor.image_headers import SNIFF_BYTES, Kind, jpeg_header, kind_of, png_essence, png_header
from extractor.names import printable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".pdf"})
"""Files in folders are taken by these suffixes, in lower or upper case."""

BYTES_PER_PIXEL = 24
"""Memory that reading a page takes at most for each of its pixels, measured over layouts and kinds of pixels."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a single document may ask for.

    The defaults let through a colour scan of A0 at 300 dpi (140 million pixels) and stop files that are bombs.

    Attributes:
        max_pixels: Pixels of a page.
        max_bytes: Length of a file.
        max_pages: Pages of a file.
        max_memory: Bytes that reading a page may take, estimated from its pixels; None for no such limit.
    """

    max_pixels: int = 200_000_000
    max_bytes: int = 2**30
    max_pages: int = 10_000
    max_memory: int | None = None

    @property
    def affordable_pixels(self) -> int:
        """Pixels of a page that both limits allow."""
        return self.max_pixels if self.max_memory is None else min(self.max_pixels, self.max_memory // BYTES_PER_PIXEL)


def find_documents(paths: Sequence[Path]) -> Iterator[Path]:
    """List the documents that a user means by some files and folders.

    A file named here is taken whatever it is called. A folder is walked with all its subfolders in the order of names;
    of its files those with one of `SUFFIXES` are taken. Hidden files and folders are passed over, and links to folders
    are not followed, since they may lead in circles. A subfolder that may not be listed is given out itself: reading
    it fails with a clear line, and the rest of the batch goes on.

    Args:
        paths: Files and folders, in the order wanted. What is named twice comes twice.

    Returns:
        The paths of the documents, each beginning with the path that led to it.

    Raises:
        UsageError: At once, when a path does not exist or a folder has no document in it.
    """
    for path in paths:
        _check_is_there(path)
    return (document for path in paths for document in (_walk(path) if path.is_dir() else (path,)))


def count_pages(path: Path, limits: Limits = Limits()) -> int:
    """Count the pages of a document without decoding any.

    Args:
        path: The file.
        limits: What it may ask for.

    Returns:
        At least 1. A page counted may still turn out damaged when it is loaded.

    Raises:
        DocumentError: The file cannot be read, is no document, or is too large.
    """
    with _document(path, limits) as (stream, kind, size):
        return _count(stream, kind, size, limits)


def load_page(
    path: Path,
    page: int,
    *,
    dpi: int = 300,
    limits: Limits = Limits(),
) -> NDArray[np.uint8]:
    """Load one page as a person would see it: upright, on white, 8 bits a sample.

    Args:
        path: The file.
        page: Page number from 1.
        dpi: Resolution at which a page of a PDF is drawn; images come as they are stored.
        limits: What the document may ask for.

    Returns:
        (H, W, 3) BGR or (H, W) grey, uint8.

    Raises:
        DocumentError: The file or page cannot be read, or is too large.
        UsageError: The resolution is not positive.
    """
    if dpi < 1:
        raise UsageError(f"a resolution of {dpi} dpi cannot be drawn", "give 72 or more")
    with _document(path, limits, page) as (stream, kind, size):
        if page < 1 or (page > 1 and kind in ("png", "jpeg")):
            count = _count(stream, kind, size, limits)
            raise DocumentError(f"there is no page {page}; the file has {count}", "", "no_such_page")
        if kind == "pdf":
            from extractor.pdf import draw_page

            return draw_page(stream, page, dpi, limits.affordable_pixels)
        if kind == "tiff":
            return _load_tiff_page(stream, size, page, limits)
        return _load_image(stream, kind, limits)


def _check_is_there(path: Path) -> None:
    name = printable(str(path))
    try:
        is_folder = stat.S_ISDIR(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"{name} does not exist", "check the name") from None
    except OSError:  # reading it will say what is wrong, without holding up the others
        return
    if is_folder and next(_walk(path), None) is None:
        kinds = ", ".join(sorted(suffix.removeprefix(".") for suffix in SUFFIXES))
        raise UsageError(f"there are no documents in the folder {name}", f"it should hold files of kind {kinds}")


def _walk(folder: Path) -> Iterator[Path]:
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except OSError:
        yield folder
        return
    for entry in found:
        if entry.name.startswith("."):
            continue
        path = folder / entry.name
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(path)
        elif path.suffix.lower() in SUFFIXES and not entry.is_dir():
            yield path


@contextmanager
def _document(path: Path, limits: Limits, page: int | None = None) -> Iterator[tuple[BinaryIO, Kind, int]]:
    """Open a document as stream, kind and length, and put its name and page into whatever goes wrong inside."""
    where = printable(str(path))
    try:
        # Looked at before it is opened: opening a pipe would wait for a writer for ever.
        _check_is_regular(path.stat().st_mode, path)
        with path.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            kind = kind_of(stream.read(SNIFF_BYTES))
            if size > limits.max_bytes:
                raise DocumentError(
                    f"the file has {size / 2**20:,.0f} MiB; the limit is {limits.max_bytes / 2**20:,.0f}",
                    "split it",
                    "too_many_bytes",
                )
            if page is not None and kind in ("tiff", "pdf"):
                where += f", page {page}"
            yield stream, kind, size
    except DocumentError as error:
        raise DocumentError(f"{where}: {error.message}", error.hint, error.code) from None
    except (FileNotFoundError, NotADirectoryError):
        raise DocumentError(f"{where}: the file is not there", "was it moved or deleted?", "missing") from None
    except PermissionError:
        raise DocumentError(f"{where}: no permission to read it", "change its permissions", "unreadable") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise DocumentError(f"{where}: it cannot be read: {printable(reason)}", "", "unreadable") from None
    except MemoryError:
        raise DocumentError(
            f"{where}: there is not enough memory for it", "scan it at a lower resolution", "memory"
        ) from None


def _check_is_regular(mode: int, path: Path) -> None:
    if stat.S_ISDIR(mode):
        os.scandir(path).close()  # a folder closed to us says so
        raise DocumentError("this is a folder, not a file", "give the files in it", "not_a_file")
    if not stat.S_ISREG(mode):
        raise DocumentError("this is a pipe or device, not a file", "save it to a file first", "not_a_file")


def _count(stream: BinaryIO, kind: Kind, size: int, limits: Limits) -> int:
    if kind == "pdf":
        from extractor.pdf import page_count

        count = page_count(stream)
    elif kind == "tiff":
        from extractor.tiff import TiffFile

        count = len(TiffFile(stream, size).page_offsets(limits.max_pages + 1))
        if not count:
            raise _no_pages()
    else:
        return 1
    if count > limits.max_pages:
        raise DocumentError(f"the file has more than {limits.max_pages:,} pages", "split it", "too_many_pages")
    return count


def _no_pages() -> DocumentError:
    return DocumentError("the TIFF file has no pages", "export it again", "no_pages")


def _load_tiff_page(stream: BinaryIO, size: int, page: int, limits: Limits) -> NDArray[np.uint8]:
    from extractor import pixels
    from extractor.tiff import TiffFile

    file = TiffFile(stream, size)
    offsets = file.page_offsets(limits.max_pages + 1)
    if not offsets:
        raise _no_pages()
    if page > len(offsets):
        raise DocumentError(f"there is no page {page}; the file has {len(offsets)}", "", "no_such_page")
    header, tags = file.page(offsets[page - 1])
    _check_pixels(header.width, header.height, limits)
    image = pixels.decode(file.extract(header, tags))
    if image.ndim == 3 and image.shape[2] == 4:
        # A fourth channel that is no opacity is ink of a separation, already laid into the colours, or a mask.
        image = pixels.on_white(image, premultiplied=header.premultiplied) if header.alpha else image[..., :3]
    eight = pixels.to_eight_bits(image)
    return pixels.upright(255 - eight if header.inverted else eight, header.orientation)


def _load_image(stream: BinaryIO, kind: Kind, limits: Limits) -> NDArray[np.uint8]:
    from extractor import pixels

    stream.seek(0)
    data = stream.read(limits.max_bytes + 1)
    header = png_header(data) if kind == "png" else jpeg_header(data)
    _check_pixels(header.width, header.height, limits)
    orientation = header.orientation
    if kind == "png":
        data, orientation = png_essence(data)
    image = pixels.decode(data)
    if image.ndim == 3 and image.shape[2] == 4:
        image = pixels.on_white(image)
    return pixels.upright(pixels.to_eight_bits(image), orientation)


def _check_pixels(width: int, height: int, limits: Limits) -> None:
    advice = "scan it at a lower resolution or cut it up"
    if width * height > limits.max_pixels:
        raise DocumentError(
            f"the page has {width:,} x {height:,} pixels, more than {limits.max_pixels / 1e6:,.0f} million",
            advice,
            "too_large",
        )
    if width * height > limits.affordable_pixels:
        needed, allowed = (number / 2**20 for number in (width * height * BYTES_PER_PIXEL, limits.max_memory or 0))
        raise DocumentError(
            f"the page has {width:,} x {height:,} pixels and needs {needed:,.0f} MiB of memory; the limit is "
            f"{allowed:,.0f}",
            advice,
            "memory",
        )
