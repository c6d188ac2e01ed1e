"""Every wrong string on one HTML page, with what each stage made of it, so that one sees in seconds which stage failed.

Shown are the picture, its ink, the ink without printed lines, the lattice with the path that was taken and the path of
what is written, their crops as the network saw them, and the scores of both readers.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TextIO

import cv2
import numpy as np
from numpy.typing import NDArray

from extractor import webpage
from extractor.decision import decide
from extractor.diagnosis import CAUSES, Diagnosis, Spelling, diagnose, paired
from extractor.lattice_picture import draw_crop, draw_lattice
from extractor.reader import Evidence, Reader
from extractor.readings import Box
from extractor.segmentation import crops
from extractor.webpage import escaped

KINDS = {
    "wrong": "digits taken for others",
    "extra": "digits too many",
    "lost": "digits lost",
    "several": "several of these",
}
_STATUSES = ("accepted", "review", "blank")
_GROUPS: dict[str, tuple[str, Mapping[str, str]]] = {
    "cause": ("Where it went wrong", {str(cause): meaning for cause, meaning in CAUSES.items()}),
    "kind": ("What differs", KINDS),
    "status": ("Status", {status: status for status in (*_STATUSES, "missed", "unknown")}),
}
"""What strings can be filtered by: legend, and the choices with their meanings."""
_MARGIN = 0.35
"""Surroundings of a string that are looked at with it, in heights of its box."""
_WHOLE = 0.3
"""A string whose box covers this share of its page is looked at with the whole page, as ``--layout line`` does."""
_PICTURE_HEIGHT, _PICTURE_WIDTH = 110, 760
_LINE_HEIGHT = 110
_JPEG_QUALITY = 75
_CROP_SHOWN = 62
_CLASSES = (*(str(digit) for digit in range(10)), "not one", "skip")
"""What the crop network can say of a candidate."""

_STYLE = """
body{max-width:90rem}
:root{--written:#00735a;--said:#b3400f}
@media (prefers-color-scheme:dark){:root{--written:#2fc6a0;--said:#ff9d66}}
.bar{display:flex;flex-wrap:wrap;gap:1rem 2.5rem;align-items:flex-start}
.show{flex-direction:column;gap:.1rem;margin:.5rem 0}.show legend{font-weight:600;margin-bottom:.25rem}
.show b{font-variant-numeric:tabular-nums;display:inline-block;min-width:2.5rem;text-align:right;margin-right:.4rem}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
.pairs td,.pairs th{width:2.1rem;height:1.7rem;text-align:center;padding:0}.pairs th{opacity:.7;font-weight:500}
.pairs label{display:block;line-height:1.7rem;border-radius:3px;cursor:pointer}
.pairs input,.all input{position:absolute;opacity:0}.pairs label:has(:checked),.all:has(:checked){outline:2px solid}
.pairs label:has(:focus-visible){outline:2px dashed}.all{padding:0 .5rem;border-radius:3px;cursor:pointer}
.row{border-top:1px solid var(--line);padding:.9rem 0 1.1rem;contain-intrinsic-size:auto 470px}
.row header{display:flex;flex-wrap:wrap;gap:.2rem 1.5rem;align-items:baseline}
.string{font:1.55rem/1.2 ui-monospace,monospace}.string i{font-style:normal;text-decoration:underline 3px;
text-underline-offset:.18em}.written{color:var(--written)}.said{color:var(--said)}
.string small{font:.8rem system-ui,sans-serif;margin-right:.5rem}
.cause{font-weight:600}.where{font-size:.85rem;opacity:.75;overflow-wrap:anywhere}
.pictures,.paths{display:flex;flex-wrap:wrap;gap:.6rem 1.6rem;margin-top:.5rem;align-items:flex-start}
figure{margin:0}figcaption{font-size:.78rem;opacity:.8}
.pictures img{background:#fff;display:block;max-width:100%;height:auto}
.path{display:flex;flex-wrap:wrap;gap:.25rem;border-left:4px solid;padding-left:.5rem}
.path figure{text-align:center;width:66px}.path img{image-rendering:pixelated;display:block;margin:auto}
.path b{font:600 1.05rem ui-monospace,monospace}.path figcaption{opacity:1;line-height:1.3;color:CanvasText}
.path .not b{text-decoration:underline 2px}
.scores td,.scores th{padding:.05rem .6rem;text-align:right}.scores th{font-weight:500;opacity:.7}
.scores td:first-child{font-family:ui-monospace,monospace;text-align:left}.scores tr.written,.scores tr.said{
font-weight:600}.note{font-size:.85rem;margin:.3rem 0 0}
"""


@dataclass(frozen=True, slots=True)
class WrongString:
    """A string that was not read as it is written.

    Attributes:
        where: Document, page and field, for a person.
        truth: What is written; None when nothing is.
        read: What was read; None when it was missed.
        confidence: That of the reading.
        status: That of the reading; empty when unknown or missed.
        box: Where it was read on the page; None when unknown or missed.
        digit_boxes: Where the written digits lie on the page; empty when unknown.
    """

    where: str
    truth: str | None
    read: str | None
    confidence: float = 0.0
    status: str = ""
    box: Box | None = None
    digit_boxes: tuple[Box, ...] = ()


@dataclass(frozen=True, slots=True)
class Mistake:
    """A wrong string with all that is known about it.

    Attributes:
        string: The string.
        diagnosis: Where it went wrong.
        picture: What was looked at, (H, W) grey or (H, W, 3) BGR; None when it cannot be opened.
        evidence: What both readers see in it; None when nothing is left to be seen.
    """

    string: WrongString
    diagnosis: Diagnosis
    picture: NDArray[np.uint8] | None
    evidence: Evidence | None


def investigate(reader: Reader, image: NDArray[np.uint8] | None, string: WrongString, *, alone: bool) -> Mistake:
    """Look at a wrong string again.

    Args:
        reader: With the network that read it.
        image: The page; None when it cannot be opened.
        string: The string.
        alone: Whether the page holds no other string.
    """
    settings = reader.settings
    seen: list[tuple[Box, Evidence | None]] = []
    for window in () if image is None else _windows(image, string, alone):
        x, y, w, h = window
        evidence = reader.evidence(image[y : y + h, x : x + w]) if image is not None else None
        found = evidence and decide(evidence.lattice, evidence.scores, list(evidence.views), settings).path.text
        seen.append((window, evidence))
        if (found or "") == (string.read or ""):
            seen = seen[-1:]  # This is how it was read.
            break
    window, evidence = seen[0] if seen else ((0, 0, 0, 0), None)
    x, y, w, h = window
    spans = () if evidence is None else _spans(string, evidence, left=x)
    diagnosis = diagnose(
        string.truth, string.read, string.confidence, evidence, settings, has_picture=image is not None, spans=spans
    )
    picture = None if image is None else image[y : y + h, x : x + w] if seen else image
    return Mistake(string, diagnosis, picture, evidence)


def write(mistakes: Iterable[Mistake], stream: TextIO, title: str, strings: int) -> None:
    """Write the page, the surest mistakes first. They are taken one at a time and wait for their place on disk.

    Args:
        mistakes: The wrong strings.
        stream: Where to write; the text is ASCII.
        title: Heading of the page.
        strings: How many strings are written, the right ones included.
    """
    counts: Counter[str] = Counter()
    with webpage.Rows() as rows:
        for mistake in mistakes:
            classes = _filter_classes(mistake.string, mistake.diagnosis)
            counts.update(classes)
            rows.add(-mistake.string.confidence, _row(mistake, classes))
        numbers = (("Strings written", f"{strings:,}"), ("Wrong", f"{len(rows):,}"))
        stream.write(webpage.ascii_only(webpage.head(title, _STYLE + _rules(counts))))
        stream.write(webpage.ascii_only(webpage.figures(numbers)))
        stream.write(webpage.ascii_only(_bar(counts, len(rows))))
        if len(rows):
            rows.write(stream)
        else:
            stream.write("<p>Every string was read as it is written.</p>\n")
    stream.write(webpage.FOOT)


def _windows(image: NDArray[np.uint8], string: WrongString, alone: bool) -> list[Box]:
    """List the parts of a page to look at, the likeliest way in which the string was read first."""
    height, width = image.shape[:2]
    whole = (0, 0, width, height)
    if string.box is None:
        return [whole] if alone and string.read is not None else []
    x, y, w, h = string.box
    margin = round(_MARGIN * h)
    left, top = min(max(0, x - margin), width - 1), min(max(0, y - margin), height - 1)
    right, bottom = max(left + 1, min(width, x + w + margin)), max(top + 1, min(height, y + h + margin))
    part = (left, top, right - left, bottom - top)
    if not alone:
        return [part]
    return [whole, part] if w * h >= _WHOLE * width * height else [part, whole]


def _spans(string: WrongString, evidence: Evidence, left: int) -> tuple[tuple[float, float], ...]:
    line = evidence.lattice.line
    begin = left + line.origin[0]
    return tuple(((x - begin) * line.scale, (x + w - begin) * line.scale) for x, _, w, _ in string.digit_boxes)


def _kind(diagnosis: Diagnosis) -> str:
    kinds = {"extra" if not written else "wrong" if read else "lost" for written, read in diagnosis.edits}
    return kinds.pop() if len(kinds) == 1 else "several"


def _pair_class(pair: tuple[str, str]) -> str:
    return "p-" + "-".join(side if side.isdecimal() and side.isascii() else "x" for side in pair)


def _filter_class(group: str, key: str) -> str:
    return f"f-{group}-{key}"


def _filter_classes(string: WrongString, diagnosis: Diagnosis) -> list[str]:
    """Name everything that a wrong string can be filtered by; nothing in it comes from outside."""
    status = string.status if string.status in _STATUSES else "missed" if string.read is None else "unknown"
    keys = {"cause": diagnosis.cause, "kind": _kind(diagnosis), "status": status}
    classes = [_filter_class(group, key) for group, key in keys.items()]
    return classes + list(dict.fromkeys(_pair_class(pair) for pair in diagnosis.edits))


def _rules(classes: Iterable[str]) -> str:
    """Hide what none of the chosen filters wants."""
    # Asked of the bar and not of the body: what a browser asks of the body it asks again for every row that it loads.
    return "".join(f".bar:has(#{name}:checked) ~ ol .row:not(.{name}){{display:none}}\n" for name in classes)


def _bar(counts: Counter[str], total: int) -> str:
    markup = []
    for group, (legend, meanings) in _GROUPS.items():
        keys = sorted(meanings, key=lambda key: -counts[_filter_class(group, key)])
        choices = [(f"all-{group}", f"<b>{total:,}</b>all")]
        choices += [
            (name, f"<b>{counts[name]:,}</b>{escaped(meanings[key])}")
            for key in keys
            if counts[name := _filter_class(group, key)]
        ]
        markup.append(webpage.filters(group, legend, choices))
    cause, *others = markup
    return f'<div class="bar">{cause}<div>{"".join(others)}</div>{_pair_table(counts)}</div>\n'


def _pair_table(counts: Counter[str]) -> str:
    """Digits as they are written and as they were read; each figure is a button that shows its strings."""
    most = max((count for name, count in counts.items() if name.startswith("p-")), default=1)
    names = [*(str(digit) for digit in range(10)), "x"]
    label = {"x": "none"}
    head_cells = "".join(f"<th>{label.get(name, name)}</th>" for name in names)
    lines = []
    for written in names:
        cells = []
        for read in names:
            count = counts[key := f"p-{written}-{read}"]
            shade = f"background:rgb(213 94 0/{0.12 + 0.6 * count / most:.2f})"
            button = f'<label style="{shade}"><input type="radio" name="pair" id="{key}">{count}</label>'
            cells.append(f"<td>{button if count else ''}</td>")
        lines.append(f"<tr><th>{label.get(written, written)}</th>{''.join(cells)}</tr>")
    return (
        '<fieldset class="show"><legend>Digit as written (down) and as read (across) '
        '<label class="all"><input type="radio" name="pair" id="all-pairs" checked>all</label></legend>'
        f'<table class="pairs"><tr><th></th>{head_cells}</tr>{"".join(lines)}</table></fieldset>'
    )


def _row(mistake: Mistake, classes: list[str]) -> str:
    string, diagnosis = mistake.string, mistake.diagnosis
    percent = "" if string.read is None else f"{math.floor(string.confidence * 1000) / 10:.1f} % {string.status}"
    return (
        f'<li class="row {" ".join(classes)}"><header>'
        f'<span class="string written"><small>written</small>{_marked(diagnosis, 0)}</span>'
        f'<span class="string said"><small>read</small>{_marked(diagnosis, 1)}</span>'
        f'<span>{escaped(percent)}</span><span class="cause">{escaped(CAUSES[diagnosis.cause])}</span>'
        f'<span class="where">{escaped(string.where)}</span></header>'
        f"{_pictures(mistake)}{_readers(mistake)}</li>\n"
    )


def _marked(diagnosis: Diagnosis, side: int) -> str:
    text = (diagnosis.truth, diagnosis.read)[side]
    if not text:
        return "nothing"
    pairs = paired(diagnosis.truth or "", diagnosis.read or "")
    return "".join(
        f"<i>{escaped(pair[side])}</i>" if pair[0] != pair[1] else escaped(pair[side]) for pair in pairs if pair[side]
    )


def _pictures(mistake: Mistake) -> str:
    shown = []
    if mistake.picture is not None:
        shown.append(_figure(_small(mistake.picture), "picture", _PICTURE_HEIGHT))
    if mistake.evidence is not None:
        lattice, diagnosis = mistake.evidence.lattice, mistake.diagnosis
        shown.append(_figure(255 - lattice.line.raw, "ink", _LINE_HEIGHT))
        shown.append(_figure(255 - lattice.line.ink, "ink without printed lines", _LINE_HEIGHT))
        paths = [spelling.path if spelling else None for spelling in (diagnosis.written, diagnosis.said)]
        shown.append(_figure(draw_lattice(lattice, *paths), "lattice: written above, read below", is_drawing=True))
    return f'<div class="pictures">{"".join(shown) or "no picture"}</div>'


def _figure(image: NDArray[np.uint8], caption: str, height: int | None = None, *, is_drawing: bool = False) -> str:
    """Return a picture at a height on the screen, with what it is under it."""
    rows, columns = image.shape[:2]
    width = None if height is None else min(_PICTURE_WIDTH, round(columns * min(height / rows, 4.0)))
    markup = webpage.picture(image, caption, quality=None if is_drawing else _JPEG_QUALITY, width=width)
    return f"<figure>{markup}<figcaption>{caption}</figcaption></figure>"


def _small(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Shrink a picture to what is shown of it."""
    height, width = image.shape[:2]
    scale = min(_PICTURE_HEIGHT / height, _PICTURE_WIDTH / width)
    if scale >= 1:
        return image
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _readers(mistake: Mistake) -> str:
    evidence, diagnosis = mistake.evidence, mistake.diagnosis
    if evidence is None:
        return ""
    digits, context, _ = crops(evidence.lattice)
    paths = []
    for spelling, name in ((diagnosis.written, "written"), (diagnosis.said, "said")):
        if spelling is not None and spelling.path is not None:
            paths.append(f'<div class="path {name}">{_crops(spelling, evidence, digits, context)}</div>')
    views = (
        f'<p class="note">line network alone: {", ".join(map(escaped, diagnosis.views))}</p>' if diagnosis.views else ""
    )
    return f'<div class="paths">{"".join(paths)}<div>{_scores(diagnosis)}{views}</div></div>'


def _crops(spelling: Spelling, evidence: Evidence, digits: NDArray[np.uint8], context: NDArray[np.uint8]) -> str:
    assert spelling.path is not None
    shown = []
    for character, index, score in zip(spelling.text, spelling.path.candidates, spelling.digits, strict=True):
        best = int(np.argmax(evidence.scores[index]))
        other = "" if str(best) == character else f"<br>{_CLASSES[best]} {math.exp(evidence.scores[index, best]):.0%}"
        picture = webpage.picture(draw_crop(digits[index], context[index]), f"crop of {character}", width=_CROP_SHOWN)
        kind = ' class="not"' if other else ""
        caption = f"<b>{escaped(character)}</b> {math.exp(score):.0%}{other}"
        shown.append(f"<figure{kind}>{picture}<figcaption>{caption}</figcaption></figure>")
    return "".join(shown) or "nothing"


def _scores(diagnosis: Diagnosis) -> str:
    spellings = {spelling.text: spelling for spelling in diagnosis.proposals}
    for spelling in (diagnosis.said, diagnosis.written):
        if spelling is not None:
            spellings.setdefault(spelling.text, spelling)
    lines = []
    for text, spelling in spellings.items():
        name = "written" if text == diagnosis.truth else "said" if text == diagnosis.read else ""
        place = "" if spelling.place is None else str(spelling.place)
        cells = (place, _number(spelling.lattice), _number(spelling.line), _number(spelling.total))
        lines.append(
            f'<tr class="{name}"><td>{escaped(text) or "nothing"}</td>'
            + "".join(f"<td>{cell}</td>" for cell in cells)
            + "</tr>"
        )
    heads = "".join(f"<th>{name}</th>" for name in ("", "place", "lattice", "line network", "both"))
    return f'<table class="scores"><tr>{heads}</tr>{"".join(lines)}</table>'


def _number(value: float | None) -> str:
    return "no path" if value is None else f"{value:.1f}"
