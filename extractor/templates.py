"""Templates as files: TOML read, checked, and named by line when something is wrong with it.

A template names other files: a list of valid codes, a scan of the blank form. `TemplateSource` holds all that a worker
on another machine needs: the texts themselves, and the scan's path with its SHA-256.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from extractor.errors import ExitCode, UsageError
from extractor.forms import Anchor as Anchor
from extractor.forms import Box as Box
from extractor.forms import Field as Field
from extractor.forms import FormError
from extractor.forms import Page as Page
from extractor.forms import Rule as Rule
from extractor.forms import Template as Template
from extractor.names import printable
from extractor.toml_lines import line_numbers, line_of

MOST_BYTES = 32 * 2**20
"""Of a template or list of codes: what a job carries has an end."""


class TemplateError(UsageError):
    """A template that cannot be meant as it stands.

    Args:
        message: What is wrong, with file and line.
        hint: What to do about it.
        others: Further lines of the same kind.
    """

    code = "template"
    exit_code = ExitCode.USAGE

    def __init__(self, message: str, hint: str = "", others: tuple[str, ...] = ()) -> None:
        super().__init__(message, hint)
        self.others = others


@dataclass(frozen=True, slots=True)
class TemplateSource:
    """A template as it travels with a job.

    Attributes:
        name: The file as the user named it.
        text: Its content.
        codes: Content of each list of codes by the name that the template gives it.
        reference: Absolute path of the scan of the blank form; empty when there is none.
        sha256: Of that scan.
    """

    name: str
    text: str
    codes: Mapping[str, str] = field(default_factory=dict)
    reference: str = ""
    sha256: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "name": self.name,
            "text": self.text,
            "codes": dict(self.codes),
            "reference": self.reference,
            "sha256": self.sha256,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> TemplateSource:
        """Restore what `to_dict` returned."""
        return cls(**data)

    def digest(self) -> str:
        """Return what tells two templates apart: their contents, wherever the files lie."""
        parts = (self.text, *(part for item in sorted(self.codes.items()) for part in item), self.sha256)
        return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def load_template(path: Path) -> Template:
    """Load a template and what it names.

    Args:
        path: A TOML file.

    Raises:
        TemplateError: It cannot be read, or something in it cannot be meant; the line is in the message.
    """
    return parse_template(read_source(path))


def read_source(path: Path) -> TemplateSource:
    """Read a template's files without checking more than is needed to find them.

    Args:
        path: A TOML file.

    Raises:
        TemplateError: A file cannot be read, or the template is no TOML.
    """
    name = printable(str(path))
    text = _read_text(path, name)
    tree = _tree(text, name)
    lines = line_numbers(text)
    codes: dict[str, str] = {}
    items = tree.get("fields", [])
    for index, item in enumerate(items if isinstance(items, list) else []):
        file = item.get("codes") if isinstance(item, dict) else None
        if isinstance(file, str) and file not in codes:
            where = _where(name, ("fields", index, "codes"), lines)
            codes[file] = _read_text(path.parent / file, f"{where}: the list of codes {printable(file)}")
    reference = sha256 = ""
    if isinstance(tree.get("reference"), str):
        picture = path.parent / tree["reference"]
        where = _where(name, ("reference",), lines)
        try:
            with picture.open("rb") as stream:
                sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise TemplateError(f"{where}: the reference scan cannot be read: {reason}") from None
        reference = os.path.realpath(picture)
    return TemplateSource(str(path), text, codes, reference, sha256)


def parse_template(source: TemplateSource) -> Template:
    """Check a template and put it together.

    Args:
        source: What `read_source` read.

    Returns:
        The template, its lists of codes read in; its reference scan is loaded when it is asked for.

    Raises:
        TemplateError: Something in it cannot be meant; the line is in the message.
    """
    name = printable(source.name)
    tree = _tree(source.text, name)
    lines = line_numbers(source.text)
    try:
        template = Template.model_validate(tree)
    except ValidationError as error:
        raise _failure(name, error, lines) from None
    fields = tuple(
        item.model_copy(update={"codes": _codes(item, source, _where(name, ("fields", index, "codes"), lines))})
        for index, item in enumerate(template.fields)
    )
    reference = Path(source.reference) if source.reference else None
    whole = template.model_copy(update={"fields": fields, "reference": reference})
    whole._reference_sha256 = source.sha256 or None
    return whole


def schema() -> dict[str, Any]:
    """Return the JSON Schema of the file format, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Template.model_json_schema()}


def _read_text(path: Path, name: str) -> str:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise TemplateError(f"{name} has more than {MOST_BYTES >> 20} MiB")
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise TemplateError(f"{name} cannot be read: {error.strerror or type(error).__name__}") from None
    except UnicodeDecodeError:
        raise TemplateError(f"{name} is no text in UTF-8") from None


def _tree(text: str, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TemplateError(f"{name}: this is no TOML: {printable(str(error))}") from None
    except RecursionError:
        raise TemplateError(f"{name}: this is no TOML: it is nested too deeply") from None


def _codes(item: Field, source: TemplateSource, where: str) -> tuple[str, ...] | None:
    """Read the valid codes of a field."""
    if item.codes is None:
        return None
    if isinstance(item.codes, str):
        file = printable(item.codes)
        text = source.codes.get(item.codes, "")
        numbered = [(f" on line {number} of {file}", line) for number, line in enumerate(text.splitlines(), start=1)]
    else:
        numbered = [("", code) for code in item.codes]
    least, most = item.lengths
    found: dict[str, None] = {}
    for at, line in numbered:
        code = line.partition("#")[0].strip()
        if not code:
            continue
        if not (code.isascii() and code.isdigit()):
            raise TemplateError(f"{where}: a code{at} is not made of digits: {printable(code[:40])!r}")
        if not least <= len(code) <= most:
            digits = f"{least} digits" if least == most else f"{least} to {most} digits"
            raise TemplateError(f"{where}: the code {code}{at} does not have {digits} as the field has")
        found[code] = None
    if not found:
        raise TemplateError(f"{where}: the list of codes is empty")
    return tuple(found)


def _failure(name: str, error: ValidationError, lines: Mapping[tuple[str | int, ...], int]) -> TemplateError:
    known = dict(lines)
    problems: dict[tuple[float, str], str] = {}
    for item in error.errors(include_url=False):
        ours = item.get("ctx", {}).get("error")
        place = (isinstance(ours, FormError) and ours.where) or tuple(item["loc"])
        line = line_of(place, known)
        where = _where(name, place, known)
        text, hint = _message(item, place)
        problems.setdefault((line or 0, where), f"{where}: {text}" + (f" ({hint})" if hint else ""))
    first, *others = [text for _, text in sorted(problems.items())]
    hint = f"and {len(others)} more: digits template check" if others else ""
    return TemplateError(first, hint, tuple(others))


def _message(item: Any, place: Sequence[Any]) -> tuple[str, str]:
    """Say in words what pydantic found."""
    kind, key = item["type"], next((part for part in reversed(place) if part in _KEYS), "")
    if kind == "extra_forbidden":
        unknown = str(place[-1])
        near = difflib.get_close_matches(unknown, _keys_at(tuple(place)), 1)
        return f"unknown key {printable(unknown)!r}", f"did you mean {near[0]}?" if near else ""
    if kind == "missing" and isinstance(place[-1], int):
        return f"{key} needs more than {place[-1]} numbers", ""
    if kind == "missing":
        return f"{place[-1]!r} is missing", ""
    if kind == "value_error":
        return str(item["ctx"]["error"]), ""
    text = str(item["msg"])
    return f"{key}: {text[0].lower()}{text[1:]}", ""


_KEYS = frozenset(key for model in (Template, Page, Anchor, Field) for key in model.model_fields)


@lru_cache(maxsize=32)
def _keys_at(place: tuple[Any, ...]) -> list[str]:
    """Keys that are known where an unknown one was found."""
    model: type[BaseModel] = Template
    for part in place[:-1]:
        if isinstance(part, str) and part in model.model_fields:
            inner = [model.model_fields[part].annotation, *get_args(model.model_fields[part].annotation)]
            found = next((item for item in inner if isinstance(item, type) and issubclass(item, BaseModel)), None)
            model = found or model
    return list(model.model_fields)


def _where(name: str, place: Sequence[Any], lines: Mapping[tuple[str | int, ...], int]) -> str:
    line = line_of(place, dict(lines))
    return name if line is None else f"{name}, line {line}"
