"""Lay a scan onto its template by printed marks: black squares and discs, crosses, and ArUco marks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import combinations, permutations

import cv2
import numpy as np
from numpy.typing import NDArray

from extractor.forms import Anchor
from extractor.registration_scan import Grey, Matrix
from extractor.registration_structure import aruco_dictionary

Floats = NDArray[np.float64]
_MOST_MARKS = 12


def by_aruco(small: Grey, anchors: Sequence[Anchor]) -> list[Matrix]:
    """Propose the homography from template pixels to a small picture by the ArUco marks that both have."""
    known = {anchor.id: anchor.box for anchor in anchors if anchor.kind == "aruco"}
    if not known:
        return []
    corners, ids, _ = cv2.aruco.ArucoDetector(aruco_dictionary()).detectMarkers(small)
    source, target = [], []
    # OpenCV gives no array of ids where it finds no mark.
    for quad, number in zip(corners, np.ravel(ids) if len(corners) else (), strict=True):
        box = known.pop(int(number), None)
        if box is not None:
            source.append(_corners(box))
            target.append(quad.reshape(4, 2).astype(np.float64))
    if not source:
        return []
    homography, _ = cv2.findHomography(np.concatenate(source), np.concatenate(target), cv2.RANSAC, 4.0)
    return [] if homography is None else [np.asarray(homography, np.float64)]


def _corners(box: Sequence[float]) -> Floats:
    x, y, width, height = box
    return np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]]) - 0.5


class Marks:
    """Squares, discs and crosses of a template and those of a picture, and the homographies that they propose.

    Args:
        small: The picture; looked at when the first proposals are asked for.
        anchors: Marks of the template.
        page: Width and height of the template.
    """

    def __init__(self, small: Grey, anchors: Sequence[Anchor], page: tuple[float, float]) -> None:
        self._small, self._anchors, self._page = small, anchors, page

    @cached_property
    def _pairs(self) -> list[tuple[Floats, Floats]]:
        """For each kind of mark, where the template has them, (N, 2), and where the picture may, (K, 2)."""
        pairs = []
        for kind in ("square", "circle", "cross"):
            places = np.array([_centre(anchor.box) for anchor in self._anchors if anchor.kind == kind]).reshape(-1, 2)
            if len(places) < 2:
                continue
            sides = [max(anchor.box[2:]) for anchor in self._anchors if anchor.kind == kind]
            expected = float(np.median(sides)) * max(self._small.shape) / max(self._page)
            seen = (find_crosses if kind == "cross" else find_blobs)(self._small, expected)
            pairs.append((places, seen))
        return pairs

    def four(self) -> list[Matrix]:
        """Homographies from template pixels to the picture that carry four marks to four; most are wrong."""
        return [found for places, seen in self._pairs for found in _four(places, seen, self._small.shape)]

    def three(self) -> list[Matrix]:
        """Affine maps by three marks, for a page of which one is cut off or covered."""
        size = (self._page, self._small.shape)
        return [found for places, seen in self._pairs for found in _three(places, seen, *size)]

    def two(self) -> list[Matrix]:
        """Similarities by two marks."""
        size = (self._page, self._small.shape)
        return [found for places, seen in self._pairs for found in _two(places, seen, *size)]


def _centre(box: Sequence[float]) -> tuple[float, float]:
    return box[0] + 0.5 * box[2] - 0.5, box[1] + 0.5 * box[3] - 0.5


def _dark(small: Grey, window: int) -> NDArray[np.uint8]:
    smooth = cv2.GaussianBlur(small, (3, 3), 0)
    size = 2 * window + 1
    mean = cv2.blur(smooth, (size, size), borderType=cv2.BORDER_REPLICATE)
    # Darker than the neighbourhood by a tenth of its brightness.
    return cv2.compare(smooth, cv2.convertScaleAbs(mean, alpha=0.88), cv2.CMP_LT).astype(np.uint8, copy=False)


def find_blobs(small: Grey, expected: float) -> Floats:
    """Find compact black shapes, (K, 2), the blackest and most compact first.

    Args:
        small: The picture.
        expected: Their side in pixels if the page fills the picture; a third to twice of it is accepted.
    """
    # A window much wider than a mark: the middle of a mark must not become its own background.
    dark = _dark(small, max(8, round(1.6 * expected)))
    _, labels, stats, centres = cv2.connectedComponentsWithStats(dark, connectivity=4)
    width, height, area = stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT], stats[:, cv2.CC_STAT_AREA]
    side = np.sqrt(area.astype(np.float64))
    filled = area / np.maximum(width * height, 1)
    near = (side > 0.3 * expected) & (side < 2.0 * expected) & (side > 4)
    compact = near & (filled > 0.5) & (np.maximum(width, height) < 2.2 * np.minimum(width, height))
    compact[0] = False
    found = []
    for label in np.flatnonzero(compact):
        x, y, w, h = stats[label, :4]
        shape = (labels[y : y + h, x : x + w] == label).astype(np.uint8)
        outline = max(cv2.findContours(shape, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0], key=len)
        _, (across, down), _ = cv2.minAreaRect(outline)
        # The rectangle runs through pixel centres; a square fills it, a disc to 0.785.
        solid = area[label] / max((across + 1) * (down + 1), 1)
        if solid > 0.68 and max(across, down) + 1 < 2.0 * (min(across, down) + 1):
            found.append((solid * min(side[label] / expected, 1.0), centres[label]))
    found.sort(key=lambda item: -item[0])
    return np.array([centre for _, centre in found[:_MOST_MARKS]], np.float64).reshape(-1, 2)


def find_crosses(small: Grey, expected: float) -> Floats:
    """Find upright or turned crosses of two thin strokes, (K, 2).

    Args:
        small: The picture.
        expected: Length of the strokes in pixels if the page fills the picture; a third to twice of it is accepted.
    """
    dark = _dark(small, max(6, round(0.6 * expected)))
    _, labels, stats, centres = cv2.connectedComponentsWithStats(dark, connectivity=8)
    width, height = stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT]
    long, short = np.maximum(width, height), np.minimum(width, height)
    # Strokes of one length in a box: upright they span it, turned by 45 degrees their ends do.
    near = (long > 0.33 * expected) & (long < 2.0 * expected) & (short > 0.6 * long) & (long >= 7)
    near &= stats[:, cv2.CC_STAT_AREA] < 0.62 * width * height
    near[0] = False
    turns = np.arange(48) * (2 * np.pi / 48)
    found = []
    for label in np.flatnonzero(near):
        x, y = centres[label]
        if np.abs(centres[label] - stats[label, :2] - 0.5 * (stats[label, 2:4] - 1)).max() > 0.12 * long[label]:
            continue
        even = 0.0
        for radius in (0.26 * long[label], 0.36 * long[label]):
            columns = np.clip(np.rint(x + radius * np.cos(turns)), 0, small.shape[1] - 1).astype(int)
            rows = np.clip(np.rint(y + radius * np.sin(turns)), 0, small.shape[0] - 1).astype(int)
            ring = labels[rows, columns] == label
            starts = np.flatnonzero(ring & ~np.roll(ring, 1))
            if len(starts) != 4 or np.count_nonzero(ring) > 30:
                even = 0.0
                break
            gaps = np.diff(np.append(starts, starts[0] + 48))
            even += float(1 - np.abs(gaps - 12).max() / 12)
        if even > 0.6:
            found.append((even * min(long[label] / expected, 1.0), centres[label]))
    found.sort(key=lambda item: -item[0])
    return np.array([centre for _, centre in found[:_MOST_MARKS]], np.float64).reshape(-1, 2)


def _clockwise(points: Floats) -> Floats:
    middle = points.mean(axis=0)
    return points[np.argsort(np.arctan2(points[:, 1] - middle[1], points[:, 0] - middle[0]))]


def _four(places: Floats, seen: Floats, shape: tuple[int, ...]) -> list[Matrix]:
    """Homographies that carry the four outermost marks of the template to four of the picture."""
    if len(places) < 4 or len(seen) < 4:
        return []
    widest = max(combinations(range(len(places)), 4), key=lambda four: _area(_clockwise(places[list(four)])))
    source = _clockwise(places[list(widest)]).astype(np.float32)
    size, middle_of_marks = _area(source), source.mean(axis=0).astype(np.float64)
    targets = seen[np.array(list(combinations(range(len(seen)), 4)))]
    middle = targets.mean(axis=1, keepdims=True)
    order = np.argsort(np.arctan2(targets[..., 1] - middle[..., 1], targets[..., 0] - middle[..., 0]), axis=1)
    targets = np.take_along_axis(targets, order[..., None], axis=1)
    sides = np.roll(targets, -1, axis=1) - targets
    after = np.roll(sides, -1, axis=1)
    turns = sides[..., 0] * after[..., 1] - sides[..., 1] * after[..., 0]
    length = np.maximum(np.linalg.norm(sides, axis=2), 1e-9)
    uneven = np.abs(np.log(length[:, :2] / length[:, 2:])).max(axis=1)
    large = 0.25 * turns.sum(axis=1) > 0.12 * shape[0] * shape[1]
    proposals = []
    for target in targets[(turns > 0).all(axis=1) & (uneven < 0.5) & large]:
        for turn in range(4):
            turned = np.roll(target, -turn, axis=0).astype(np.float32)
            homography = cv2.getPerspectiveTransform(source, turned).astype(np.float64)
            if _is_plausible(homography, middle_of_marks, np.sqrt(size)):
                proposals.append(homography)
    return proposals


def _area(points: Floats | NDArray[np.float32]) -> float:
    return float(cv2.contourArea(points.astype(np.float32)))


def _three(places: Floats, seen: Floats, page: tuple[float, float], shape: tuple[int, ...]) -> list[Matrix]:
    """Affine maps that carry three marks of the template to three of the picture."""
    if len(places) < 3 or len(seen) < 3:
        return []
    targets = np.array(list(permutations(range(len(seen)), 3)))
    proposals: list[Matrix] = []
    for three in list(combinations(range(len(places)), 3))[:8]:
        source = np.column_stack((places[list(three)], np.ones(3)))
        if abs(np.linalg.det(source)) < 1:
            continue
        maps = np.einsum("ij,njk->nki", np.linalg.inv(source), seen[targets])
        maps = maps[_near_similarity(maps[:, :, :2], 0.3)]
        proposals += [np.vstack((part, (0, 0, 1))) for part in maps[_is_in_size(maps[:, :, :2], page, shape)]]
    return proposals


def _two(places: Floats, seen: Floats, page: tuple[float, float], shape: tuple[int, ...]) -> list[Matrix]:
    """Similarities that carry two marks of the template to two of the picture."""
    if len(seen) < 2:
        return []
    complex_places, complex_seen = places @ (1, 1j), seen @ (1, 1j)
    c, d = np.array(list(permutations(range(len(seen)), 2))).T
    proposals: list[Matrix] = []
    for a, b in list(combinations(range(len(places)), 2))[:12]:
        factor = (complex_seen[d] - complex_seen[c]) / (complex_places[b] - complex_places[a])
        move = complex_seen[c] - factor * complex_places[a]
        zero, one = np.zeros(len(factor)), np.ones(len(factor))
        rows = ((factor.real, -factor.imag, move.real), (factor.imag, factor.real, move.imag), (zero, zero, one))
        maps = np.array(rows).transpose(2, 0, 1)
        proposals += list(maps[_is_in_size(maps[:, :2, :2], page, shape)])
    return proposals


def _is_in_size(linear: Floats, page: tuple[float, float], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Tell under which 2 x 2 maps the page fills the picture about, (N,)."""
    fill = np.abs(np.linalg.det(linear)) * page[0] * page[1] / (shape[0] * shape[1])
    return np.asarray((fill > 0.2) & (fill < 2.0), np.bool_)


def _near_similarity(linear: Floats, slack: float) -> NDArray[np.bool_]:
    """Tell which 2 x 2 maps turn no figure over and keep shapes but for a stretch and a little shear, (N,)."""
    first, second = linear[:, :, 0], linear[:, :, 1]
    one, two = np.linalg.norm(first, axis=1), np.linalg.norm(second, axis=1)
    turned = linear[:, 0, 0] * linear[:, 1, 1] - linear[:, 0, 1] * linear[:, 1, 0]
    both = np.maximum(one * two, 1e-12)
    shear = np.abs((first * second).sum(axis=1)) / both
    ratio = one / np.maximum(two, 1e-12)
    return np.asarray((turned > 0) & (shear < slack) & (ratio > 0.7) & (ratio < 1.45), np.bool_)


def _is_plausible(homography: Matrix, at: Floats, reach: float) -> bool:
    """Tell whether a homography keeps shapes about as a camera does."""
    points = at + 0.1 * reach * np.array([[0, 0], [1, 0], [0, 1]])
    carried = cv2.perspectiveTransform(points[None], homography)[0]
    linear = np.array([carried[1] - carried[0], carried[2] - carried[0]]).T[None]
    return bool(_near_similarity(linear, 0.4)[0])
