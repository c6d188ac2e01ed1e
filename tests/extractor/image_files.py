"""Image files written byte by byte: kinds that OpenCV reads but does not write, and broken ones."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Tags = dict[int, tuple[int, Sequence[int]]]


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(width: int, height: int, depth: int, colour: int, rows: Sequence[bytes], extra: bytes = b"") -> bytes:
    """A PNG of any depth and colour type; `extra` are chunks before the image data."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + header + extra + data + chunk(b"IEND", b"")


def png_promising(width: int, height: int) -> bytes:
    """A small PNG whose header promises any size."""
    return png(width, height, 8, 0, [b"\0"])


def jpeg(image: NDArray[np.uint8]) -> bytes:
    return bytes(cv2.imencode(".jpg", image)[1])


def exif(orientation: int, order: str = "<") -> bytes:
    mark = b"II*\0" if order == "<" else b"MM\0*"
    return mark + struct.pack(order + "IHHHIHHI", 8, 1, 274, 3, 1, orientation, 0, 0)


def with_exif(jpeg_file: bytes, block: bytes) -> bytes:
    body = b"Exif\0\0" + block
    return jpeg_file[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg_file[2:]


def cmyk_jpeg(planes: Sequence[NDArray[np.uint8]]) -> bytes:
    """A four-colour JPEG, ink inverted as Adobe writes it: each plane is the one scan of a grey JPEG."""
    greys = [jpeg(255 - plane) for plane in planes]
    height, width = planes[0].shape
    tables, scans = b"", b""
    for at, body in segments(greys[0]):
        if at in (0xDB, 0xC4):
            tables += bytes((0xFF, at)) + struct.pack(">H", len(body) + 2) + body
    for number, grey in enumerate(greys, 1):
        start = grey.index(b"\xff\xda")
        length = int.from_bytes(grey[start + 2 : start + 4], "big")
        scans += b"\xff\xda" + struct.pack(">HBBBBBB", 8, 1, number, 0, 0, 63, 0) + grey[start + 2 + length : -2]
    frame = struct.pack(">BHHB", 8, height, width, 4) + b"".join(bytes((n, 0x11, 0)) for n in range(1, 5))
    adobe = b"\xff\xee" + struct.pack(">H", 14) + b"Adobe" + struct.pack(">HHHB", 100, 0, 0, 0)
    return b"\xff\xd8" + adobe + tables + b"\xff\xc0" + struct.pack(">H", len(frame) + 2) + frame + scans + b"\xff\xd9"


def segments(jpeg_file: bytes) -> list[tuple[int, bytes]]:
    found, at = [], 2
    while jpeg_file[at + 1] != 0xDA:
        length = int.from_bytes(jpeg_file[at + 2 : at + 4], "big")
        found.append((jpeg_file[at + 1], jpeg_file[at + 4 : at + 2 + length]))
        at += 2 + length
    return found


def tiff_page(
    width: int, height: int, bits: int, photometric: int, data: bytes, samples: int = 1, **tags: int | Sequence[int]
) -> tuple[Tags, bytes]:
    """Tags and pixel data of a page for `tiff`; further tags as ``t338=2``."""
    page: Tags = {
        256: (4, [width]),
        257: (4, [height]),
        258: (3, [bits] * samples),
        259: (3, [1]),
        262: (3, [photometric]),
        277: (3, [samples]),
        278: (4, [height]),
    }
    for name, value in tags.items():
        page[int(name[1:])] = (4 if name in ("t273", "t279") else 3, [value] if isinstance(value, int) else value)
    return page, data


def tiff(pages: Sequence[tuple[Mapping[int, tuple[int, Sequence[int]]], bytes]], order: str = "<") -> bytes:
    """A classic TIFF; its last four bytes are the offset of the directory after the last."""
    out = bytearray((b"II*\0" if order == "<" else b"MM\0*") + bytes(4))
    link = 4
    for tags, data in pages:
        offset = len(out)
        out += data + b"\0" * (len(data) % 2)
        link = _append_directory(out, {273: (4, [offset]), 279: (4, [len(data)]), **tags}, order, link)
    return bytes(out)


def _append_directory(out: bytearray, tags: Mapping[int, tuple[int, Sequence[int]]], order: str, link: int) -> int:
    entries = []
    for tag in sorted(tags):
        kind, values = tags[tag]
        raw = b"".join(struct.pack(order + {1: "B", 3: "H", 4: "I"}[kind], value) for value in values)
        if len(raw) > 4:
            place = len(out)
            out += raw + b"\0" * (len(raw) % 2)
            raw = struct.pack(order + "I", place)
        entries.append(struct.pack(order + "HHI", tag, kind, len(values)) + raw.ljust(4, b"\0"))
    struct.pack_into(order + "I", out, link, len(out))
    out += struct.pack(order + "H", len(entries)) + b"".join(entries)
    out += bytes(4)
    return len(out) - 4


def big_tiff(width: int, height: int, data: bytes) -> bytes:
    """A grey BigTIFF of one page and 8 bits."""
    values = [
        (256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1), (262, 3, 1),
        (273, 16, 16), (277, 3, 1), (278, 4, height), (279, 16, len(data)),
    ]  # fmt: skip
    table = b"".join(struct.pack("<HHQQ", tag, kind, 1, value) for tag, kind, value in values)
    directory = struct.pack("<Q", len(values)) + table + struct.pack("<Q", 0)
    return b"II+\0" + struct.pack("<HHQ", 8, 0, 16 + len(data)) + data + directory


def pdf(pages: Sequence[tuple[float, float, str]], *, trailer: str = "") -> bytes:
    """A PDF with pages of (width, height, content stream), sizes in points."""
    kids = " ".join(f"{3 + 2 * n} 0 R" for n in range(len(pages)))
    objects = ["<</Type/Catalog/Pages 2 0 R>>", f"<</Type/Pages/Kids[{kids}]/Count {len(pages)}>>"]
    for number, (width, height, content) in enumerate(pages):
        objects.append(f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 {width} {height}]/Contents {4 + 2 * number} 0 R>>")
        objects.append(f"<</Length {len(content)}>>stream\n{content}\nendstream")
    out, places = "%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj{body}endobj\n"
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    size = len(objects) + 1
    out += f"xref\n0 {size}\n0000000000 65535 f \n{table}trailer<</Size {size}/Root 1 0 R{trailer}>>\n"
    return (out + f"startxref\n{out.index('xref')}\n%%EOF\n").encode()


def pdf_with_password() -> bytes:
    """A PDF encrypted by the standard handler, revision 2, with keys that no empty password opens."""
    key = "41" * 32
    crypt = f"/Encrypt<</Filter/Standard/V 1/R 2/O<{key}>/U<{key}>/P -4>>/ID[<{'42' * 16}><{'42' * 16}>]"
    return pdf([(72, 72, "")], trailer=crypt)
