"""What a template says about a form: its page, its marks, its fields and what must hold between them.

Coordinates are pixels of the template's own page, x to the right and y down, whatever the resolution of a scan.
`extractor.templates` reads these from a file.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PrivateAttr,
    StringConstraints,
    field_validator,
    model_validator,
)
from pydantic import Field as Key

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Side = Annotated[float, Key(gt=0, le=100_000, allow_inf_nan=False)]
Position = Annotated[float, Key(ge=-100_000, le=100_000, allow_inf_nan=False)]
Box = tuple[Position, Position, Side, Side]
"""x, y, width, height in pixels of the template's page."""

MOST_DIGITS = 40
"""No field holds more."""
MOST_FIELDS = 5000
"""Of a template, a cell of a grid counted as one."""
_SHARED = 0.05
"""Boxes that share more than this part of the smaller one overlap: neighbours often share a printed line."""


class FormError(ValueError):
    """Something in a template that cannot be meant.

    Args:
        reason: What is wrong.
        where: Keys and indices that lead to it; none when it is where the check is made.
    """

    def __init__(self, reason: str, *where: str | int) -> None:
        super().__init__(reason)
        self.where = where


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Page(_Part):
    """The page that all coordinates refer to."""

    width: Side = Key(description="Width in pixels.")
    height: Side = Key(description="Height in pixels.")
    dpi: float = Key(default=300, ge=30, le=2400, description="Pixels per inch of these coordinates.")


class Anchor(_Part):
    """A printed mark that scans are registered by."""

    kind: Literal["square", "circle", "cross", "aruco"] = Key(description="What is printed.")
    box: Box = Key(description="x, y, width, height of the mark.")
    id: int | None = Key(default=None, ge=0, description="Number of an ArUco mark (dictionary 4X4_50).")

    @model_validator(mode="after")
    def _check_id(self) -> Self:
        if (self.kind == "aruco") != (self.id is not None):
            raise FormError("an aruco anchor needs an id, and no other anchor has one")
        return self


def _lengths(value: object) -> object:
    """Turn ``5`` and ``"3-9"`` into the form in which they are kept."""
    if isinstance(value, str):
        least, dash, most = value.partition("-")
        parts = (least, most) if dash else (least,)
        if not all(part.strip().isascii() and part.strip().isdigit() for part in parts):
            raise FormError('digits must be a number such as 5, or a range such as "3-9"')
        numbers = [int(part) for part in parts]
        if not 1 <= numbers[0] <= numbers[-1] <= MOST_DIGITS:
            raise FormError(f"digits must lie between 1 and {MOST_DIGITS}, the smaller number first")
        return numbers[0] if numbers[0] == numbers[-1] else f"{numbers[0]}-{numbers[-1]}"
    return value


Digits = Annotated[
    Annotated[int, Key(ge=1, le=MOST_DIGITS)] | Annotated[str, StringConstraints(pattern="^[0-9]+ *(- *[0-9]+)?$")],
    BeforeValidator(_lengths),
]


class Field(_Part):
    """A place on the form that holds one number, or a ruled grid with a number in each cell."""

    name: str = Key(description="What the field is called in the results: letters, digits and _.", max_length=64)
    box: Box = Key(description="x, y, width, height of the place to write in, its printed frame included.")
    digits: Digits | None = Key(default=None, description='How many digits: 5, or "3-9". Of each cell in a grid.')
    cells: int | None = Key(default=None, ge=1, le=MOST_DIGITS, description="A comb of this many cells, one a digit.")
    grid: tuple[Annotated[int, Key(ge=1, le=200)], Annotated[int, Key(ge=1, le=200)]] | None = Key(
        default=None, description="Rows and columns of a ruled grid; every cell becomes a field of its own."
    )
    names: str = Key(
        default="r{row}c{column}", description="How the cells of a grid are named after the field's name and _."
    )
    optional: bool = Key(default=False, description="It may be left blank; blank then counts as 0 in rules.")
    pattern: str | None = Key(default=None, description="Regular expression over digits that the whole number matches.")
    range: tuple[int, int] | None = Key(default=None, description="Least and greatest value.")
    check: str | None = Key(default=None, description="Check digit: luhn, ean, damm, verhoeff, iso7064_mod_11_10 ...")
    codes: str | tuple[str, ...] | None = Key(
        default=None, description="File of valid numbers, one a line, or a list of them."
    )
    page: int | None = Key(default=None, ge=1, description="Page of the form that it is on; every page when absent.")

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str) -> str:
        if not name.isidentifier() or name != unicodedata.normalize("NFKC", name):
            raise FormError(f"a name is made of letters, digits and _, and begins with a letter; {name!r} is not")
        return name

    @field_validator("names")
    @classmethod
    def _check_names(cls, names: str) -> str:
        try:
            first, second, third = (names.format(row=row, column=column) for row, column in ((1, 1), (1, 2), (2, 1)))
        except (LookupError, ValueError, AttributeError):
            first = second = third = ""
        if len({first, second, third}) < 3 or not f"a_{first}".isidentifier():
            raise FormError("names must hold {row} and {column} between letters, digits and _")
        return names

    @field_validator("pattern")
    @classmethod
    def _check_pattern(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            from extractor.patterns import PatternError, parse

            try:
                parse(pattern)
            except PatternError as error:
                raise FormError(str(error)) from None
        return pattern

    @field_validator("range")
    @classmethod
    def _check_range(cls, limits: tuple[int, int] | None) -> tuple[int, int] | None:
        if limits is not None and not 0 <= limits[0] <= limits[1] < 10**MOST_DIGITS:
            raise FormError("a range is [least, greatest], neither below 0")
        return limits

    @field_validator("check")
    @classmethod
    def _check_check(cls, name: str | None) -> str | None:
        if name is not None:
            from extractor.check_digits import is_known

            if not is_known(name):
                raise FormError(f"{name!r} is no check digit known here")
        return name

    @model_validator(mode="after")
    def _check_whole(self) -> Self:
        if self.grid is not None and self.cells is not None:
            raise FormError("a field has cells (a comb) or a grid, not both")
        if self.cells is not None and self.lengths[0] > self.cells:
            raise FormError("it has fewer cells than digits")
        return self

    @property
    def lengths(self) -> tuple[int, int]:
        """Least and greatest number of digits of what is written, or of a cell of a grid."""
        if self.digits is None:
            return (1, 1) if self.grid else (1, self.cells or MOST_DIGITS)
        least, _, most = str(self.digits).partition("-")
        return int(least), int(most or least)

    def cell_names(self) -> Iterator[tuple[int, int, str]]:
        """Yield row and column, from 0, and the full name of each cell of a grid, row by row."""
        rows, columns = self.grid or (0, 0)
        for row in range(rows):
            for column in range(columns):
                yield row, column, f"{self.name}_{self.names.format(row=row + 1, column=column + 1)}"

    def reading_names(self) -> list[str]:
        """Names that the field has in results: its own, or those of its cells."""
        return [name for _, _, name in self.cell_names()] if self.grid else [self.name]


class Rule(_Part):
    """What must hold between fields: a field equals an expression of others."""

    field: str
    expression: str


def _rule_list(value: object) -> object:
    if isinstance(value, dict):
        return tuple({"field": field, "expression": expression} for field, expression in value.items())
    return value


Rules = Annotated[tuple[Rule, ...], BeforeValidator(_rule_list, json_schema_input_type=dict[str, str])]


class Template(_Part):
    """A form, described once."""

    version: Literal[1] = Key(description="Version of this format.")
    name: str = Key(min_length=1, max_length=100, description="What the form is called.")
    page: Page = Key(description="The page that all coordinates refer to.")
    pages: int | None = Key(
        default=None,
        ge=1,
        le=1000,
        description="Pages of one form when documents hold several forms one after another.",
    )
    anchors: tuple[Anchor, ...] = Key(default=(), max_length=100, description="Printed marks to register scans by.")
    frame: Box | None = Key(default=None, description="Outline of a printed frame or table to register scans by.")
    reference: Path | None = Key(default=None, description="Scan of the blank form to register scans by.")
    fields: tuple[Field, ...] = Key(min_length=1, max_length=MOST_FIELDS, description="Where numbers are written.")
    rules: Rules = Key(default=(), description='What must hold between fields, as in total = "net + tax".')

    _reference_sha256: str | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _check_whole(self) -> Self:
        from extractor.rules import RuleError, parse_rule

        self._check_boxes()
        self._check_names()
        names = {name for item in self.fields for name in item.reading_names()}
        for index, rule in enumerate(self.rules):
            try:
                parse_rule(rule.field, rule.expression, names)
            except RuleError as error:
                raise FormError(str(error), "rules", rule.field, index) from None
        return self

    def _check_boxes(self) -> None:
        page = (0.0, 0.0, self.page.width, self.page.height)
        for kind, boxes in (
            ("anchors", [item.box for item in self.anchors]),
            ("fields", [item.box for item in self.fields]),
            ("frame", [] if self.frame is None else [self.frame]),
        ):
            for index, box in enumerate(boxes):
                if _shared_area(box, page) < box[2] * box[3] * (1 - 1e-6):
                    where = ("frame",) if kind == "frame" else (kind, index, "box")
                    raise FormError(f"the box lies off the page of {page[2]:g} x {page[3]:g} pixels", *where)
        order = sorted(range(len(self.fields)), key=lambda index: self.fields[index].box[1])
        open_fields: list[int] = []
        for index in order:
            item = self.fields[index]
            open_fields = [other for other in open_fields if _bottom(self.fields[other].box) > item.box[1]]
            for other in open_fields:
                if _overlap(item, self.fields[other]):
                    first, second = sorted((index, other))
                    names = f"{self.fields[second].name} overlaps {self.fields[first].name}"
                    raise FormError(f"the box of {names}", "fields", second, "box")
            open_fields.append(index)

    def _check_names(self) -> None:
        seen: set[str] = set()
        for index, item in enumerate(self.fields):
            for name in item.reading_names():
                if name in seen:
                    raise FormError(f"the name {name} is given twice", "fields", index, "name")
                seen.add(name)
            if self.pages is not None and item.page is not None and item.page > self.pages:
                raise FormError(f"page {item.page} of a form of {self.pages} pages", "fields", index, "page")
        if len(seen) > MOST_FIELDS:
            raise FormError(f"more than {MOST_FIELDS} fields, the cells of grids counted", "fields")

    def fields_of(self, page: int) -> tuple[Field, ...]:
        """Return the fields on a page of a document, counted from 1."""
        of_form = page if self.pages is None else (page - 1) % self.pages + 1
        return tuple(item for item in self.fields if item.page in (None, of_form))

    def reading_names(self) -> list[str]:
        """Names that fields have in results, in the template's order, cells of grids row by row."""
        return [name for item in self.fields for name in item.reading_names()]

    def reference_image(self) -> NDArray[np.uint8] | None:
        """Load the scan of the blank form.

        Returns:
            Grey (H, W) uint8 at the size of the template's page, rounded; None when the template names none.

        Raises:
            DocumentError: It cannot be read, or is not the one that the template was made with.
        """
        if self.reference is None:
            return None
        from extractor.reference import load_reference

        return load_reference(self.reference, self._reference_sha256, (round(self.page.width), round(self.page.height)))


def _bottom(box: Box) -> float:
    return box[1] + box[3]


def _overlap(one: Field, other: Field) -> bool:
    if one.page is not None and other.page is not None and one.page != other.page:
        return False
    smaller = min(one.box[2] * one.box[3], other.box[2] * other.box[3])
    return _shared_area(one.box, other.box) > _SHARED * smaller


def _shared_area(one: Box, other: Box) -> float:
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    return max(width, 0.0) * max(height, 0.0)
