"""The one path from a page image to its reading.

file -> page -> clean page -> regions -> lattices -> one batch of crops for the whole page -> strings -> page reading.
No stage reaches back, none keeps anything from one page to the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from extractor.classifier import Classifier
from extractor.decision import Decision, DecisionSettings, decide
from extractor.decoding import best_paths
from extractor.layout import Layout, Region, find_regions
from extractor.line_input import line_input
from extractor.line_reader import LineReader
from extractor.lines import LineImage, line_image
from extractor.plausible import is_number, may_hold_number
from extractor.preprocess import CleanPage, Mask, clean
from extractor.readings import Box, DigitReading, FieldReading, PageReading, Status
from extractor.segmentation import Lattice, crops, segment


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What a user chooses about reading.

    Attributes:
        layout: Where digits are looked for: the whole image is one string (``line``), strings anywhere (``page``), the
            largest ruled grid (``grid``), or whichever fits (``auto``).
        dpi: Resolution at which PDF pages are drawn.
    """

    layout: Layout = "auto"
    dpi: int = 300


@dataclass(frozen=True, slots=True)
class _Strip:
    """A region on its way through the stages; `corner` is where its line image's region begins on the page."""

    region: Region
    corner: tuple[int, int]
    line: LineImage | None
    lattice: Lattice | None


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

    def read(
        self, image: NDArray[np.uint8], options: ReadOptions | None = None, *, document: str = "", page: int = 1
    ) -> PageReading:
        """Read one page.

        Args:
            image: Grey (H, W) or BGR (H, W, 3), uint8.
            options: What the user chose; the defaults when None.
            document: Name put into the reading.
            page: Page number put into the reading.

        Returns:
            The strings in reading order.
        """
        options = options or ReadOptions()
        cleaned = clean(image)
        strips = [_prepare(cleaned, region) for region in find_regions(cleaned, options.layout)]
        height, width = image.shape[:2]
        anywhere = len(strips) != 1 or strips[0].region.box != (0, 0, width, height)
        scored = self._score(strips)
        fields: list[FieldReading] = []
        for strip, scores in zip(strips, scored, strict=True):
            loose = anywhere and strip.region.kind == "line"
            reading = self._read_strip(strip, scores, loose)
            if reading is not None:
                fields.append(reading)
        return PageReading(document, page, width, height, tuple(_numbered(fields)))

    def evidence(self, image: NDArray[np.uint8]) -> Evidence | None:
        """Look at a picture of one string without deciding: what calibration and error analysis start from.

        Args:
            image: Grey (H, W) or BGR (H, W, 3), uint8.

        Returns:
            What both readers see, or None when the picture is blank.
        """
        page = clean(image)
        strip = _prepare(page, find_regions(page, "line")[0])
        if strip.line is None or strip.lattice is None or not strip.lattice.candidates:
            return None
        views = self._line_reader.log_probabilities(_views(strip.line))
        return Evidence(strip.lattice, self._score([strip])[0], tuple(views))

    def _score(self, strips: list[_Strip]) -> list[NDArray[np.float32]]:
        """Classify the candidates of the whole page in one batch and hand each strip its own."""
        parts = [crops(strip.lattice) for strip in strips if strip.lattice is not None]
        if parts:
            digits, context, geometry = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
            scores = self._classifier.log_probabilities(digits, context, geometry)
        else:
            scores = np.zeros((0, 12), np.float32)
        counts = [0 if strip.lattice is None else len(strip.lattice.candidates) for strip in strips]
        return [np.asarray(part) for part in np.split(scores, np.cumsum(counts)[:-1])] if counts else []

    def _read_strip(self, strip: _Strip, scores: NDArray[np.float32], loose: bool) -> FieldReading | None:
        """Read one region; None when it lies loose on a page and holds no number."""
        if strip.line is None or strip.lattice is None or not strip.lattice.candidates:
            return None if loose else _blank(strip.region, 1.0)
        if loose and not may_hold_number(best_paths(strip.lattice, scores, 1)[0], strip.lattice):
            return None
        views = self._line_reader.log_probabilities(_views(strip.line))
        decision = decide(strip.lattice, scores, views, self._settings)
        if not decision.path.text:
            return None if loose else _blank(strip.region, decision.confidence)
        if loose and not is_number(decision, strip.lattice, scores, views, self._settings):
            return None
        return _field(strip, decision, self._settings.accept)


def _prepare(page: CleanPage, region: Region) -> _Strip:
    x, y, width, height = region.box
    window = (slice(y, y + height), slice(x, x + width))
    ink, mask = page.ink[window], page.mask[window]
    margin = 0
    if region.mask is not None:
        # A cell's mask may hold faint ink that the page's mask lacks; what is not the region's own is wiped out.
        mask = region.mask
        near = cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8))
        ink = _full_range((ink * near).astype(np.uint8), mask)
        # The box is tight: with paper around it no stroke looks like the edge of a frame.
        margin = round(0.3 * height) + 2
        ink = cv2.copyMakeBorder(ink, margin, margin, margin, margin, cv2.BORDER_CONSTANT).astype(np.uint8)
        mask = np.pad(mask, margin)
    line = line_image(ink, mask)
    return _Strip(region, (x - margin, y - margin), line, None if line is None else segment(line))


def _full_range(ink: NDArray[np.uint8], mask: Mask) -> NDArray[np.uint8]:
    """Make the ink of a region as dark as that of a page of its own: pencil beside print is faint, not absent."""
    level = float(np.percentile(ink[mask], 75)) if mask.any() else 255.0
    return cv2.convertScaleAbs(ink, alpha=255.0 / max(level, 1.0)).astype(np.uint8) if level < 230 else ink


def _views(line: LineImage) -> list[NDArray[np.uint8]]:
    """What the line network looks at: the line as scanned, and without its printed lines."""
    return [line_input(line), line_input(line, cleaned=True)]


def _numbered(fields: list[FieldReading]) -> Iterator[FieldReading]:
    """Number the lines that are left: names follow the reading order without gaps."""
    number = 0
    for item in fields:
        if item.name.startswith("line-"):
            number += 1
            yield FieldReading(
                f"line-{number}", item.text, item.status, item.confidence, item.box, item.digits, item.alternatives
            )
        else:
            yield item


def _blank(region: Region, confidence: float) -> FieldReading:
    """Report a region that holds no digit; ink that is more likely a digit than not goes to review instead."""
    status: Status = "blank" if confidence >= 0.5 else "review"
    return FieldReading(region.name, "", status, round(min(confidence, 0.9999), 4), region.box)


def _field(strip: _Strip, decision: Decision, accept: float) -> FieldReading:
    assert strip.line is not None
    assert strip.lattice is not None
    digits = []
    for character, candidate, confidence in zip(
        decision.path.text, decision.path.candidates, decision.digit_confidences, strict=True
    ):
        box = _on_page(strip.lattice.candidates[candidate].box, strip.line, strip.corner)
        digits.append(DigitReading(character, round(confidence, 4), box))
    return FieldReading(
        name=strip.region.name,
        text=decision.path.text,
        status="accepted" if decision.confidence >= accept else "review",
        confidence=round(decision.confidence, 4),
        box=_around([digit.box for digit in digits]) if strip.region.kind == "line" else strip.region.box,
        digits=tuple(digits),
        alternatives=tuple((text, round(probability, 4)) for text, probability in decision.alternatives),
    )


def _on_page(box: Box, line: LineImage, corner: tuple[int, int]) -> Box:
    """Carry a box of the line image back to the page."""
    x, y, width, height = box
    left = corner[0] + line.origin[0] + x / line.scale
    top = corner[1] + line.origin[1] + y / line.scale
    return round(left), round(top), max(1, round(width / line.scale)), max(1, round(height / line.scale))


def _around(boxes: list[Box]) -> Box:
    left, top = min(box[0] for box in boxes), min(box[1] for box in boxes)
    right, bottom = max(box[0] + box[2] for box in boxes), max(box[1] + box[3] for box in boxes)
    return left, top, right - left, bottom - top
