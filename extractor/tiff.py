"""Pages of TIFF files, one at a time and without decoding the others.

A page is cut out of its file as a TIFF of its own: its directory, reduced to the tags that decide about pixels, and its
strips or tiles. So a damaged page spoils no other page, memory holds one page however many the file has, and no private
tag reaches the decoder. Classic TIFF 6.0 (Adobe 1992) and BigTIFF, either byte order. Untrusted bytes raise nothing but
`DocumentError`, whose message leaves the file's name to the caller.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

from extractor.errors import DocumentError

_AGAIN = "copy or scan it again"
_RESAVE = "save it as an ordinary 8-bit TIFF, or as PNG"

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_STRIP_OFFSETS, _ORIENTATION, _SAMPLES, _STRIP_COUNTS, _PLANAR = 273, 274, 277, 279, 284
_SUBFILE_TYPE, _COLOR_MAP, _TILE_OFFSETS, _TILE_COUNTS, _EXTRA_SAMPLES, _SAMPLE_FORMAT = 254, 320, 324, 325, 338, 339
_KEPT_TAGS = frozenset(
    {_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES, _PLANAR, _COLOR_MAP, _EXTRA_SAMPLES, _SAMPLE_FORMAT}
    | {266, 278, 292, 293, 317, 322, 323, 332, 347, 529, 530, 531, 532}
)
_TYPE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_INTEGER_FORMATS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB, _PALETTE, _SEPARATED = 0, 1, 2, 3, 5
_DECODED_COMPRESSIONS = frozenset({1, 2, 3, 4, 5, 7, 8, 32773, 32946})  # none, CCITT, LZW, JPEG, Deflate, PackBits
_MOST_ENTRIES = 4096
_MOST_VALUES = 4_000_000


@dataclass(frozen=True, slots=True)
class TiffPage:
    """One page of a TIFF file.

    Attributes:
        width: Stored width in pixels, before the orientation is applied.
        height: Stored height in pixels, before the orientation is applied.
        orientation: 1 to 8, as in Exif.
        bits: Bits of a sample.
        inverted: Whether the decoder will leave white as 0 (it minds the polarity only up to 8 bits).
        alpha: Whether the fourth channel is opacity.
        premultiplied: Whether the decoder will hand out colours already multiplied by their opacity.
    """

    width: int
    height: int
    orientation: int
    bits: int
    inverted: bool
    alpha: bool
    premultiplied: bool


@dataclass(frozen=True, slots=True)
class _Entry:
    type: int
    count: int
    raw: bytes


class TiffFile:
    """A TIFF file open for reading.

    Args:
        stream: The file, seekable.
        size: Its length in bytes.

    Raises:
        DocumentError: ``truncated`` when the file ends within its header.
    """

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream = stream
        self._size = size
        start = self._bytes(0, 8)
        self._order = "<" if start.startswith(b"II") else ">"
        self._big = int.from_bytes(start[2:4], "little" if self._order == "<" else "big") == 43
        self._offset_format, self._count_format, self._entry_size = ("Q", "Q", 20) if self._big else ("I", "H", 12)
        self._first = self._integer(8 if self._big else 4, self._offset_format)

    def page_offsets(self, most: int) -> list[int]:
        """Find the pages, thumbnails and transparency masks left out.

        Args:
            most: How many directories to look at; finding more is the caller's sign to give up.

        Returns:
            Where each page's directory lies. A chain that breaks off (an offset outside the file, a directory cut
            short, a loop) counts as one page more, with an offset that `page` refuses.
        """
        offsets: dict[int, None] = {}
        pages: list[int] = []
        offset = self._first
        while offset and len(offsets) < most:
            if offset in offsets:
                pages.append(self._size)
                break
            offsets[offset] = None
            try:
                kind, following = self._subfile_type_and_next(offset)
            except DocumentError:
                pages.append(self._size)
                break
            if not kind & 0b101:
                pages.append(offset)
            offset = following
        return pages or list(offsets)

    def page(self, offset: int) -> tuple[TiffPage, dict[int, _Entry]]:
        """Read what a page's directory tells.

        Args:
            offset: One of `page_offsets`.

        Returns:
            The page, and its tags for `extract`.

        Raises:
            DocumentError: ``damaged`` or ``unsupported``.
        """
        tags = self._directory(offset)
        width, height = self._first_value(tags, _WIDTH), self._first_value(tags, _HEIGHT)
        if width <= 0 or height <= 0:
            raise DocumentError("the TIFF directory gives no size", _AGAIN, "damaged")
        bits = self._first_value(tags, _BITS, 1)
        samples = self._first_value(tags, _SAMPLES, 1)
        planar = self._first_value(tags, _PLANAR, 1) == 2 and samples > 1
        if self._first_value(tags, _SAMPLE_FORMAT, 1) not in (1, 4) or bits not in (1, 4, 8, 12, 16):
            raise DocumentError(f"samples of {bits} bits in this form are not read", _RESAVE, "unsupported")
        # OpenCV decodes 16-bit planes into nonsense and drops the opacity of grey images, both without a word.
        extra = self._first_value(tags, _EXTRA_SAMPLES, 0)
        photometric = self._first_value(tags, _PHOTOMETRIC, _MIN_IS_BLACK)
        separated = photometric == _SEPARATED and bits > 8
        if (planar and bits > 8) or (samples == 2 and extra in (1, 2)) or samples > 4 or separated:
            raise DocumentError("this arrangement of colour planes is not read", _RESAVE, "unsupported")
        if self._first_value(tags, _COMPRESSION, 1) not in _DECODED_COMPRESSIONS:
            raise DocumentError("this compression is not read", _RESAVE, "unsupported")
        orientation = self._first_value(tags, _ORIENTATION, 1)
        return TiffPage(
            width=width,
            height=height,
            orientation=orientation if 1 <= orientation <= 8 else 1,
            bits=bits,
            inverted=photometric == _MIN_IS_WHITE and bits > 8,
            alpha=photometric == _RGB and samples == 4 and extra in (1, 2),
            premultiplied=bits <= 8 or extra == 1,
        ), tags

    def extract(self, page: TiffPage, tags: dict[int, _Entry]) -> bytes:
        """Return one page as a TIFF file of its own, without orientation.

        Args:
            page: The page.
            tags: Its tags, as `page` gave them.

        Returns:
            A classic TIFF in the file's byte order.

        Raises:
            DocumentError: ``truncated`` when pixel data lies past the end of the file, else ``damaged``.
        """
        tiled = _TILE_OFFSETS in tags
        offsets_tag, counts_tag = (_TILE_OFFSETS, _TILE_COUNTS) if tiled else (_STRIP_OFFSETS, _STRIP_COUNTS)
        offsets = self._integers(tags, offsets_tag)
        counts = self._integers(tags, counts_tag)
        if len(offsets) == 1 and not counts:
            counts = [self._size - offsets[0]]
        if not offsets or len(offsets) != len(counts):
            raise DocumentError("the TIFF directory does not say where the image lies", _AGAIN, "damaged")
        if any(offset + count > self._size for offset, count in zip(offsets, counts, strict=True)):
            raise DocumentError("the TIFF file ends before its image is complete", _AGAIN, "truncated")
        if sum(counts) > self._size:
            raise DocumentError("parts of the TIFF image lie on top of each other", _AGAIN, "damaged")
        kept = {tag: entry for tag, entry in tags.items() if tag in _KEPT_TAGS}
        if page.bits == 4 and self._first_value(tags, _PHOTOMETRIC, 1) in (_MIN_IS_WHITE, _MIN_IS_BLACK):
            self._name_grey_levels(kept)
        out = bytearray(struct.pack(self._order + "2sHI", b"II" if self._order == "<" else b"MM", 42, 0))
        placed = []
        for offset, count in zip(offsets, counts, strict=True):
            placed.append(len(out))
            out += self._bytes(offset, count)
            out += b"\0" * (len(out) % 2)
        kept[offsets_tag] = self._longs(placed)
        kept[counts_tag] = self._longs(counts)
        self._append_directory(out, kept)
        return bytes(out)

    def _name_grey_levels(self, tags: dict[int, _Entry]) -> None:
        """Turn grey of 4 bits, which OpenCV does not decode, into the same as a palette, which it does."""
        levels = [65535 * level // 15 for level in range(16)]
        if self._first_value(tags, _PHOTOMETRIC, 1) == _MIN_IS_WHITE:
            levels.reverse()
        tags[_PHOTOMETRIC] = _Entry(3, 1, struct.pack(self._order + "H", _PALETTE))
        tags[_COLOR_MAP] = _Entry(3, 3 * len(levels), struct.pack(f"{self._order}{3 * len(levels)}H", *levels * 3))

    def _append_directory(self, out: bytearray, tags: dict[int, _Entry]) -> None:
        """Append a directory with its values to a file under construction and point the header at it."""
        entries = []
        for tag in sorted(tags):
            entry = tags[tag]
            value = entry.raw
            if len(value) > 4:
                value = struct.pack(self._order + "I", len(out))
                out += entry.raw + b"\0" * (len(entry.raw) % 2)
            entries.append(struct.pack(self._order + "HHI", tag, entry.type, entry.count) + value.ljust(4, b"\0"))
        struct.pack_into(self._order + "I", out, 4, len(out))
        out += struct.pack(self._order + "H", len(entries)) + b"".join(entries) + bytes(4)

    def _longs(self, values: list[int]) -> _Entry:
        return _Entry(4, len(values), struct.pack(f"{self._order}{len(values)}I", *values))

    def _subfile_type_and_next(self, offset: int) -> tuple[int, int]:
        tags, end = self._raw_entries(offset)
        kind = self._first_value(self._values(tags, frozenset({_SUBFILE_TYPE})), _SUBFILE_TYPE, 0)
        return kind, self._integer(end, self._offset_format)

    def _directory(self, offset: int) -> dict[int, _Entry]:
        wanted = _KEPT_TAGS | {_ORIENTATION, _STRIP_OFFSETS, _STRIP_COUNTS, _TILE_OFFSETS, _TILE_COUNTS}
        try:
            return self._values(self._raw_entries(offset)[0], wanted)
        except DocumentError:
            raise DocumentError("the TIFF directory of this page is damaged", _AGAIN, "damaged") from None

    def _raw_entries(self, offset: int) -> tuple[list[bytes], int]:
        """Return the entries of a directory as stored, and where they end."""
        count = self._integer(offset, self._count_format)
        if not 0 < count <= _MOST_ENTRIES:
            raise DocumentError("the TIFF directory is damaged", _AGAIN, "damaged")
        start = offset + struct.calcsize("=" + self._count_format)
        table = self._bytes(start, count * self._entry_size)
        entries = [table[at : at + self._entry_size] for at in range(0, len(table), self._entry_size)]
        return entries, start + len(table)

    def _values(self, entries: list[bytes], wanted: frozenset[int]) -> dict[int, _Entry]:
        """Fetch the values of some tags; entries of unknown types are passed over, as TIFF 6.0 asks."""
        found = {}
        inline = 8 if self._big else 4
        for entry in entries:
            tag, type_, count = struct.unpack_from(f"{self._order}HH{self._offset_format}", entry)
            if tag not in wanted or type_ not in _TYPE_SIZES:
                continue
            if not 0 < count <= _MOST_VALUES:
                raise DocumentError("the TIFF directory is damaged", _AGAIN, "damaged")
            length = count * _TYPE_SIZES[type_]
            value = entry[-inline:]
            if length > inline:
                value = self._bytes(struct.unpack(self._order + self._offset_format, value)[0], length)
            found[tag] = self._classic(type_, count, value[:length])
        return found

    def _classic(self, type_: int, count: int, raw: bytes) -> _Entry:
        """Return an entry in the types that a classic TIFF knows."""
        if type_ not in (16, 18):
            return _Entry(type_, count, raw)
        values = struct.unpack(f"{self._order}{count}Q", raw)
        return self._longs([min(value, 0xFFFFFFFF) for value in values])

    def _integers(self, tags: dict[int, _Entry], tag: int) -> list[int]:
        entry = tags.get(tag)
        if entry is None or entry.type not in _INTEGER_FORMATS:
            return []
        return list(struct.unpack(f"{self._order}{entry.count}{_INTEGER_FORMATS[entry.type]}", entry.raw))

    def _first_value(self, tags: dict[int, _Entry], tag: int, default: int = 0) -> int:
        values = self._integers(tags, tag)
        return values[0] if values else default

    def _integer(self, offset: int, format_: str) -> int:
        value: int = struct.unpack(self._order + format_, self._bytes(offset, struct.calcsize("=" + format_)))[0]
        return value

    def _bytes(self, offset: int, length: int) -> bytes:
        if offset + length > self._size:
            raise DocumentError("the TIFF file ends too early", _AGAIN, "truncated")
        self._stream.seek(offset)
        data = self._stream.read(length)
        if len(data) != length:
            raise DocumentError("the TIFF file ends too early", _AGAIN, "truncated")
        return data
