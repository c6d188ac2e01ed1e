"""The ink that was written into a field: without its printed lines, and without what stands beside it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from extractor.patches import Patch
from extractor.preprocess import Ink, Mask, binarize, coverage, ink_darkness
from extractor.ruling import line_ink

_FAINTEST = 0.22
"""Ink fainter than this share of the page's is a shadow of the other side."""
_SEEN = 0.65
"""Share of a printed line's length on which there must be ink, else it is not there."""
_TOOTH = 0.4
"""Of the height of a comb, how long its teeth are at least."""
_REACH = 0.016
"""Inches by which a line may lie beside its place."""


@dataclass(frozen=True, slots=True)
class FieldInk:
    """What was written into a field.

    Attributes:
        ink: Coverage, (H, W) uint8, 0 where it is not the field's own.
        mask: Its ink, (H, W) bool.
        dividers: Where the cells of a comb meet, x in patch pixels; empty without a comb.
    """

    ink: Ink
    mask: Mask
    dividers: tuple[float, ...]


def ink_level(image: NDArray[np.uint8]) -> float:
    """Measure the darkness of a page's ink on a small copy of it.

    Args:
        image: Grey (H, W) or BGR (H, W, 3), uint8.

    Returns:
        0 to 255; 255 when there is no ink.
    """
    scale = min(1.0, 1000 / max(image.shape[:2]))
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else image
    return binarize(ink_darkness(np.asarray(small, np.uint8)))[1]


def field_ink(patch: Patch, cells: int | None, page_level: float) -> FieldInk:
    """Take a field's ink out of its patch.

    Args:
        patch: The box with paper around it.
        cells: Cells of a comb, or None.
        page_level: Darkness of the page's ink, see `ink_level`.
    """
    darkness = ink_darkness(patch.image)
    mask, level = binarize(darkness)
    left, top, width, height = patch.box
    right, bottom = left + width, top + height
    dividers = tuple(left + width * number / cells for number in range(1, cells)) if cells else ()
    if level < _FAINTEST * page_level and level < 255:
        return FieldInk(np.zeros_like(darkness), np.zeros_like(mask), dividers)
    reach = max(3, round(_REACH * patch.scale))
    lines = np.zeros_like(mask)
    _erase_across(mask, (left, right), (top, bottom), reach, lines)
    _erase_across(mask.T, (top, bottom), (left, right), reach, lines.T)
    if dividers:
        _erase_teeth(mask, dividers, (top, bottom), reach, lines)
    kept = _own(mask & ~lines, patch.box, reach)
    # The lines may have been the only full ink of the patch.
    if kept.any() and np.percentile(darkness[kept], 75) < _FAINTEST * page_level:
        return FieldInk(np.zeros_like(darkness), np.zeros_like(mask), dividers)
    near = cv2.dilate(kept.astype(np.uint8), np.ones((3, 3), np.uint8))
    return FieldInk((coverage(darkness, level) * near).astype(np.uint8), kept, dividers)


def _erase_across(
    mask: Mask, span: tuple[float, float], places: tuple[float, ...], reach: int, lines: Mask, seen: float = _SEEN
) -> None:
    """Mark the ink of level lines between two columns, where they are really printed."""
    first, last = max(round(span[0]), 0), min(round(span[1]) + 1, mask.shape[1])
    xs = np.arange(first, last)
    if not len(xs):
        return
    for place in places:
        course = np.full(len(xs), place)
        if _seen(mask, xs, place, reach) < seen:
            continue
        rows, columns, alone = line_ink(np.ascontiguousarray(mask), (xs, course), reach)
        lines[rows[alone], columns[alone]] = True


def _erase_teeth(mask: Mask, dividers: tuple[float, ...], span: tuple[float, float], reach: int, lines: Mask) -> None:
    """Mark the dividers of a comb: at full height when most are, else their lower ends."""
    top, bottom = span
    short = bottom - _TOOTH * (bottom - top)
    columns = np.ascontiguousarray(mask.T)
    whole = [_seen(columns, np.arange(max(round(top), 0), round(bottom)), place, reach) for place in dividers]
    is_high = np.median(whole) >= _SEEN
    low = [_seen(columns, np.arange(max(round(short), 0), round(bottom)), place, reach) for place in dividers]
    if not is_high and np.median(low) < _SEEN:
        return
    # Most teeth are there, so all are; one that cannot be told from a stroke through it is taken for a tooth.
    _erase_across(columns, (top if is_high else short, bottom), dividers, reach, lines.T, seen=0.4)


def _seen(mask: Mask, xs: NDArray[np.intp], place: float, reach: int) -> float:
    """Share of some columns in which there is ink near a row."""
    first, last = max(round(place) - reach, 0), round(place) + reach + 1
    window = mask[first:last][:, xs[xs < mask.shape[1]]]
    return float(window.any(axis=0).mean()) if window.size else 0.0


def _own(mask: Mask, box: tuple[float, float, float, float], reach: int) -> Mask:
    """Keep the components most of whose ink lies inside the box; what remains of lines along its edges goes."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    left, top, width, height = box
    x0, y0 = max(round(left), 0), max(round(top), 0)
    x1, y1 = round(left + width) + 1, round(top + height) + 1
    inside = np.bincount(labels[y0:y1, x0:x1].ravel(), minlength=count)
    keep = inside > 0.5 * stats[:, cv2.CC_STAT_AREA]
    x, y, w, h = (stats[:, column] for column in range(4))
    edge = 1.5 * reach
    beside_row = ((y + h < top + edge) | (y > top + height - edge)) & (h <= edge)
    beside_column = ((x + w < left + edge) | (x > left + width - edge)) & (w <= edge)
    keep &= ~(beside_row | beside_column)
    keep[0] = False
    return np.asarray(keep[labels], np.bool_)
