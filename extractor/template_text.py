"""A proposed template as TOML."""

from __future__ import annotations

from extractor.form_lines import Rect
from extractor.template_detect import Proposal


def to_toml(proposal: Proposal, name: str, reference: str | None = None) -> str:
    """Write a proposal as a template for a person to name the fields of.

    Args:
        proposal: What was found.
        name: What the form is called.
        reference: The level scan's file, relative to the template's.
    """
    height, width = proposal.picture.shape
    lines = [
        "# Proposed by digits template detect: name the fields, and drop those that hold no number.",
        "version = 1",
        f"name = {_quoted(name)}",
    ]
    lines += [] if reference is None else [f"reference = {_quoted(reference)}"]
    if proposal.frame is not None:
        lines.append(f"frame = {_box(proposal.frame)}")
    lines += ["", "[page]", f"width = {width}", f"height = {height}", f"dpi = {proposal.dpi}"]
    for kind, box, number in proposal.anchors:
        lines += ["", "[[anchors]]", f'kind = "{kind}"', f"box = {_box(box)}"]
        lines += [] if number is None else [f"id = {number}"]
    for index, field in enumerate(proposal.fields, start=1):
        lines += ["", "[[fields]]", f'name = "field_{index}"', f"box = {_box(field.box)}"]
        if field.cells:
            lines += [f"cells = {field.cells}", f"digits = {field.cells}"]
        if field.kind == "grid":
            lines.append(f"grid = [{field.grid[0]}, {field.grid[1]}]")
    return "\n".join(lines) + "\n"


def _box(box: Rect) -> str:
    return f"[{box[0]}, {box[1]}, {box[2] - box[0] + 1}, {box[3] - box[1] + 1}]"


def _quoted(text: str) -> str:
    """A TOML basic string."""
    escaped = "".join(
        f"\\u{ord(c):04X}" if ord(c) < 32 or ord(c) == 127 else c
        for c in text.replace("\\", "\\\\").replace('"', '\\"')
    )
    return f'"{escaped}"'
