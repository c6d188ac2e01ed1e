"""What our web pages share: colours, escaping, pictures inside the file, filters without a script, rows on disk.

A page stands alone: pictures are inside it, it runs no script and asks the network for nothing, which its own content
security policy enforces. Rows off the screen are not laid out (``content-visibility``), so thousands of them scroll
freely.
"""

from __future__ import annotations

import base64
import html
import tempfile
from collections.abc import Iterable
from types import TracebackType
from typing import Any, TextIO

import cv2
import numpy as np
from numpy.typing import NDArray

from extractor.names import printable

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""What a page may load: nothing but what is inside it."""

# Okabe and Ito, "Color Universal Design" (2008), darkened where they stand for text on white.
BASE_STYLE = """
:root{color-scheme:light dark;--accepted:#0072b2;--review:#b35c00;--blank:#767676;--failed:#b00020;--line:#8884}
@media (prefers-color-scheme:dark){:root{--accepted:#56b4e9;--review:#e69f00;--blank:#a0a0a0;--failed:#ff8a80}}
body{font:15px/1.45 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem;overflow-wrap:anywhere}h2{font-size:1.15rem;margin-top:2rem}
dl{display:flex;flex-wrap:wrap;gap:.5rem 2rem;margin:1rem 0}dt{opacity:.75}dd{margin:0;font-size:1.5rem}
.show{display:flex;flex-wrap:wrap;gap:1rem;border:0;padding:0;margin:1rem 0}
ol,ul{list-style:none;padding:0;margin:0}
.row{content-visibility:auto}
@media print{.show{display:none}.row{content-visibility:visible;break-inside:avoid}}
"""


def head(title: str, style: str) -> str:
    """Return everything down to the heading.

    Args:
        title: Of the page; escaped here.
        style: Rules beside `BASE_STYLE`.
    """
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        f"<title>{escaped(title)}</title>\n<style>{BASE_STYLE}{style}</style>\n</head>\n<body>\n"
        f"<h1>{escaped(title)}</h1>\n"
    )


FOOT = "</body>\n</html>\n"
"""What ends a page."""


def figures(numbers: Iterable[tuple[str, str]]) -> str:
    """Return a row of names, each with its figure."""
    return "<dl>" + "".join(f"<div><dt>{name}</dt><dd>{figure}</dd></div>" for name, figure in numbers) + "</dl>\n"


def filters(group: str, legend: str, choices: Iterable[tuple[str, str]]) -> str:
    """Return radio buttons that a rule with ``.show:has(#KEY:checked) ~ ol`` can obey; the first is chosen.

    Args:
        group: Name that the buttons share.
        legend: What is chosen.
        choices: Key and label of each button.
    """
    buttons = "".join(
        f'<label><input type="radio" name="{group}" id="{key}"{"" if at else " checked"}> {label}</label>'
        for at, (key, label) in enumerate(choices)
    )
    return f'<fieldset class="show"><legend>{legend}</legend>{buttons}</fieldset>\n'


def picture(image: NDArray[np.uint8], alt: str, *, quality: int | None = None, width: int | None = None) -> str:
    """Return an image element with the picture inside; a few words when it cannot be encoded.

    Args:
        image: (H, W) grey or (H, W, 3) BGR.
        alt: What it shows; escaped here.
        quality: Of a JPEG; a PNG when None.
        width: Width on the screen; the picture's own when None.
    """
    if image.size == 0:
        return "no picture"
    if quality is None:
        kind, encoded = "png", cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    else:
        kind, encoded = "jpeg", cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not encoded[0]:
        return "no picture"
    rows, columns = image.shape[:2]
    shown = width or columns
    source = base64.b64encode(encoded[1].tobytes()).decode("ascii")
    return (
        f'<img width="{shown}" height="{round(rows * shown / columns)}" loading="lazy" decoding="async" '
        f'alt="{escaped(alt)}" src="data:image/{kind};base64,{source}">'
    )


def escaped(text: str) -> str:
    """Return a text from outside so that it is nothing but text in a page."""
    return html.escape(printable(text))


def ascii_only(text: str) -> str:
    """Return markup whose other characters are references: it reads the same in any encoding."""
    return text.encode("ascii", "xmlcharrefreplace").decode("ascii")


class Rows:
    """Rows of a page that wait on disk until their order is known."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        self._order: list[tuple[Any, int, int]] = []

    def __enter__(self) -> Rows:
        """Return the rows themselves."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of the file."""
        self._file.close()

    def __len__(self) -> int:
        return len(self._order)

    def add(self, key: Any, markup: str) -> None:
        """Keep a row.

        Args:
            key: Rows come in the order of their keys, those of equal keys as they were added.
            markup: The row.
        """
        row = ascii_only(markup).encode("ascii")
        self._order.append((key, self._file.tell(), len(row)))
        self._file.write(row)

    def write(self, stream: TextIO) -> None:
        """Write the rows in their order as a list."""
        stream.write("<ol>\n")
        for _, offset, length in sorted(self._order):
            self._file.seek(offset)
            stream.write(self._file.read(length).decode("ascii"))
        stream.write("</ol>\n")
