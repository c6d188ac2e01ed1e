"""What PNG and JPEG files say about themselves: kind, size and orientation, read without decoding a pixel.

Formats: PNG third edition (W3C 2025), JPEG ITU-T T.81 annex B, Exif 3.0 section 4.6. Everything here works on untrusted
bytes and raises nothing but `DocumentError`, whose message leaves the file's name to the caller.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Literal

from extractor.errors import DocumentError

Kind = Literal["png", "jpeg", "tiff", "pdf"]

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
SNIFF_BYTES = 1024
"""How much of a file `kind_of` wants to see; PDF allows that much before its mark."""

_AGAIN = "copy or scan it again"
_RESAVE = "open it in an image program and save it again"

_OTHER_KINDS = (
    (0, b"GIF8", "a GIF image"),
    (0, b"BM", "a BMP image"),
    (8, b"WEBP", "a WebP image"),
    (4, b"ftypheic", "a HEIC photo"),
    (4, b"ftypheix", "a HEIC photo"),
    (4, b"ftypmif1", "a HEIF photo"),
    (4, b"ftypavif", "an AVIF image"),
    (0, b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 image"),
    (0, b"AT&TFORM", "a DjVu document"),
    (0, b"PK\x03\x04", "a ZIP archive or office document"),
)

_STANDALONE_MARKERS = frozenset({0x01, *range(0xD0, 0xD8)})
_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_START_OF_SCAN, _END_OF_IMAGE, _APP1 = 0xDA, 0xD9, 0xE1
_PNG_DECODED_CHUNKS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
_ORIENTATION_TAG = 274


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """What the header of a PNG or JPEG tells.

    Attributes:
        width: Stored width in pixels, before the orientation is applied.
        height: Stored height in pixels, before the orientation is applied.
        orientation: Exif orientation, 1 to 8; 1 where none, or none that makes sense, is given.
    """

    width: int
    height: int
    orientation: int = 1


def kind_of(start: bytes) -> Kind:
    """Tell the kind of a file by its content.

    Args:
        start: The first `SNIFF_BYTES` bytes of the file, or all of a shorter one.

    Returns:
        The kind.

    Raises:
        DocumentError: ``empty`` or ``unsupported``.
    """
    if not start:
        raise DocumentError("the file is empty", _AGAIN, "empty")
    if start.startswith(PNG_SIGNATURE):
        return "png"
    if start.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if start[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "tiff"
    if b"%PDF-" in start[:SNIFF_BYTES]:
        return "pdf"
    found = next((name for at, mark, name in _OTHER_KINDS if start[at : at + len(mark)] == mark), None)
    what = f"this is {found}" if found else "this is not an image or PDF, whatever its name says"
    raise DocumentError(what, "give a PNG, JPEG, TIFF or PDF file", "unsupported")


def png_header(start: bytes) -> ImageHeader:
    """Read the size of a PNG from its first 33 bytes; the orientation stays 1.

    Args:
        start: The beginning of the file.

    Returns:
        The header.

    Raises:
        DocumentError: ``truncated`` or ``damaged``.
    """
    if len(start) < 33:
        raise DocumentError("the PNG file ends within its header", _AGAIN, "truncated")
    length, name, width, height = struct.unpack(">I4sII", start[8:24])
    if name != b"IHDR" or length != 13 or not 0 < width < 2**31 or not 0 < height < 2**31:
        raise DocumentError("the PNG header is damaged", _AGAIN, "damaged")
    return ImageHeader(width, height)


def png_essence(data: bytes) -> tuple[bytes, int]:
    """Check a whole PNG file and reduce it to what decides about its pixels.

    Colour profiles, texts and animation frames are left out: they change nothing for reading, and libpng writes
    warnings about harmless flaws in them straight to stderr.

    Args:
        data: The whole file.

    Returns:
        A PNG of the critical chunks and ``tRNS``, and the orientation that an ``eXIf`` chunk gives.

    Raises:
        DocumentError: ``truncated`` when the file ends before its end mark, ``damaged`` when a checksum is wrong.
    """
    parts = [PNG_SIGNATURE]
    orientation = 1
    at = len(PNG_SIGNATURE)
    view = memoryview(data)
    while at + 12 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            break
        if name in _PNG_DECODED_CHUNKS:
            if zlib.crc32(view[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
                raise DocumentError("the PNG data is damaged (wrong checksum)", _AGAIN, "damaged")
            parts.append(data[at:end])
        elif name == b"eXIf":
            orientation = exif_orientation(data[at + 8 : end - 4])
        if name == b"IEND":
            return b"".join(parts), orientation
        at = end
    raise DocumentError("the PNG file ends before its image is complete", _AGAIN, "truncated")


def jpeg_header(data: bytes) -> ImageHeader:
    """Read size and orientation of a JPEG, and see that it has an end.

    Args:
        data: The whole file.

    Returns:
        The header.

    Raises:
        DocumentError: ``truncated`` when the file ends before its end mark, ``damaged`` when its structure is broken.
    """
    size: tuple[int, int] | None = None
    orientation = 1
    at = 2
    while True:
        at, marker = _next_marker(data, at)
        if marker in _STANDALONE_MARKERS:
            continue
        if marker == _END_OF_IMAGE:
            raise DocumentError("the JPEG file has no image in it", _AGAIN, "damaged")
        segment = data[at + 2 : at + _segment_length(data, at)]
        if marker in _FRAME_MARKERS:
            size = _frame_size(segment)
        elif marker == _APP1 and segment.startswith(b"Exif\0"):
            orientation = exif_orientation(segment[6:])
        elif marker == _START_OF_SCAN:
            break
        at += 2 + len(segment)
    if size is None:
        raise DocumentError("the JPEG file does not say how large it is", _RESAVE, "damaged")
    if data.find(b"\xff\xd9", at) < 0:
        raise DocumentError("the JPEG file ends before its image is complete", _AGAIN, "truncated")
    return ImageHeader(*size, orientation)


def exif_orientation(block: bytes) -> int:
    """Find the orientation in an Exif block.

    Args:
        block: The block from its byte-order mark on. It may be broken in any way.

    Returns:
        1 to 8; 1 when the block gives none that makes sense.
    """
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None:
        return 1
    try:
        (at,) = struct.unpack_from(order + "I", block, 4)
        (count,) = struct.unpack_from(order + "H", block, at)
        for entry in range(count):
            tag, _type, _count, value = struct.unpack_from(order + "HHIH", block, at + 2 + 12 * entry)
            if tag == _ORIENTATION_TAG:
                return value if 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1


def _next_marker(data: bytes, at: int) -> tuple[int, int]:
    """Return the offset after the marker that starts at `at`, fill bytes skipped, and the marker's code."""
    if at < len(data) and data[at] != 0xFF:
        raise DocumentError("the JPEG data is damaged", _AGAIN, "damaged")
    while at < len(data) and data[at] == 0xFF:
        at += 1
    if at >= len(data):
        raise DocumentError("the JPEG file ends within its header", _AGAIN, "truncated")
    return at + 1, data[at]


def _segment_length(data: bytes, at: int) -> int:
    if at + 2 > len(data):
        raise DocumentError("the JPEG file ends within its header", _AGAIN, "truncated")
    length = int.from_bytes(data[at : at + 2], "big")
    if length < 2:
        raise DocumentError("the JPEG data is damaged", _AGAIN, "damaged")
    if at + length > len(data):
        raise DocumentError("the JPEG file ends within its header", _AGAIN, "truncated")
    return length


def _frame_size(segment: bytes) -> tuple[int, int]:
    if len(segment) < 6:
        raise DocumentError("the JPEG data is damaged", _AGAIN, "damaged")
    _precision, height, width = struct.unpack_from(">BHH", segment)
    if height == 0 or width == 0:
        raise DocumentError("the JPEG file does not say how large it is", _RESAVE, "damaged")
    return width, height
