"""The fields of a template drawn on a scan: whether a page lies on its template is seen at a glance."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from extractor.forms import Box, Template
from extractor.registration import LEAST_QUALITY, Registration
from extractor.registration_scan import transform

_FIELD, _MARK, _PAGE = (178, 114, 0), (115, 158, 0), (150, 150, 150)
_MISFIT = (0, 94, 213)
"""Blue, green, red; after Okabe and Ito, "Color Universal Design" (2008)."""


def draw(image: NDArray[np.uint8], template: Template, found: Registration, page: int) -> NDArray[np.uint8]:
    """Draw a template as it lies on a scan: fields with their names and cells, anchors, frame and page.

    Args:
        image: Grey (H, W) or BGR (H, W, 3), uint8.
        template: The form.
        found: How the scan lies on it; all is drawn in one warning colour when that may not be believed.
        page: Page of the document, from 1.

    Returns:
        (H, W, 3) BGR.
    """
    canvas = np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR) if image.ndim == 2 else image.copy(), np.uint8)
    width = max(1, round(max(canvas.shape) / 900))
    fits = found.quality >= LEAST_QUALITY

    def outline(box: Box, colour: tuple[int, int, int], thick: int) -> NDArray[np.int32]:
        x, y, w, h = box
        corners = np.array([(x, y), (x + w, y), (x + w, y + h), (x, y + h)], np.float64)
        # OpenCV cannot draw what lies very far off.
        points = np.clip(np.rint(transform(found.homography, corners)), -30000, 30000).astype(np.int32)
        cv2.polylines(canvas, [points], True, colour if fits else _MISFIT, thick, cv2.LINE_AA)
        return points

    outline((0.0, 0.0, template.page.width, template.page.height), _PAGE, width)
    for box in [anchor.box for anchor in template.anchors] + ([template.frame] if template.frame else []):
        outline(box, _MARK, 2 * width)
    for item in template.fields_of(page):
        x, y, w, h = item.box
        rows, columns = item.grid or (1, item.cells or 1)
        for row in range(rows):
            for column in range(columns):
                outline((x + column * w / columns, y + row * h / rows, w / columns, h / rows), _FIELD, width)
        points = outline(item.box, _FIELD, 2 * width)
        _label(canvas, item.name, (int(points[0, 0]), int(points[0, 1])), width, _FIELD if fits else _MISFIT)
    return canvas


def _label(
    canvas: NDArray[np.uint8], text: str, corner: tuple[int, int], width: int, colour: tuple[int, int, int]
) -> None:
    """Write a name above the corner of its field, on a ground of its own."""
    size = 0.35 + 0.2 * width
    ascii_text = text.encode("ascii", "replace").decode("ascii")
    (w, h), below = cv2.getTextSize(ascii_text, cv2.FONT_HERSHEY_SIMPLEX, size, width)
    x, y = corner[0], corner[1] - 2 * width - below
    cv2.rectangle(canvas, (x, y - h - below), (x + w, y + below), colour, cv2.FILLED)
    cv2.putText(canvas, ascii_text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, size, (255, 255, 255), width, cv2.LINE_AA)
