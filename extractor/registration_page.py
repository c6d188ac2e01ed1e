"""Lay a scan onto its template as a scanner sees it: a page that fills the picture, turned, askew and shifted."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from extractor.registration_scan import Grey, Matrix, shrinking

_SIDE = 480
"""Longest side of the pictures that are laid over each other."""

Darkness = NDArray[np.float32]
"""How much darker than its neighbourhood each pixel is, mean 0, (h, w)."""


def outline_of(small: Grey) -> tuple[Darkness, Matrix]:
    """Make the picture of a form's print that scans are laid over.

    Args:
        small: The form, grey.

    Returns:
        The picture, and the scaling from its pixels to those of `small`.
    """
    scale = max(1.0, max(small.shape) / _SIDE)
    size = (max(1, round(small.shape[1] / scale)), max(1, round(small.shape[0] / scale)))
    dark = _darkness(cv2.resize(small, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False))
    return dark, shrinking(small.shape[1] / size[0], small.shape[0] / size[1])


def by_page(small: Grey, outline: Darkness, to_template: Matrix) -> list[Matrix]:
    """Propose homographies from template pixels to a small picture, for the two turns that fit its proportions.

    The lean is the mean direction of all edges, folded onto a quarter of a turn; the shift is the peak of the
    correlation with the form's print.

    Args:
        small: The picture.
        outline: Print of the form.
        to_template: Pixels of the outline -> template pixels.
    """
    height, width = outline.shape
    lean = _lean(small)
    lying = (small.shape[1] > small.shape[0]) != (width > height)
    # Seen by a scanner, the page's longer side is the picture's.
    factor = max(small.shape) / max(outline.shape)
    rows, columns = cv2.getOptimalDFTSize(height), cv2.getOptimalDFTSize(width)
    wanted = np.conj(np.fft.rfft2(outline, (rows, columns)))
    proposals = []
    for turn in (1, 3) if lying else (0, 2):
        angle = lean + turn * np.pi / 2
        cos, sin = factor * np.cos(angle), factor * np.sin(angle)
        middle, centre = ((width - 1) / 2, (height - 1) / 2), ((small.shape[1] - 1) / 2, (small.shape[0] - 1) / 2)
        affine = np.array(
            [
                [cos, -sin, centre[0] - cos * middle[0] + sin * middle[1]],
                [sin, cos, centre[1] - sin * middle[0] - cos * middle[1]],
                [0, 0, 1],
            ]
        )
        paper = float(np.percentile(small[::8, ::8], 70))
        flags = cv2.INTER_AREA | cv2.WARP_INVERSE_MAP
        level = cv2.warpAffine(small, affine[:2], (width, height), flags=flags, borderValue=paper)
        dark = _darkness(level.astype(np.uint8, copy=False))
        match = np.fft.irfft2(np.fft.rfft2(dark, (rows, columns)) * wanted, (rows, columns))
        y, x = (int(place) for place in np.unravel_index(int(match.argmax()), match.shape))
        # What goes beyond half the page is a shift to the other side.
        shift = np.array([[1, 0, x - columns * (x > columns // 2)], [0, 1, y - rows * (y > rows // 2)], [0, 0, 1]])
        proposals.append(affine @ shift @ np.linalg.inv(to_template))
    return proposals


def _darkness(picture: Grey) -> Darkness:
    mean = cv2.blur(picture, (41, 41), borderType=cv2.BORDER_REPLICATE).astype(np.float32)
    dark = np.clip(1 - picture / np.maximum(mean, 1), 0, 0.6).astype(np.float32)
    # A little breadth makes up for what is left of lean and scale.
    broad = cv2.GaussianBlur(dark, (0, 0), 1.5)
    return np.asarray(broad - np.mean(broad), np.float32)


def _lean(small: Grey) -> float:
    """Angle of a page's lines, in radians from -pi/4 to pi/4."""
    smooth = cv2.GaussianBlur(small, (0, 0), 1.0)
    gx, gy = cv2.Sobel(smooth, cv2.CV_32F, 1, 0)[::2, ::2], cv2.Sobel(smooth, cv2.CV_32F, 0, 1)[::2, ::2]
    # The fourth power of a direction is the same for all four turns of a right angle.
    square_x, square_y = gx * gx - gy * gy, 2 * gx * gy
    fourth = complex(float((square_x**2 - square_y**2).sum()), float((2 * square_x * square_y).sum()))
    return float(np.angle(fourth)) / 4
