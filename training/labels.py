"""Labelled pictures of strings: one JSON object a line, checked before anything is done with them."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError, model_validator

from extractor.errors import UsageError
from extractor.names import printable

MAX_DIGITS = 40
"""Longest string."""


class LabelError(UsageError):
    """A file of labels that cannot be used as it stands."""

    code = "labels"


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """A picture of one string.

    Attributes:
        path: The picture.
        file: The same as the labels name it.
        text: What is written on it: ASCII digits, at least one.
    """

    path: Path
    file: str
    text: str


_DigitString = Annotated[str, StringConstraints(pattern=rf"^[0-9]{{1,{MAX_DIGITS}}}$")]


class _Row(BaseModel):
    """One line of the file; keys that are not listed here are passed over."""

    model_config = ConfigDict(frozen=True, strict=True)

    file: Annotated[str, StringConstraints(min_length=1)]
    lines: list[_DigitString] | None = None
    text: _DigitString | None = None

    @model_validator(mode="after")
    def _holds_one_string(self) -> _Row:
        if (self.lines is None) == (self.text is None):
            raise ValueError('give either "lines" or "text"')
        if self.lines is not None and len(self.lines) != 1:
            raise ValueError(f"{len(self.lines)} strings instead of one")
        return self

    @property
    def string(self) -> str:
        return self.text if self.text is not None else (self.lines or [""])[0]


def read_labels(path: Path) -> list[LabelledImage]:
    """Read and check a file of labels.

    A line is ``{"file": "scan-1.png", "lines": ["12345"]}``, or ``"text": "12345"`` instead of ``"lines"``; other
    keys are passed over. Files are relative to the folder of the labels. A line that is there twice counts once.

    Args:
        path: The JSON Lines file, UTF-8.

    Returns:
        The pictures in the order of the file, at least one.

    Raises:
        LabelError: A line is malformed, holds no string of digits or several, contradicts another line, or names a
            picture that is not there; or there is no line at all.
    """
    name = printable(str(path))
    try:
        content = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise LabelError(f"Cannot read the labels {name}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise LabelError(f"{name} is no text in UTF-8", "labels are JSON Lines, one object a line") from error
    found: dict[Path, LabelledImage] = {}
    # Only a line feed ends a line: the other separators of str.splitlines may stand inside JSON strings.
    for number, line in enumerate(content.split("\n"), start=1):
        if not line.strip():
            continue
        place = f"{name}, line {number}"
        row = _parse(line, place)
        image = LabelledImage(path.parent / row.file, row.file, row.string)
        if not image.path.is_file():
            raise LabelError(f"{place}: there is no file {printable(row.file)}", f"looked in {path.parent or '.'}")
        known = found.setdefault(image.path, image)
        if known.text != image.text:
            raise LabelError(f"{place}: {printable(row.file)} has another label further up", "keep the right one")
    if not found:
        raise LabelError(f"{name} holds no labels", 'a line is {"file": "scan.png", "lines": ["12345"]}')
    return list(found.values())


def split(images: Sequence[LabelledImage], share: float, seed: int, purpose: str) -> tuple[list[int], list[int]]:
    """Set a share of the pictures apart, the same ones whatever their order and their names.

    Pictures of the same string stay together: what is measured on one part must not be known from the other. The
    order in which strings are drawn is that of a hash of the string, the seed and the purpose.

    Args:
        images: All pictures.
        share: How many to set apart, of all, 0 to 1.
        seed: Another seed draws others.
        purpose: Names the part, so that two parts of one seed are drawn independently.

    Returns:
        The indices of the others, and of those set apart, both ascending.

    Raises:
        LabelError: One of both parts would be empty.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for index, image in enumerate(images):
        groups[image.text].append(index)

    def rank(text: str) -> bytes:
        return hashlib.sha256(f"{purpose}:{seed}:{text}".encode()).digest()

    wanted = max(1, round(share * len(images)))
    apart: list[int] = []
    for text in sorted(groups, key=rank)[: len(groups) - 1]:
        if len(apart) >= wanted:
            break
        apart += groups[text]
    if not apart:
        raise LabelError(
            f"{len(images)} images of {len(groups)} different strings cannot be divided", "label more images"
        )
    chosen = set(apart)
    return [index for index in range(len(images)) if index not in chosen], sorted(apart)


def to_jsonl(images: Sequence[LabelledImage]) -> str:
    """Write labels as `read_labels` takes them, with the files as they were named, for `digits score` too.

    Args:
        images: The pictures.
    """
    return "".join(json.dumps({"file": image.file, "lines": [image.text]}) + "\n" for image in images)


def _parse(line: str, place: str) -> _Row:
    try:
        return _Row.model_validate(json.loads(line))
    except (json.JSONDecodeError, RecursionError) as error:
        raise LabelError(f"{place}: no JSON object", 'a line is {"file": "scan.png", "lines": ["12345"]}') from error
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        if first["type"] == "string_pattern_mismatch":
            reason = f"not a string of 1 to {MAX_DIGITS} digits"
        else:
            reason = first["msg"].removeprefix("Value error, ")
        raise LabelError(f"{place}: {f'{where}: ' if where else ''}{reason}") from error


def load_corrections(path: Path, name: str) -> dict[str, list[str]]:
    """Read the corrections of one set.

    Args:
        path: JSON Lines of ``{"set", "file", "given": [strings], "corrected": [strings], "reason"}``.
        name: Of the set.

    Returns:
        File -> what is written on it.
    """
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {row["file"]: row["corrected"] for row in rows if row["set"] == name}
