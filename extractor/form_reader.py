"""A page that lies on its template: a strip for every field and cell, and a reading of each.

The page is laid onto the template that fits it best. Each field is cut out by itself, cleaned of its printed lines,
and told blank or crossed out before the networks are asked; the crops of all fields go through them in one batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import cv2
import numpy as np
from numpy.typing import NDArray

from extractor.cells import cell_regions
from extractor.comb import cut_at, prior, without_marks
from extractor.constraints import constraint_of
from extractor.decision import Decision, DecisionSettings, decide
from extractor.errors import PageError
from extractor.field_ink import field_ink, ink_level
from extractor.forms import Field, Template
from extractor.grid import Grid
from extractor.lines import LineImage, line_image
from extractor.marks import SMALL, Mark, mark_of
from extractor.patches import Patch, cut
from extractor.preprocess import CleanPage, Ink, Mask, clean
from extractor.readings import DigitReading, FieldReading, Separator, Status
from extractor.registration import LEAST_QUALITY, Registration, register
from extractor.registration_scan import scan_of
from extractor.rules import broken_rule, parse_rule
from extractor.segmentation import Lattice, segment
from extractor.separators import find_separators
from extractor.valid_decision import decide_valid

_LEAST_INSIDE = 0.85
"""Share of a field that must lie on the scan, else its number may be cut off."""


@dataclass(frozen=True, slots=True)
class FormStrip:
    """One field, or one cell of a grid, on its way through the stages.

    Attributes:
        name: Its name in results.
        field: The field of the template.
        patch: Where it was cut out of the scan.
        box: x, y, width, height on the patch.
        corner: Where the line image's region begins on the patch.
        line: Its ink at working scale; None when there is none.
        lattice: Its candidates.
        dividers: Where cells of a comb meet, x in line pixels.
        mark: What it holds in place of a number.
        is_cut_off: Whether too much of it lies beyond the edge of the scan.
    """

    name: str
    field: Field
    patch: Patch
    box: tuple[float, float, float, float]
    corner: tuple[float, float] = (0.0, 0.0)
    line: LineImage | None = None
    lattice: Lattice | None = None
    dividers: tuple[float, ...] = ()
    mark: Mark = ""
    is_cut_off: bool = False

    def on_scan(self, x: float, y: float, width: float, height: float) -> tuple[int, int, int, int]:
        """Carry a box of the line image to the scan."""
        assert self.line is not None
        left = self.corner[0] + self.line.origin[0] + x / self.line.scale
        top = self.corner[1] + self.line.origin[1] + y / self.line.scale
        return self.patch.on_scan(left, top, width / self.line.scale, height / self.line.scale)


def best_fit(
    image: NDArray[np.uint8], templates: Sequence[Template], page: int
) -> tuple[Template, Registration | None]:
    """Find the template that a page looks most like, and how it lies on it.

    Args:
        image: Grey (H, W) or BGR (H, W, 3), uint8.
        templates: At least one.
        page: Page of the document, from 1.

    Returns:
        The template, and the registration, good or bad; None when no template has a field on this page.

    Raises:
        UsageError: A template has nothing that a page could be laid by.
        DocumentError: The reference scan of a template cannot be read.
    """
    asked = [template for template in templates if template.fields_of(page)]
    if not asked:
        return templates[0], None
    scan = scan_of(image)
    best: tuple[Template, Registration] | None = None
    for template in asked:
        found = register(scan, template, page)
        if best is None or found.quality > best[1].quality:
            best = (template, found)
    assert best is not None
    return best


def check_fit(template: Template, fit: Registration, candidates: int) -> None:
    """Refuse a page that does not lie on its template: its fields would be read from wherever.

    Args:
        template: The template that it looks most like.
        fit: How it lies on it.
        candidates: How many templates there were.

    Raises:
        PageError: Too little of the form's print was found in its place.
    """
    if fit.quality >= LEAST_QUALITY:
        return
    names = template.name if candidates == 1 else f"any of {candidates} templates; {template.name} comes nearest"
    raise PageError(
        f"the page does not fit {names}: {fit.quality:.0%} of the form's print was found in its place, "
        f"{LEAST_QUALITY:.0%} is needed",
        "is it the same form, whole and sharp? its overlay, or digits template preview, shows what was found",
        "registration",
    )


def form_strips(
    image: NDArray[np.uint8], template: Template, homography: NDArray[np.float64], page: int
) -> list[FormStrip]:
    """Cut out and clean every field of a page.

    Args:
        image: Grey (H, W) or BGR (H, W, 3), uint8.
        template: What the page is a copy of.
        homography: Template pixels -> scan pixels, (3, 3).
        page: Page of the document, from 1.

    Returns:
        Strips in the template's order, cells of a grid row by row.
    """
    level = ink_level(image)
    strips: list[FormStrip] = []
    for item in template.fields_of(page):
        patch = cut(image, homography, item.box, template.page.dpi)
        if item.grid is not None:
            strips += _grid_strips(item, patch)
        elif patch.inside < _LEAST_INSIDE:
            strips.append(FormStrip(item.name, item, patch, patch.box, is_cut_off=True))
        else:
            strips.append(_strip(item, patch, level))
    return strips


def _strip(item: Field, patch: Patch, level: float) -> FormStrip:
    found = field_ink(patch, item.cells, level)
    mask = found.mask
    whole = FormStrip(item.name, item, patch, patch.box)
    size = (patch.box[2], patch.box[3])
    if found.dividers:
        mask = without_marks(mask, patch.box, found.dividers)
        if found.mask.any() and not mask.any():
            return replace(whole, mark="crossed_out")
    elif mark_of(mask, size) == "crossed_out":
        return replace(whole, mark="crossed_out")
    line, corner = _framed(found.ink, mask)
    if line is None:
        return whole
    dividers = tuple((place - corner[0] - line.origin[0]) * line.scale for place in found.dividers)
    if dividers:
        line = cut_at(line, dividers)
    return replace(whole, corner=corner, line=line, lattice=segment(line), dividers=dividers)


def _grid_strips(item: Field, patch: Patch) -> Iterator[FormStrip]:
    """Cut a grid into its cells, the ink of each without lines and neighbours."""
    assert item.grid is not None
    rows, columns = item.grid
    left, top, width, height = patch.box
    cell = (width / columns, height / rows)
    xs, ys = left + cell[0] * np.arange(columns + 1), top + cell[1] * np.arange(rows + 1)
    nodes = np.stack(np.meshgrid(xs, ys), axis=-1)
    page: CleanPage = clean(patch.image)
    for (row, column, name), region in zip(item.cell_names(), cell_regions(page, Grid(nodes, 1.0)), strict=True):
        box = (left + column * cell[0], top + row * cell[1], *cell)
        strip = FormStrip(name, item, patch, box)
        if _outside(patch, box):
            yield replace(strip, is_cut_off=True)
            continue
        assert region.mask is not None
        mark = "" if region.mark in SMALL and item.lengths[1] > 1 else region.mark
        if mark not in ("", "note") or not region.mask.any():
            yield replace(strip, mark=mark)
            continue
        x, y, w, h = region.box
        near = cv2.dilate(region.mask.astype(np.uint8), np.ones((3, 3), np.uint8))
        ink = _full_range((page.ink[y : y + h, x : x + w] * near).astype(np.uint8), region.mask)
        line, corner = _framed(ink, region.mask)
        if line is None:
            yield strip
            continue
        yield replace(strip, corner=(corner[0] + x, corner[1] + y), line=line, lattice=segment(line), mark=mark)


def _framed(ink: Ink, mask: Mask) -> tuple[LineImage | None, tuple[float, float]]:
    """Make a line image of a region, with paper around it, so that no stroke looks like the edge of a frame."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None, (0.0, 0.0)
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    margin = round(0.3 * (bottom - top)) + 4
    framed = cv2.copyMakeBorder(ink[top:bottom, left:right], margin, margin, margin, margin, cv2.BORDER_CONSTANT)
    line = line_image(framed.astype(np.uint8), np.pad(mask[top:bottom, left:right], margin))
    return line, (float(left - margin), float(top - margin))


def _full_range(ink: Ink, mask: Mask) -> Ink:
    """Make the ink of a cell as dark as that of a page of its own."""
    level = float(np.percentile(ink[mask], 75)) if mask.any() else 255.0
    return cv2.convertScaleAbs(ink, alpha=255.0 / max(level, 1.0)).astype(np.uint8) if level < 230 else ink


def _outside(patch: Patch, box: tuple[float, float, float, float]) -> bool:
    """Tell whether a cell lies beyond the edge of the scan."""
    if patch.inside > 0.999:
        return False
    x, y, width, height = box
    corners = [(x + width * i, y + height * j) for i, j in product((0.1, 0.9), repeat=2)]
    points = np.column_stack((np.array(corners), np.ones(4))) @ patch.to_scan.T
    points = points[:, :2] / points[:, 2:]
    return bool((points < 0).any())


def read_strip(
    strip: FormStrip,
    scores: NDArray[np.float32],
    views: list[NDArray[np.float32]],
    settings: DecisionSettings,
    accept: float,
) -> FieldReading:
    """Decide what a field says.

    Args:
        strip: The field.
        scores: (N, 12) log-probabilities of the crop network for its candidates.
        views: What the line network says of it.
        settings: Weights.
        accept: Confidence from which a string is accepted.
    """
    box = strip.patch.on_scan(*strip.box)
    if strip.is_cut_off:
        return FieldReading(strip.name, "", "review", 0.0, box, reason="cut_off")
    if strip.mark == "several_digits":
        return FieldReading(strip.name, "", "review", 0.0, box, reason=strip.mark)
    if strip.lattice is None or not strip.lattice.candidates:
        return _blank(strip, box, 0.9999, strip.mark)
    if strip.dividers:
        scores = scores.copy()
        scores[:, :10] += prior(strip.lattice, strip.dividers)[:, None]
    reason = ""
    constraint = constraint_of(strip.field)
    if constraint.is_free:
        decision = decide(strip.lattice, scores, views, settings)
        is_valid = True
    else:
        found = decide_valid(strip.lattice, scores, views, settings, constraint)
        decision, is_valid = found.decision, found.is_valid
        reason = "" if is_valid and found.rival is None else "constraint"
    if not decision.path.text:
        return _blank(strip, box, decision.confidence, "")
    reason = reason or strip.mark
    status: Status = "accepted" if is_valid and not strip.mark and decision.confidence >= accept else "review"
    return FieldReading(
        name=strip.name,
        text=decision.path.text,
        status=status,
        confidence=round(decision.confidence, 4),
        box=box,
        digits=tuple(_digits(strip, decision)),
        alternatives=tuple((text, round(share, 4)) for text, share in decision.alternatives),
        separators=tuple(
            Separator(mark.position, mark.kind, strip.on_scan(*mark.box))
            for mark in find_separators(strip.lattice, decision.path)
        ),
        reason=reason if status == "review" else "",
    )


def _digits(strip: FormStrip, decision: Decision) -> Iterator[DigitReading]:
    assert strip.lattice is not None
    path = decision.path
    for character, candidate, share in zip(path.text, path.candidates, decision.digit_confidences, strict=True):
        box = strip.on_scan(*strip.lattice.candidates[candidate].box)
        yield DigitReading(character, round(share, 4), box)


def _blank(strip: FormStrip, box: tuple[int, int, int, int], confidence: float, mark: Mark) -> FieldReading:
    """Report a field without a number; ink that is more likely a digit than not goes to review instead."""
    status: Status = "blank" if confidence >= 0.5 else "review"
    reason = mark or ("" if strip.field.optional or strip.field.grid else "missing")
    return FieldReading(strip.name, "", status, round(min(confidence, 0.9999), 4), box, reason=reason)


def apply_rules(template: Template, readings: Sequence[FieldReading]) -> list[FieldReading]:
    """Send the fields of broken rules to review."""
    by_name = {item.name: item for item in readings}
    optional = {name for item in template.fields if item.optional or item.grid for name in item.reading_names()}
    broken: dict[str, str] = {}
    for rule in template.rules:
        parsed = parse_rule(rule.field, rule.expression, by_name.keys() | set(template.reading_names()))
        if broken_rule(parsed, by_name, optional):
            broken.update((name, f"rule: {parsed}") for name in parsed.names)
    return [
        replace(item, status="review", reason=broken[item.name]) if item.name in broken else item for item in readings
    ]
