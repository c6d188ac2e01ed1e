"""Two files of readings, one of them the truth: their strings side by side."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from extractor.errors import UsageError
from extractor.names import printable
from extractor.readings import Box
from extractor.scoring import Answer, align


@dataclass(frozen=True, slots=True)
class String:
    """One string of a file.

    Attributes:
        field: Name of its field; empty when the file gives none.
        text: The digits.
        confidence: Of the reading, 0 to 1.
        status: Of the reading; empty when the file gives none.
        box: Where it lies on its page; None when the file does not say.
        digit_boxes: Where its digits lie on its page; empty when the file does not say.
    """

    field: str
    text: str
    confidence: float = 1.0
    status: str = ""
    box: Box | None = None
    digit_boxes: tuple[Box, ...] = ()


Key = tuple[str, int]
"""A document as it is named, and its page; page 0 is the document as a whole."""
Pages = dict[Key, list[String]]
"""The strings of each page in reading order."""


@dataclass(frozen=True, slots=True)
class Pair:
    """What is written beside what was read.

    Attributes:
        gold: The page as the truth names it.
        page: The page as the readings name it; None when they lack it.
        truth: What is written; None when nothing is.
        read: What was read; None when it was missed.
    """

    gold: Key
    page: Key | None
    truth: String | None
    read: String | None

    @property
    def answer(self) -> Answer:
        """What is judged of it."""
        return Answer(
            None if self.truth is None else self.truth.text,
            None if self.read is None else self.read.text,
            0.0 if self.read is None else self.read.confidence,
        )


def load(path: Path) -> Pages:
    """Read CSV or JSON Lines of ``digits run``, or JSON Lines of ``{"file": ..., "lines": [...]}``.

    Args:
        path: The file; its name says whether it is CSV.

    Raises:
        UsageError: It is something else.
    """
    pages: Pages = defaultdict(list)
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = _csv_strings(stream) if path.suffix.lower() == ".csv" else _json_strings(stream)
            for key, strings in rows:
                pages[key].extend(strings)
    except (ArithmeticError, ValueError, KeyError, TypeError, AttributeError, csv.Error):
        raise UsageError(f"{printable(str(path))} holds no readings", "see digits score --help") from None
    return dict(pages)


def compare(truth: Pages, read: Pages) -> tuple[list[Pair], int]:
    """Put the strings of two files side by side.

    Documents are the same when the ends of their paths are. Strings belong together by the names of their fields where
    both files have the same names, else in reading order, at the least number of differing digits.

    Args:
        truth: What is written.
        read: What was read; pages that the truth lacks are left out.

    Returns:
        The pairs, and how many pages of the truth have no readings.

    Raises:
        UsageError: A document of the truth may be any of several that were read.
    """
    by_name: dict[str, list[Key]] = defaultdict(list)
    for document, page in read:
        by_name[PurePath(document).name].append((document, page))
    pairs: list[Pair] = []
    missing = 0
    for gold, strings in truth.items():
        keys = _same_document(*gold, by_name)
        missing += not keys
        where = {id(string): key for key in keys for string in read[key]}
        for written, found in _matched(strings, [string for key in keys for string in read[key]]):
            pairs.append(Pair(gold, keys[0] if keys and found is None else where.get(id(found)), written, found))
    return pairs, missing


def _csv_strings(stream: Iterable[str]) -> Iterator[tuple[Key, list[String]]]:
    for row in csv.DictReader(stream):
        key = row["document"], int(row.get("page") or 1)
        status = row.get("status") or ""
        if status.startswith("failed"):
            yield key, []
            continue
        places = [row.get(name) for name in ("x", "y", "width", "height")]
        box = _box([int(place) for place in places if place])
        yield key, [String(row["field"], row["text"], float(row.get("confidence") or 0), status, box)]


def _json_strings(stream: Iterable[str]) -> Iterator[tuple[Key, list[String]]]:
    for line in stream:
        if not line.strip():
            continue
        entry: dict[str, Any] = json.loads(line)
        if "lines" in entry:
            boxes = tuple(box for box in map(_box, entry.get("boxes") or ()) if box is not None)
            strings = [String("", text) for text in entry["lines"]]
            if len(strings) == 1 and len(boxes) == len(strings[0].text):
                strings = [String("", strings[0].text, digit_boxes=boxes)]
            yield (entry["file"], 0), strings
        else:
            yield (entry["document"], entry["page"]), [_field(field) for field in entry["fields"]]


def _field(field: dict[str, Any]) -> String:
    return String(
        field["name"],
        field["text"],
        float(field["confidence"]),
        field.get("status") or "",
        _box(field.get("box") or ()),
    )


def _box(values: Sequence[Any]) -> Box | None:
    if len(values) != 4:
        return None
    x, y, width, height = (round(value) for value in values)
    return x, y, width, height


def _same_document(document: str, page: int, by_name: Mapping[str, Sequence[Key]]) -> list[Key]:
    candidates = [key for key in by_name.get(PurePath(document).name, ()) if page in (0, key[1])]
    if not candidates:
        return []
    common = {name: _common_end(document, name) for name, _ in candidates}
    longest = max(common.values())
    best = {name for name, length in common.items() if length == longest}
    if len(best) > 1:
        raise UsageError(
            f"{printable(document)} may be any of {len(best)} documents that were read",
            "give longer paths in the truth",
        )
    return sorted(key for key in candidates if key[0] in best)


def _common_end(first: str, second: str) -> int:
    length = 0
    for a, b in zip(reversed(PurePath(first).parts), reversed(PurePath(second).parts), strict=False):
        if a != b:
            break
        length += 1
    return length


def _matched(truth: Sequence[String], read: Sequence[String]) -> list[tuple[String | None, String | None]]:
    named = {string.field: string for string in read}
    if len(named) == len(read) and truth and all(string.field in named for string in truth):
        wanted = {string.field for string in truth}
        pairs: list[tuple[String | None, String | None]] = [(string, named[string.field]) for string in truth]
        return pairs + [(None, string) for string in read if string.field not in wanted and string.text]
    # A blank is nothing that was read, where the truth lists only what is written.
    read = [string for string in read if string.text]
    found = align([string.text for string in truth], [string.text for string in read])
    return [(None if i is None else truth[i], None if j is None else read[j]) for i, j in found]
