"""The place of a field, cut upright out of a scan that lies on its template."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from extractor.forms import Box

STANDARD_DPI = 300.0
"""Patches are no finer than this: digits are a tenth of an inch and more."""
_MARGIN = 0.22
"""Of the height of a box, what is cut out around it: people write beyond its lines."""
_MOST_MARGIN = 0.1
"""But no more than this many inches."""
_MOST_PIXELS = 4_000_000

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Patch:
    """A box of the template and some paper around it, upright.

    Attributes:
        image: Grey (H, W) or BGR (H, W, 3), uint8.
        box: x, y, width, height of the template's box in patch pixels.
        to_scan: Patch pixels -> scan pixels, (3, 3).
        inside: Share of the box that lies on the scan.
        scale: Patch pixels in one inch.
    """

    image: NDArray[np.uint8]
    box: tuple[float, float, float, float]
    to_scan: Matrix
    inside: float
    scale: float

    def on_scan(self, x: float, y: float, width: float, height: float) -> tuple[int, int, int, int]:
        """Return the upright box on the scan around a box of the patch."""
        corners = np.array([(x, y), (x + width, y), (x, y + height), (x + width, y + height)])
        points = _carried(self.to_scan, corners)
        left, top = np.floor(points.min(axis=0) + 0.5).astype(int).tolist()
        right, bottom = np.floor(points.max(axis=0) + 0.5).astype(int).tolist()
        return left, top, max(1, right - left), max(1, bottom - top)


def cut(image: NDArray[np.uint8], homography: Matrix, box: Box, dpi: float) -> Patch:
    """Cut a box out of a scan.

    The patch has the scan's own resolution along its finer direction, but no more than `STANDARD_DPI`.

    Args:
        image: Grey (H, W) or BGR (H, W, 3), uint8.
        homography: Template pixels -> scan pixels, (3, 3).
        box: In template pixels.
        dpi: Template pixels in one inch.
    """
    x, y, width, height = box
    margin = min(_MARGIN * height, _MOST_MARGIN * dpi) + dpi / 100
    native = _finest(homography, x + width / 2, y + height / 2)
    scale = min(native, STANDARD_DPI / dpi, (_MOST_PIXELS / ((width + 2 * margin) * (height + 2 * margin))) ** 0.5)
    size = (max(1, round((width + 2 * margin) * scale)), max(1, round((height + 2 * margin) * scale)))
    # Middles of pixels, not corners, lie at whole numbers.
    to_template = np.array(
        [[1 / scale, 0, x - margin + 0.5 / scale - 0.5], [0, 1 / scale, y - margin + 0.5 / scale - 0.5], [0, 0, 1]]
    )
    to_scan = homography @ to_template
    return Patch(
        image=_warped(image, to_scan, size, native / scale),
        box=(margin * scale, margin * scale, width * scale, height * scale),
        to_scan=to_scan,
        inside=_share_inside(_carried(homography, np.array(_corners(box))), (image.shape[0], image.shape[1])),
        scale=scale * dpi,
    )


def _corners(box: Box) -> list[tuple[float, float]]:
    x, y, width, height = box
    return [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]


def _carried(matrix: Matrix, points: NDArray[np.float64]) -> NDArray[np.float64]:
    carried = np.column_stack((points, np.ones(len(points)))) @ matrix.T
    return np.asarray(carried[:, :2] / carried[:, 2:], np.float64)


def _finest(homography: Matrix, x: float, y: float) -> float:
    """Scan pixels in one template pixel, in whichever direction there are more."""
    middle, right, down = _carried(homography, np.array([(x, y), (x + 1, y), (x, y + 1)]))
    return max(float(np.linalg.norm(right - middle)), float(np.linalg.norm(down - middle)), 1e-3)


def _share_inside(corners: NDArray[np.float64], shape: tuple[int, int]) -> float:
    """Share of a quadrilateral's area that lies on a picture."""
    page = np.array([(0, 0), (shape[1], 0), (shape[1], shape[0]), (0, shape[0])], np.float32)
    quad = corners.astype(np.float32)
    area = abs(cv2.contourArea(quad))
    shared, _ = cv2.intersectConvexConvex(quad, page)
    return float(min(shared / area, 1.0)) if area > 0 else 0.0


def _warped(image: NDArray[np.uint8], to_scan: Matrix, size: tuple[int, int], shrinking: float) -> NDArray[np.uint8]:
    """Draw the patch; a scan that is much finer is averaged first, so that no thin stroke falls between the pixels."""
    width, height = size
    factor = int(shrinking + 0.5)
    if factor > 1:
        quad = _carried(to_scan, np.array([(0.0, 0.0), (width, 0.0), (width, height), (0.0, height)]))
        left, top = np.maximum(np.floor(quad.min(axis=0)).astype(int) - factor, 0).tolist()
        right, bottom = (np.ceil(quad.max(axis=0)).astype(int) + factor).tolist()
        part = image[top : max(bottom, 0), left : max(right, 0)]
        rows, columns = part.shape[0] // factor, part.shape[1] // factor
        if rows and columns:
            part = np.ascontiguousarray(part[: rows * factor, : columns * factor])
            image = cv2.resize(part, (columns, rows), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
            offset = (factor - 1) / (2 * factor)
            shrink = np.array(
                [[1 / factor, 0, -left / factor - offset], [0, 1 / factor, -top / factor - offset], [0, 0, 1]]
            )
            to_scan = shrink @ to_scan
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    warped = cv2.warpPerspective(image, to_scan, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return warped.astype(np.uint8, copy=False)
