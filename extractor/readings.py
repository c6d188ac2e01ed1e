"""The result tree: a page holds fields, a field holds digits.

``to_dict`` and ``from_dict`` are inverse to each other, and the dictionary of a page is one line of JSON Lines.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Box = tuple[int, int, int, int]
"""x, y, width, height in pixels of the page as a person sees it (EXIF orientation applied)."""

Status = Literal["accepted", "review", "blank"]
SeparatorKind = Literal[".", ",", "-", "=", "/"]


@dataclass(frozen=True, slots=True)
class DigitReading:
    """One digit of a field.

    Attributes:
        text: A single character 0-9.
        confidence: Probability that this digit is right, 0 to 1.
        box: Where its ink lies on the page.
    """

    text: str
    confidence: float
    box: Box

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"text": self.text, "confidence": self.confidence, "box": list(self.box)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> DigitReading:
        """Restore what `to_dict` returned."""
        return cls(data["text"], data["confidence"], _box(data["box"]))


@dataclass(frozen=True, slots=True)
class Separator:
    """A mark among or after the digits of a field that is no digit itself.

    Attributes:
        position: How many digits of the field stand before it, at least 1.
        kind: The mark as a character.
        box: Where its ink lies on the page.
    """

    position: int
    kind: SeparatorKind
    box: Box

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"position": self.position, "kind": self.kind, "box": list(self.box)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Separator:
        """Restore what `to_dict` returned."""
        return cls(data["position"], data["kind"], _box(data["box"]))


@dataclass(frozen=True, slots=True)
class FieldReading:
    """One digit string of a page.

    Attributes:
        name: The template's name for it, else ``line-1``, ``line-2`` ... or ``r1c1`` ... in reading order.
        text: The digits; empty when blank.
        status: ``accepted``, ``review`` or ``blank``.
        confidence: Probability that the whole string is right, 0 to 1.
        box: Where the field lies on the page.
        digits: The digits from left to right.
        alternatives: Other readings with their probabilities, best first.
        separators: Points, commas, dashes and slashes after some digit, from left to right.
        reason: Why a field needs a look, or is blank: ``constraint``, ``rule: total = net + tax``, ``cut_off``,
            ``several_digits``, ``note``, ``crossed_out``, ``missing``; empty when there is nothing to say.
    """

    name: str
    text: str
    status: Status
    confidence: float
    box: Box
    digits: tuple[DigitReading, ...] = ()
    alternatives: tuple[tuple[str, float], ...] = ()
    separators: tuple[Separator, ...] = ()
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "name": self.name,
            "text": self.text,
            "status": self.status,
            "confidence": self.confidence,
            "box": list(self.box),
            "digits": [digit.to_dict() for digit in self.digits],
            "alternatives": [[text, probability] for text, probability in self.alternatives],
            "separators": [separator.to_dict() for separator in self.separators],
            "reason": self.reason,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> FieldReading:
        """Restore what `to_dict` returned."""
        return cls(
            name=data["name"],
            text=data["text"],
            status=data["status"],
            confidence=data["confidence"],
            box=_box(data["box"]),
            digits=tuple(DigitReading.from_dict(digit) for digit in data["digits"]),
            alternatives=tuple((text, probability) for text, probability in data["alternatives"]),
            # Readings that were stored before separators were reported have none.
            separators=tuple(Separator.from_dict(item) for item in data.get("separators", ())),
            reason=data.get("reason", ""),
        )


@dataclass(frozen=True, slots=True)
class PageFailure:
    """Why a page has no reading.

    Attributes:
        code: A short stable identifier, such as ``truncated``.
        message: What is wrong, and where.
        hint: What to do about it; may be empty.
    """

    code: str
    message: str
    hint: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"code": self.code, "message": self.message, "hint": self.hint}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> PageFailure:
        """Restore what `to_dict` returned."""
        return cls(data["code"], data["message"], data["hint"])


@dataclass(frozen=True, slots=True)
class FormFit:
    """How a page lies on its template.

    Attributes:
        template: The template's name.
        quality: Share of the form's print that was found in its place, 0 to 1.
        method: What the page was laid by.
    """

    template: str
    quality: float
    method: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"template": self.template, "quality": self.quality, "method": self.method}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> FormFit:
        """Restore what `to_dict` returned."""
        return cls(data["template"], data["quality"], data["method"])


@dataclass(frozen=True, slots=True)
class PageReading:
    """Everything read from one page, or the reason why nothing was.

    Attributes:
        document: The file as the user named it.
        page: Page number within the file, from 1.
        width: Page width in pixels; 0 when the page was not decoded.
        height: Page height in pixels; 0 when the page was not decoded.
        fields: Digit strings in reading order.
        error: Why the page could not be read, or None.
        form: How it lies on its template; None when it was read without one.
        turned: Degrees, counter-clockwise, by which the page was turned to be read: 0, 90, 180 or 270. Sizes and boxes
            are those of the page before.
    """

    document: str
    page: int
    width: int = 0
    height: int = 0
    fields: tuple[FieldReading, ...] = field(default=())
    error: PageFailure | None = None
    form: FormFit | None = None
    turned: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values: one line of JSON Lines."""
        form = {} if self.form is None else {"form": self.form.to_dict()}
        return {
            "document": self.document,
            "page": self.page,
            "width": self.width,
            "height": self.height,
            "error": None if self.error is None else self.error.to_dict(),
            **form,
            **({"turned": self.turned} if self.turned else {}),
            "fields": [item.to_dict() for item in self.fields],
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> PageReading:
        """Restore what `to_dict` returned."""
        return cls(
            document=data["document"],
            page=data["page"],
            width=data["width"],
            height=data["height"],
            fields=tuple(FieldReading.from_dict(item) for item in data["fields"]),
            error=None if data["error"] is None else PageFailure.from_dict(data["error"]),
            form=FormFit.from_dict(data["form"]) if data.get("form") else None,
            turned=data.get("turned", 0),
        )


def _box(values: list[int]) -> Box:
    x, y, width, height = values
    return x, y, width, height
