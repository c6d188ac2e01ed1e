"""The one path from a page image to its reading.

file -> page -> clean page -> regions -> lattices -> one batch of crops for the whole page -> strings -> page reading.
No stage reaches back, none keeps anything from one page to the next.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from extractor.acceptance import accept_from
from extractor.classifier import Classifier
from extractor.decision import Decision, DecisionSettings, decide
from extractor.form_reader import FormStrip, apply_rules, best_fit, check_fit, form_strips, read_strip
from extractor.forms import Template
from extractor.layout import Layout, Region, find_regions
from extractor.line_input import SLANTS, line_views
from extractor.line_reader import LineReader
from extractor.lines import LineImage, line_image
from extractor.orientation import QUARTERS, best_turn, lies_upright, turn, turned_back
from extractor.plausible import LEAST_PROBABILITY, may_hold_number, number_probability
from extractor.preprocess import CleanPage, Mask, clean, percentile
from extractor.readings import Box, DigitReading, FieldReading, FormFit, PageReading, Separator, Status
from extractor.segmentation import Lattice, crops, segment
from extractor.separators import find_separators
from extractor.stages import stage

_NO_DIGIT = ("crossed_out", "several_digits")
"""Marks of cells that the networks are not asked about."""


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What a user chooses about reading.

    Attributes:
        layout: Where digits are looked for: the whole image is one string (``line``), strings anywhere (``page``), the
            largest ruled grid (``grid``), or whichever fits (``auto``).
        dpi: Resolution at which PDF pages are drawn.
        accept_error: Share of wrong strings that may be among the accepted ones, 0 to 1; the network's default, at most
            0.005, when None.
        templates: Forms; each page is read by the one that fits it best, and `layout` then says nothing.
    """

    layout: Layout = "auto"
    dpi: int = 300
    accept_error: float | None = None
    templates: tuple[Template, ...] = ()


@dataclass(frozen=True, slots=True)
class _Strip:
    """A region on its way through the stages; `corner` is where its line image's region begins on the page."""

    region: Region
    corner: tuple[int, int]
    line: LineImage | None = None
    lattice: Lattice | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What both readers see in one string.

    Attributes:
        lattice: N candidates.
        scores: (N, 12) log-probabilities of the crop network.
        views: For each view (T, 11) log-probabilities of the line network.
    """

    lattice: Lattice
    scores: NDArray[np.float32]
    views: tuple[NDArray[np.float32], ...]


class Reader:
    """Reads pages with one network.

    Args:
        model: Folder or file of the network; the shipped one when None.
        threads: Threads of the network's interpreter.

    Raises:
        ModelError: The network is missing, damaged or of another make.
    """

    def __init__(self, model: Path | None = None, threads: int = 1) -> None:
        self._classifier = Classifier(model, threads)
        network = self._classifier.network
        self._line_reader = LineReader(network, threads)
        self._settings = DecisionSettings.from_card(network.card.get("reading", {}))
        self.model_sha256 = network.sha256

    @property
    def settings(self) -> DecisionSettings:
        """How the two readers are weighed, from the network's card."""
        return self._settings

    def read(
        self,
        image: NDArray[np.uint8],
        options: ReadOptions | None = None,
        *,
        document: str = "",
        page: int = 1,
        template: Template | None = None,
    ) -> PageReading:
        """Read one page.

        Args:
            image: Grey (H, W) or BGR (H, W, 3), uint8.
            options: What the user chose; the defaults when None.
            document: Name put into the reading.
            page: Page number put into the reading.
            template: The form, in place of those among the options.

        Returns:
            The strings in reading order; with a template, its fields in its order. A page that lies on its side or
            upside down is turned when only then its strings can be read.

        Raises:
            UsageError: The accepted error is out of the network's reach, or a template has nothing to lay a page by.
            PageError: The page fits no template.
        """
        options = options or ReadOptions()
        accept = self._settings.accept
        if options.accept_error is not None:
            accept = accept_from(self._settings.accept_at, options.accept_error)
        templates = options.templates if template is None else (template,)
        if templates:
            return self._read_form(image, templates, accept, document, page)
        reading, is_page = self._read_strings(image, options.layout, accept, document, page)
        if not is_page or lies_upright(reading.fields):
            return reading
        others = [
            turned_back(self._read_strings(turn(image, quarters), options.layout, accept, document, page)[0], quarters)
            for quarters in QUARTERS
        ]
        chosen = best_turn(reading.fields, [other.fields for other in others])
        return reading if chosen is None else others[chosen]

    def _read_strings(
        self, image: NDArray[np.uint8], layout: Layout, accept: float, document: str, page: int
    ) -> tuple[PageReading, bool]:
        """Read an image as it lies; also tell whether it has rows of ink that may lie any way round."""
        with stage("clean"):
            cleaned = clean(image)
        with stage("layout"):
            regions = find_regions(cleaned, layout)
        height, width = image.shape[:2]
        anywhere = len(regions) != 1 or regions[0].box != (0, 0, width, height)
        loose = [anywhere and region.kind == "line" for region in regions]
        with stage("segment"):
            strips = [_prepare(cleaned, region) for region in regions]
        with stage("line"):
            seen = self._look(strips, [SLANTS[:1] if free else () for free in loose])
            strips = [
                replace(strip, line=None)
                if views and strip.line and not may_hold_number(strip.line, views[0])
                else strip
                for strip, views in zip(strips, seen, strict=True)
            ]
        with stage("segment"):
            strips = [
                replace(strip, lattice=segment(strip.line)) if strip.line is not None else strip for strip in strips
            ]
        with stage("classify"):
            scored = self._score(strips)
        with stage("line"):
            rest = self._look(strips, [SLANTS[len(views) :] for views in seen])
        said = [first + others for first, others in zip(seen, rest, strict=True)]
        fields: list[FieldReading] = []
        for strip, scores, views, free in zip(strips, scored, said, loose, strict=True):
            reading = self._read_strip(strip, scores, views, free, accept)
            if reading is not None:
                fields.append(reading)
        return PageReading(document, page, width, height, tuple(_numbered(fields))), bool(loose) and all(loose)

    def evidence(self, image: NDArray[np.uint8]) -> Evidence | None:
        """Look at a picture of one string without deciding: what calibration and error analysis start from.

        Args:
            image: Grey (H, W) or BGR (H, W, 3), uint8.

        Returns:
            What both readers see, or None when the picture is blank.
        """
        page = clean(image)
        strip = _prepare(page, find_regions(page, "line")[0])
        if strip.line is None:
            return None
        lattice = segment(strip.line)
        if not lattice.candidates:
            return None
        views = self._line_reader.log_probabilities(line_views(strip.line))
        return Evidence(lattice, self._score([replace(strip, lattice=lattice)])[0], tuple(views))

    def _read_form(
        self, image: NDArray[np.uint8], templates: Sequence[Template], accept: float, document: str, page: int
    ) -> PageReading:
        """Read a page by the template that fits it."""
        height, width = image.shape[:2]
        with stage("register"):
            template, fit = best_fit(image, templates, page)
        if fit is None:
            return PageReading(document, page, width, height)
        check_fit(template, fit, len(templates))
        with stage("segment"):
            strips = form_strips(image, template, fit.homography, page)
        with stage("classify"):
            scored = self._score(strips)
        with stage("line"):
            said = self._look(strips, [SLANTS] * len(strips))
        readings = []
        for strip, scores, views in zip(strips, scored, said, strict=True):
            with stage("decode"):
                readings.append(read_strip(strip, scores, views, self._settings, accept))
        form = FormFit(template.name, round(fit.quality, 4), fit.method)
        return PageReading(document, page, width, height, tuple(apply_rules(template, readings)), form=form)

    def _score(self, strips: Sequence[_Strip | FormStrip]) -> list[NDArray[np.float32]]:
        """Classify the candidates of the whole page in one batch and hand each strip its own."""
        parts = [crops(strip.lattice) for strip in strips if strip.lattice is not None]
        if parts:
            digits, context, geometry = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
            scores = self._classifier.log_probabilities(digits, context, geometry)
        else:
            scores = np.zeros((0, 12), np.float32)
        counts = [0 if strip.lattice is None else len(strip.lattice.candidates) for strip in strips]
        return [np.asarray(part) for part in np.split(scores, np.cumsum(counts)[:-1])] if counts else []

    def _look(
        self, strips: Sequence[_Strip | FormStrip], slants: Sequence[Sequence[float]]
    ) -> list[list[NDArray[np.float32]]]:
        """Let the line network look at the lines of the whole page, at each with slants of its own."""
        looks = [
            [] if strip.line is None else line_views(strip.line, own) for strip, own in zip(strips, slants, strict=True)
        ]
        said = iter(self._line_reader.read_lines([views for views in looks if views]))
        return [next(said) if views else [] for views in looks]

    def _read_strip(
        self,
        strip: _Strip,
        scores: NDArray[np.float32],
        views: list[NDArray[np.float32]],
        loose: bool,
        accept: float,
    ) -> FieldReading | None:
        """Read one region; None when it lies loose on a page and holds no number."""
        if strip.region.mark == "several_digits":
            return FieldReading(strip.region.name, "", "review", 0.0, strip.region.box, reason="several_digits")
        if strip.lattice is None or not strip.lattice.candidates:
            return None if loose else _blank(strip.region, 1.0)
        with stage("decode"):
            decision = decide(strip.lattice, scores, views, self._settings)
        if not decision.path.text:
            return None if loose else _blank(strip.region, decision.confidence)
        if loose:
            is_number = number_probability(decision, strip.lattice, scores, views)
            if is_number < LEAST_PROBABILITY:
                return None
            decision = replace(decision, confidence=decision.confidence * is_number)
        return _field(strip, decision, accept)


def _prepare(page: CleanPage, region: Region) -> _Strip:
    """Draw the line image of a region, unless its mark says that it holds no digit."""
    if region.mark in _NO_DIGIT:
        return _Strip(region, region.box[:2])
    x, y, width, height = region.box
    if region.mask is None:
        window = (slice(y, y + height), slice(x, x + width))
        return _Strip(region, (x, y), line_image(page.ink[window], page.mask[window]))
    margin = region.margin
    # A cell's mask may hold faint ink that the page's mask lacks; what is not the region's own is wiped out.
    mask = _bordered(region.mask.view(np.uint8), margin)
    seen = mask if region.lines is None else cv2.bitwise_or(mask, region.lines.view(np.uint8))
    own = cv2.dilate(seen, np.ones((3, 3), np.uint8))
    around = _window(page.ink, x - margin, y - margin, mask.shape)
    ink = _full_range(cv2.multiply(around, own).astype(np.uint8, copy=False), mask.view(np.bool_))
    return _Strip(region, (x - margin, y - margin), line_image(ink, mask.view(np.bool_)))


def _bordered(picture: NDArray[np.uint8], margin: int) -> NDArray[np.uint8]:
    return cv2.copyMakeBorder(picture, margin, margin, margin, margin, cv2.BORDER_CONSTANT).astype(np.uint8, copy=False)


def _window(ink: NDArray[np.uint8], left: int, top: int, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Cut a window out of a page, with paper where it reaches beyond the page."""
    height, width = shape
    inside = ink[max(top, 0) : top + height, max(left, 0) : left + width]
    above, before = max(-top, 0), max(-left, 0)
    below, after = height - above - inside.shape[0], width - before - inside.shape[1]
    return cv2.copyMakeBorder(inside, above, below, before, after, cv2.BORDER_CONSTANT).astype(np.uint8, copy=False)


def _full_range(ink: NDArray[np.uint8], mask: Mask) -> NDArray[np.uint8]:
    """Make the ink of a region as dark as that of a page of its own: pencil beside print is faint, not absent."""
    level = percentile(np.bincount(ink[mask]), 75) if mask.any() else 255.0
    return cv2.convertScaleAbs(ink, alpha=255.0 / max(level, 1.0)).astype(np.uint8) if level < 230 else ink


def _numbered(fields: list[FieldReading]) -> Iterator[FieldReading]:
    """Number the lines that are left: names follow the reading order without gaps."""
    number = 0
    for item in fields:
        if item.name.startswith("line-"):
            number += 1
            yield replace(item, name=f"line-{number}")
        else:
            yield item


def _blank(region: Region, confidence: float) -> FieldReading:
    """Report a region that holds no digit; ink that is more likely a digit than not goes to review instead."""
    status: Status = "blank" if confidence >= 0.5 else "review"
    reason = "crossed_out" if region.mark == "crossed_out" else ""
    return FieldReading(region.name, "", status, round(min(confidence, 0.9999), 4), region.box, reason=reason)


def _field(strip: _Strip, decision: Decision, accept: float) -> FieldReading:
    assert strip.line is not None
    assert strip.lattice is not None
    digits = []
    for character, candidate, confidence in zip(
        decision.path.text, decision.path.candidates, decision.digit_confidences, strict=True
    ):
        box = _on_page(strip.lattice.candidates[candidate].box, strip.line, strip.corner, strip.region.box)
        digits.append(DigitReading(character, round(confidence, 4), box))
    reason = "several_digits" if strip.region.is_single and len(digits) > 1 else strip.region.mark
    return FieldReading(
        name=strip.region.name,
        text=decision.path.text,
        status="accepted" if not reason and decision.confidence >= accept else "review",
        confidence=round(decision.confidence, 4),
        box=_around([digit.box for digit in digits]) if strip.region.kind == "line" else strip.region.box,
        digits=tuple(digits),
        alternatives=tuple((text, round(probability, 4)) for text, probability in decision.alternatives),
        separators=tuple(
            Separator(mark.position, mark.kind, _on_page(mark.box, strip.line, strip.corner, strip.region.box))
            for mark in find_separators(strip.lattice, decision.path)
        ),
        reason=reason,
    )


def _on_page(box: Box, line: LineImage, corner: tuple[int, int], region: Box) -> Box:
    """Carry a box of the line image back to the page; it stays within its region, where rounding would take it out."""
    starts, ends = [], []
    for start, size, origin, edge, low, extent in zip(
        box[:2], box[2:], line.origin, corner, region[:2], region[2:], strict=True
    ):
        first, last = (round(edge + origin + place / line.scale) for place in (start, start + size))
        starts.append(min(max(first, low), low + extent - 1))
        ends.append(min(max(last, starts[-1] + 1), low + extent))
    (left, top), (right, bottom) = starts, ends
    return left, top, right - left, bottom - top


def _around(boxes: list[Box]) -> Box:
    left, top = min(box[0] for box in boxes), min(box[1] for box in boxes)
    right, bottom = max(box[0] + box[2] for box in boxes), max(box[1] + box[3] for box in boxes)
    return left, top, right - left, bottom - top
