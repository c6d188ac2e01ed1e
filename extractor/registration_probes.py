"""Short profiles across the printed edges of a form: how a template is laid exactly onto a scan, and how well it lies.

A probe is a point on a printed edge with the brightness along the edge's normal. On a scan the same profile is looked
for along the same normal; the offsets of all probes together give the homography, as in the registration of contours by
normal search (Blake and Isard, Active Contours, 1998) with a robust fit (Tukey's biweight, iterated). Offsets and
likeness are measured after light and contrast have been taken out, so that shadow and pale ink do not count.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from extractor.registration_scan import Grey, Matrix, transform

Floats = NDArray[np.float64]

LEAST_LIKENESS = 0.6
"""Correlation from which a probe counts as found."""
_LEAST_CONTRAST = 0.08
"""Unevenness, as a share of the paper's brightness, below which a profile shows nothing."""
_CELLS = 44
"""Cells along the longer side of a page that get probes of their own."""


@dataclass(frozen=True, slots=True)
class Probes:
    """Points on the printed edges of a template.

    Attributes:
        points: x and y in template pixels, (N, 2).
        normals: Unit vectors across the edge, (N, 2).
        profiles: Brightness along the normal, mean 0 and length 1, (N, L) float32.
        step: Distance between samples of a profile, in template pixels.
    """

    points: Floats
    normals: Floats
    profiles: NDArray[np.float32]
    step: float

    def __len__(self) -> int:
        """Number of probes."""
        return len(self.points)


@dataclass(frozen=True, slots=True)
class Sighting:
    """What probes see on a scan.

    Attributes:
        offsets: How far along the normal each best lies, in template pixels, (N,).
        likeness: Correlation there, (N,); 0 where the scan shows no contrast.
        visible: Whether the probe lies on the scan, (N,).
    """

    offsets: Floats
    likeness: Floats
    visible: NDArray[np.bool_]

    def found(self, tolerance: float) -> NDArray[np.bool_]:
        """Tell which probes were seen within so many template pixels, (N,)."""
        return self.visible & (self.likeness >= LEAST_LIKENESS) & (np.abs(self.offsets) <= tolerance)


def probes_of(picture: Grey, to_page: Matrix, step: float, reach: int, unwanted: NDArray[np.bool_] | None) -> Probes:
    """Choose probes evenly over a form.

    Args:
        picture: The empty form, grey.
        to_page: Pixels of the picture -> template pixels, a scaling.
        step: Distance between samples in template pixels.
        reach: Samples on each side of a probe.
        unwanted: Pixels of the picture where no probe may be, (H, W); where people write.
    """
    smooth = cv2.GaussianBlur(picture, (0, 0), 1.0).astype(np.float32)
    gx, gy = cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
    strength = cv2.magnitude(gx, gy)
    if unwanted is not None:
        strength[unwanted] = 0
    margin = 2
    strength[:margin] = strength[-margin:] = 0
    strength[:, :margin] = strength[:, -margin:] = 0
    least = 0.25 * float(np.percentile(strength[strength > 8], 90)) if (strength > 8).any() else np.inf
    upright = np.abs(gx) > np.abs(gy)
    cell = max(4, -(-max(picture.shape) // _CELLS))
    ys, xs = zip(*(_strongest(np.where(which, strength, 0), cell, least) for which in (upright, ~upright)), strict=True)
    y, x = np.concatenate(ys), np.concatenate(xs)
    slopes = np.column_stack((gx[y, x], gy[y, x])).astype(np.float64)
    normals = np.asarray(slopes / np.maximum(np.linalg.norm(slopes, axis=1, keepdims=True), 1e-9), np.float64)
    points = transform(to_page, np.column_stack((x, y)).astype(np.float64))
    strips = _strips(smooth, np.asarray(np.linalg.inv(to_page), np.float64), points, normals * step, reach)
    strips -= strips.mean(axis=1, keepdims=True)
    length = np.linalg.norm(strips, axis=1, keepdims=True)
    keep = length[:, 0] > 1
    return Probes(points[keep], normals[keep], strips[keep] / length[keep], step)


def _strongest(strength: NDArray[np.float32], cell: int, least: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of the strongest pixel of each cell that has one."""
    height, width = strength.shape
    rows, columns = -(-height // cell), -(-width // cell)
    padded = np.zeros((rows * cell, columns * cell), np.float32)
    padded[:height, :width] = strength
    blocks = padded.reshape(rows, cell, columns, cell).transpose(0, 2, 1, 3).reshape(rows, columns, cell * cell)
    best = blocks.argmax(axis=2)
    r, c = np.nonzero(blocks.max(axis=2) > least)
    return r * cell + best[r, c] // cell, c * cell + best[r, c] % cell


def _strips(
    picture: NDArray[np.uint8 | np.float32], homography: Matrix, points: Floats, move: Floats, reach: int
) -> NDArray[np.float32]:
    """Brightness at ``points + k * move`` for k from -reach to reach, (N, 2 * reach + 1)."""
    start = transform(homography, points)
    along = transform(homography, points + move) - start
    steps = np.arange(-reach, reach + 1)
    x = (start[:, :1] + along[:, :1] * steps).astype(np.float32)
    y = (start[:, 1:] + along[:, 1:] * steps).astype(np.float32)
    return cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)


def look(picture: Grey, homography: Matrix, probes: Probes, search: int) -> Sighting:
    """Look for every probe along its normal.

    Args:
        picture: The scan.
        homography: Template pixels -> scan pixels.
        probes: What to look for.
        search: How many steps to each side.
    """
    length = probes.profiles.shape[1]
    height, width = picture.shape
    centre = transform(homography, probes.points)
    visible: NDArray[np.bool_] = np.all((centre >= 1) & (centre <= (width - 2, height - 2)), axis=1)
    strips = _strips(picture, homography, probes.points, probes.normals * probes.step, length // 2 + search)
    windows = sliding_window_view(strips, length, axis=1)
    product = np.einsum("nsl,nl->ns", windows, probes.profiles)
    sums = _moving(strips, length)
    squares = _moving(strips * strips, length)
    norm = np.sqrt(np.maximum(squares - sums * sums / length, 1e-6))
    bright = strips.max(axis=1, keepdims=True)
    likeness = np.where(norm > _LEAST_CONTRAST * bright + 2, product / norm, 0).astype(np.float64)
    shifts = np.arange(-search, search + 1)
    # Of two equal likenesses the nearer one.
    best = (likeness - 0.01 * np.abs(shifts)).argmax(axis=1)
    index = np.arange(len(best))
    inner = np.clip(best, 1, 2 * search - 1)
    left, middle, right = (likeness[index, inner + k] for k in (-1, 0, 1))
    bend = left - 2 * middle + right
    peak = (best == inner) & (bend < -1e-6)
    offset = shifts[best] + np.where(peak, np.clip(0.5 * (left - right) / np.where(peak, bend, -1), -0.5, 0.5), 0)
    return Sighting(offset * probes.step, likeness[index, best], visible)


def _moving(values: NDArray[np.float32], length: int) -> Floats:
    """Sums of each ``length`` neighbours, (N, M - length + 1)."""
    total = np.cumsum(np.pad(values, ((0, 0), (1, 0))).astype(np.float64), axis=1)
    return np.asarray(total[:, length:] - total[:, :-length], np.float64)


def lay(picture: Grey, homography: Matrix, probes: Probes, searches: tuple[int, ...]) -> Matrix:
    """Move a homography so that the probes lie on what they look for.

    Args:
        picture: The scan.
        homography: Template pixels -> scan pixels, nearly right.
        probes: Probes of the template.
        searches: Steps to search to each side, one number a round, falling.
    """
    for search in searches:
        seen = look(picture, homography, probes, search)
        use = seen.visible & (seen.likeness >= LEAST_LIKENESS)
        if np.count_nonzero(use) < 12:
            break
        move = _correction(probes.points[use], probes.normals[use], seen.offsets[use], seen.likeness[use], probes.step)
        homography = homography @ move
        homography = homography / homography[2, 2]
    return homography


def _correction(points: Floats, normals: Floats, offsets: Floats, weights: Floats, step: float) -> Matrix:
    """The homography of the template onto itself that moves each point along its normal by its offset.

    For a small correction the homography I + D is linear in D; outliers are weighed down by Tukey's biweight.
    """
    centre, spread = points.mean(axis=0), max(float(np.ptp(points, axis=0).max()) / 2, 1.0)
    x, y = ((points - centre) / spread).T
    nx, ny = normals.T
    dot = nx * x + ny * y
    rows = np.column_stack((nx * x, nx * y, nx, ny * x, ny * y, ny, -x * dot, -y * dot))
    target = offsets / spread
    # A little inertia: what the probes do not fix stays as it is.
    inertia = len(points) * np.diag([1e-5, 1e-5, 1e-6, 1e-5, 1e-5, 1e-6, 1e-3, 1e-3])
    robust = weights
    for _ in range(6):
        weighted = rows.T * robust
        solution = np.linalg.solve(weighted @ rows + inertia, weighted @ target)
        error = np.abs(rows @ solution - target) * spread
        scale = max(4.7 * 1.48 * float(np.median(error)), 1.5 * step)
        robust = weights * np.square(np.maximum(1 - np.square(error / scale), 0))
    delta = np.append(solution, 0).reshape(3, 3)
    # Back from the centred, scaled frame.
    frame = np.array([[1 / spread, 0, -centre[0] / spread], [0, 1 / spread, -centre[1] / spread], [0, 0, 1]])
    return np.asarray(np.linalg.inv(frame) @ (np.eye(3) + delta) @ frame, np.float64)
