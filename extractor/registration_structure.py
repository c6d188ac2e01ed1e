"""What a template knows of the form's print: a picture of it, probes on its edges, its marks and its boxes."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from extractor.errors import UsageError
from extractor.forms import Box, Field, Template
from extractor.registration_features import Features, features_of
from extractor.registration_page import Darkness, outline_of
from extractor.registration_probes import Probes, probes_of
from extractor.registration_scan import Grey, Matrix, shrink, shrinking

_STANDARD_DPI = 300
_COARSE_REACH, _FINE_REACH = 6, 8
_BOXES = 400
_MOST_KEPT = 64


@dataclass(frozen=True, slots=True)
class Structure:
    """The print of a form.

    Attributes:
        template: What it was made of.
        pixel: Template pixels in one pixel of 300 dpi.
        rough: Probes on a very small picture of the form.
        coarse: Probes on a small picture of the form.
        fine: Probes at the form's own size.
        marks: Which of the fine probes lie on anchors or on the frame, (N,); none when there is a reference.
        features: Features of the reference, None without one.
        outline: The print as a dark picture, (h, w) float32, and the scaling from its pixels to template pixels.
        boxes: Printed boxes: left, top, right, bottom in template pixels, (K, 4), the largest first.
    """

    template: Template
    pixel: float
    rough: Probes
    coarse: Probes
    fine: Probes
    marks: NDArray[np.bool_]
    features: Features | None
    outline: tuple[Darkness, Matrix]
    boxes: NDArray[np.float64]


def structure_of(template: Template, page: int = 1) -> Structure:
    """Prepare a template; the result is kept, as a thousand pages have the same.

    Args:
        template: The form.
        page: Page of the document, from 1.

    Raises:
        UsageError: The template has nothing that a page could be laid by.
        DocumentError: The reference cannot be read, or has other proportions than the page.
    """
    fields = template.fields_of(page)
    # By identity: a template may hold lists of thousands of codes, which would have to be hashed for every page.
    key = (id(template), tuple(map(id, fields)))
    kept = _kept.get(key)
    if kept is None:
        kept = _kept[key] = _prepare(template, fields)
        while len(_kept) > _MOST_KEPT:
            _kept.pop(next(iter(_kept)), None)
    return kept


def _prepare(template: Template, fields: tuple[Field, ...]) -> Structure:
    pixel = template.page.dpi / _STANDARD_DPI
    unwanted = None
    picture = template.reference_image()
    if picture is None:
        picture = draw(template, fields)
    else:
        unwanted = _where_people_write(fields, picture, pixel)
    if pixel < 0.75 or pixel > 1.5:
        # Profiles are sampled in pixels of 300 dpi, whatever the template's.
        size = (round(picture.shape[1] / pixel), round(picture.shape[0] / pixel))
        flags = cv2.INTER_AREA if pixel > 1 else cv2.INTER_CUBIC
        fine_picture = cv2.resize(picture, size, interpolation=flags).astype(np.uint8, copy=False)
        scale = picture.shape[1] / size[0]
    else:
        fine_picture, scale = picture, 1.0
    small, factor = shrink(picture)
    fine = probes_of(fine_picture, shrinking(scale, scale), pixel, _FINE_REACH, _resized(unwanted, fine_picture))
    coarse = probes_of(small, shrinking(factor, factor), float(factor), _COARSE_REACH, _resized(unwanted, small))
    tiny = cv2.resize(small, (small.shape[1] // 2, small.shape[0] // 2), interpolation=cv2.INTER_AREA).astype(np.uint8)
    to_page = shrinking(factor, factor) @ shrinking(2, 2)
    rough = probes_of(tiny, to_page, 2.0 * factor, _COARSE_REACH, _resized(unwanted, tiny))
    if len(fine) < 12 or len(coarse) < 12:
        raise UsageError(
            f"template {template.name}: it shows too little print to lay a page onto it",
            'give it anchors, a frame or reference = "blank.png"',
        )
    marks = np.zeros(len(fine), np.bool_)
    features = None
    if template.reference is None:
        marks = _on_marks(template, fine.points, 12 * pixel)
    else:
        features = features_of(small, shrinking(factor, factor), _resized(unwanted, small))
    outline, scaling = outline_of(small)
    to_template = shrinking(factor, factor) @ scaling
    boxes = _boxes(template, fields)
    return Structure(template, pixel, rough, coarse, fine, marks, features, (outline, to_template), boxes)


_kept: dict[tuple[int, tuple[int, ...]], Structure] = {}
"""Structures by the identity of their templates, which they keep alive."""


def _where_people_write(fields: tuple[Field, ...], picture: Grey, pixel: float) -> NDArray[np.bool_]:
    """The insides of the fields, which differ from page to page, (height, width)."""
    inside = np.zeros(picture.shape, np.bool_)
    edge = round(6 * pixel)
    for field in fields:
        x, y, width, height = (round(value) for value in field.box)
        inside[y + edge : y + height - edge, x + edge : x + width - edge] = True
    return inside


def _resized(mask: NDArray[np.bool_] | None, like: Grey) -> NDArray[np.bool_] | None:
    if mask is None or mask.shape == like.shape:
        return mask
    return cv2.resize(mask.astype(np.uint8), like.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0


def draw(template: Template, fields: tuple[Field, ...]) -> Grey:
    """Draw what a template says of the print: anchors, frame, boxes, dividers, grids; (height, width) grey."""
    picture = np.full((round(template.page.height), round(template.page.width)), 255, np.uint8)
    pixel = template.page.dpi / _STANDARD_DPI
    thick = max(1, round(3 * pixel))
    for anchor in template.anchors:
        x, y, width, height = (round(value) for value in anchor.box)
        if anchor.kind == "square":
            picture[y : y + height, x : x + width] = 0
        elif anchor.kind == "circle":
            cv2.ellipse(picture, (x + width // 2, y + height // 2), (width // 2, height // 2), 0, 0, 360, 0, -1)
        elif anchor.kind == "cross":
            cv2.line(picture, (x, y + height // 2), (x + width, y + height // 2), 0, 2 * thick)
            cv2.line(picture, (x + width // 2, y), (x + width // 2, y + height), 0, 2 * thick)
        else:
            mark = cv2.aruco.generateImageMarker(aruco_dictionary(), int(anchor.id or 0), min(width, height))
            sized = cv2.resize(mark, (width, height), interpolation=cv2.INTER_NEAREST)
            picture[y : y + height, x : x + width] = sized[: picture.shape[0] - y, : picture.shape[1] - x]
    if template.frame is not None:
        x, y, width, height = (round(value) for value in template.frame)
        cv2.rectangle(picture, (x, y), (x + width, y + height), 0, 2 * thick)
    for field in fields:
        _draw_field(picture, field.box, field.cells, field.grid, thick)
    return picture


def _draw_field(picture: Grey, box: Box, cells: int | None, grid: tuple[int, int] | None, thick: int) -> None:
    x, y, width, height = (round(value) for value in box)
    if cells is not None and grid is None:
        # A comb may be open above, and its teeth short: what all combs have is the base line and its lower ends.
        cv2.line(picture, (x, y + height), (x + width, y + height), 0, thick)
        for tooth in range(cells + 1):
            at = round(x + tooth * width / cells)
            cv2.line(picture, (at, y + round(0.6 * height)), (at, y + height), 0, thick)
        return
    rows, columns = grid or (1, 1)
    for row in range(rows + 1):
        at = round(y + row * height / rows)
        cv2.line(picture, (x, at), (x + width, at), 0, thick)
    for column in range(columns + 1):
        at = round(x + column * width / columns)
        cv2.line(picture, (at, y), (at, y + height), 0, thick)


def aruco_dictionary() -> cv2.aruco.Dictionary:
    """The marks that anchors of kind ``aruco`` are: 4 x 4 modules, ids from 0 to 49."""
    return cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_50)


def _on_marks(template: Template, points: NDArray[np.float64], slack: float) -> NDArray[np.bool_]:
    on = np.zeros(len(points), np.bool_)
    x, y = points.T
    for left, top, width, height in (anchor.box for anchor in template.anchors):
        on |= (x > left - slack) & (x < left + width + slack) & (y > top - slack) & (y < top + height + slack)
    if template.frame is not None:
        left, top, width, height = template.frame
        beside = np.minimum(np.abs(x - left), np.abs(x - left - width)) < slack
        level = np.minimum(np.abs(y - top), np.abs(y - top - height)) < slack
        on |= beside | level
    return on


def _boxes(template: Template, fields: tuple[Field, ...]) -> NDArray[np.float64]:
    """Closed boxes that may be on the form: the frame, plain fields, combs and their cells, cells of grids."""
    found: list[tuple[float, float, float, float]] = []
    if template.frame is not None:
        x, y, width, height = template.frame
        found.append((x, y, x + width, y + height))
    for field in fields:
        x, y, width, height = field.box
        found.append((x, y, x + width, y + height))
        rows, columns = field.grid or (1, field.cells or 1)
        if rows * columns > 1:
            found += [
                (
                    x + c * width / columns,
                    y + r * height / rows,
                    x + (c + 1) * width / columns,
                    y + (r + 1) * height / rows,
                )
                for r in range(rows)
                for c in range(columns)
            ]
    boxes = np.array(found, np.float64).reshape(-1, 4)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return boxes[np.argsort(-area, kind="stable")][:_BOXES]
