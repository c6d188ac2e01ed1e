"""Pieces of a page's ink: its connected components, which of them may be writing, and which are parts of one digit."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from extractor.preprocess import Mask, components

MIN_HEIGHT = 7
"""Writing lower than this many pixels cannot be read."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_BLOT = 0.45
"""A piece thicker than this share of its height is no stroke."""


@dataclass(frozen=True, slots=True)
class Pieces:
    """Connected components of a page's ink.

    Attributes:
        labels: Number of the piece of each pixel, (H, W) int32; 0 is paper.
        box: Left, top, right, bottom (exclusive) of each piece by number, (N, 4); that of 0 means nothing.
        area: Ink of each piece in pixels, (N,).
    """

    labels: NDArray[np.int32]
    box: Ints
    area: Ints

    @property
    def width(self) -> Ints:
        """Widths, (N,)."""
        return self.box[:, 2] - self.box[:, 0]

    @property
    def height(self) -> Ints:
        """Heights, (N,)."""
        return self.box[:, 3] - self.box[:, 1]

    @property
    def centre(self) -> Floats:
        """Middles of the boxes, x and y, (N, 2)."""
        return (self.box[:, :2] + self.box[:, 2:]) * np.float64(0.5)


def find_pieces(ink: Mask) -> Pieces:
    """Label the connected components of ink.

    Args:
        ink: (H, W) bool.
    """
    labels, stats, _ = components(ink.view(np.uint8))
    box = stats[:, :4].astype(np.int64)
    box[:, 2:] += box[:, :2]
    return Pieces(labels, box, stats[:, cv2.CC_STAT_AREA].astype(np.int64))


def may_be_writing(pieces: Pieces, ink: Mask, stroke: float) -> NDArray[np.bool_]:
    """Find the pieces that may be part of a digit: no specks, bars, blots, edges of the sheet or texture of the desk.

    Args:
        pieces: Of a page, N of them.
        ink: The page's ink, (H, W) bool.
        stroke: Typical stroke width of the page in pixels.

    Returns:
        Whether each may be, (N,) bool.
    """
    page_height, page_width = ink.shape
    width, height, area = pieces.width, pieces.height, pieces.area
    low, high = np.minimum(width, height), np.maximum(width, height)
    fill = area / np.maximum(width * height, 1)
    speck = (high < 4) | (area < max(6.0, 0.4 * stroke * stroke))
    solid = (fill > 0.8) & (low > 3 * stroke)
    for piece in np.flatnonzero((fill > 0.45) & (low > 12 * stroke) & ~solid):
        solid[piece] = _is_blot(pieces, int(piece))
    bar = (width > 12 * height) & (width > 40)
    x0, y0, x1, y1 = pieces.box.T
    edges = (x0 <= 1).astype(int) + (y0 <= 1) + (x1 >= page_width - 1) + (y1 >= page_height - 1)
    large = (height > 0.4 * page_height) & (width > 0.4 * page_width)
    edge = (edges >= 2) & (high > 0.2 * max(ink.shape)) | (edges >= 1) & (high > 0.5 * max(ink.shape)) & (fill < 0.1)
    kept: NDArray[np.bool_] = ~(speck | solid | bar | large | edge)
    kept &= ~_on_texture(pieces, ink, stroke)
    kept[0] = False
    return kept


def _is_blot(pieces: Pieces, piece: int) -> bool:
    """Tell a blot from digits written with a broad pen beside a fine one: ink that is as thick as it is high."""
    left, top, right, bottom = pieces.box[piece].tolist()
    shape = (pieces.labels[top:bottom, left:right] == piece).view(np.uint8)
    depth = cv2.distanceTransform(cv2.copyMakeBorder(shape, 1, 1, 1, 1, cv2.BORDER_CONSTANT), cv2.DIST_L2, 3)
    return bool(2.0 * depth.max() > _BLOT * min(right - left, bottom - top))


def _on_texture(pieces: Pieces, ink: Mask, stroke: float) -> NDArray[np.bool_]:
    """Pieces in parts of the picture with more ink than any writing has: a desk, a dark photograph."""
    step = max(1, max(ink.shape) // 250)
    sampled = ink[:: max(1, step // 3), :: max(1, step // 3)].astype(np.uint8) * np.uint8(255)
    size = (max(1, ink.shape[1] // step), max(1, ink.shape[0] // step))
    density = cv2.resize(sampled, size, interpolation=cv2.INTER_AREA)
    window = int(max(9, 14 * stroke / step, max(density.shape) // 12)) | 1
    mean = cv2.blur(density, (window, window), borderType=cv2.BORDER_REFLECT_101)
    # Where it is once too dense, it is texture as far as it stays denser than writing.
    count, parts = cv2.connectedComponents((mean > 0.24 * 255).astype(np.uint8))
    certain = np.bincount(parts[mean > 0.36 * 255], minlength=count)
    certain[0] = 0
    dense = (certain > 0.02 * mean.size)[parts]
    centre = pieces.centre / step
    x = np.clip(centre[:, 0].astype(int), 0, density.shape[1] - 1)
    y = np.clip(centre[:, 1].astype(int), 0, density.shape[0] - 1)
    on_texture: NDArray[np.bool_] = dense[y, x]
    return on_texture


def broken_strokes(pieces: Pieces, kept: NDArray[np.bool_]) -> Ints:
    """Find pieces that lie one upon the other and hardly apart: parts of one digit whose stroke is broken.

    Args:
        pieces: Of a page, N of them.
        kept: Those that may be writing, (N,) bool.

    Returns:
        For each piece the first of the pieces it is one with, often itself.
    """
    count = len(pieces.area)
    height, box = pieces.height, pieces.box
    chosen = np.flatnonzero(kept & (height >= 4))
    chosen = chosen[np.argsort(box[chosen, 0], kind="stable")]
    writing = height[chosen][height[chosen] >= MIN_HEIGHT]
    if writing.size < 2:
        return np.arange(count)
    tall = float(np.percentile(writing, 75))
    # Of two pieces that overlap, the left one reaches at least to where the right one begins.
    start = np.arange(len(chosen)) + 1
    reach = np.searchsorted(box[chosen, 0], np.minimum(box[chosen, 2], box[chosen, 0] + 3 * tall)) - start
    reach = np.maximum(reach, 0)
    first = np.repeat(np.arange(len(chosen)), reach)
    second = first + 1 + np.arange(reach.sum()) - np.repeat(np.cumsum(reach) - reach, reach)
    one, other = chosen[first], chosen[second]
    overlap = np.minimum(box[one, 2], box[other, 2]) - np.maximum(box[one, 0], box[other, 0])
    apart = np.maximum(box[one, 1], box[other, 1]) - np.minimum(box[one, 3], box[other, 3])
    together = np.maximum(box[one, 3], box[other, 3]) - np.minimum(box[one, 1], box[other, 1])
    limit = np.maximum(1.25 * np.maximum(height[one], height[other]), 1.15 * tall)
    broken = overlap > 0.4 * np.minimum(pieces.width[one], pieces.width[other])
    broken &= (apart < 0.15 * tall) & (together < limit)
    return connected(count, one[broken], other[broken]) - 1


def joined(pieces: Pieces, root: Ints) -> Pieces:
    """Give each root the box and ink of all that are one with it.

    Args:
        pieces: Of a page, N of them.
        root: Of each, see `broken_strokes`, (N,).

    Returns:
        N pieces; those that are no roots are as they were.
    """
    box, area = pieces.box.copy(), np.bincount(root, weights=pieces.area, minlength=len(root)).astype(np.int64)
    np.minimum.at(box[:, 0], root, pieces.box[:, 0])
    np.minimum.at(box[:, 1], root, pieces.box[:, 1])
    np.maximum.at(box[:, 2], root, pieces.box[:, 2])
    np.maximum.at(box[:, 3], root, pieces.box[:, 3])
    return Pieces(pieces.labels, box, area)


def connected(count: int, left: Ints, right: Ints) -> Ints:
    """Number the connected sets of items under links.

    Args:
        count: Number of items.
        left: One item of each link, (L,).
        right: The other, (L,).

    Returns:
        For each item the smallest member of its set, plus 1, (N,).
    """
    root = np.arange(count)
    while True:
        low = np.minimum(root[left], root[right])
        after = root.copy()
        np.minimum.at(after, left, low)
        np.minimum.at(after, right, low)
        after = after[after]
        if np.array_equal(after, root):
            return root + 1
        root = after
