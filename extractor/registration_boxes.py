"""Lay a scan onto its template by printed boxes: the frame, fields, cells of tables."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from extractor.registration_scan import Grey, Matrix, transform

Floats = NDArray[np.float64]
_MOST_SEEN = 90
_MOST_TRIED = 14
_MOST_VOTING = 50
_KEPT = 6
_PROPORTIONS = 0.35
_SIZES = 0.5


def find_quads(small: Grey) -> Floats:
    """Find four-sided outlines of printed lines, (K, 4, 2), corners in the order of the picture's turning."""
    smooth = cv2.GaussianBlur(small, (3, 3), 0)
    mean = cv2.blur(smooth, (25, 25), borderType=cv2.BORDER_REPLICATE)
    dark = cv2.compare(smooth, cv2.convertScaleAbs(mean, alpha=0.9), cv2.CMP_LT).astype(np.uint8, copy=False)
    # Hair lines break up at this size.
    dark = cv2.morphologyEx(dark, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)).astype(np.uint8, copy=False)
    outlines, _ = cv2.findContours(dark, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    found: list[tuple[float, Floats]] = []
    least = max(9, max(small.shape) // 90)
    for outline in outlines:
        if len(outline) < 4:
            continue
        _, _, width, height = cv2.boundingRect(outline)
        if min(width, height) < least or max(width, height) < 2 * least:
            continue
        hull = cv2.convexHull(outline)
        area = cv2.contourArea(hull)
        if area < least * least:
            continue
        corners = cv2.approxPolyDP(hull, 0.05 * np.sqrt(area), True)
        if len(corners) != 4:
            corners = cv2.approxPolyDP(hull, 0.03 * cv2.arcLength(hull, True), True)
        if len(corners) != 4 or cv2.contourArea(corners) < 0.9 * area:
            continue
        # What is hollow and four-sided is a box; a hull around loose strokes is not.
        if abs(cv2.contourArea(outline)) < 0.75 * area:
            continue
        found.append((area, corners.reshape(4, 2).astype(np.float64)))
    found.sort(key=lambda item: -item[0])
    kept: list[tuple[float, Floats]] = []
    for area, quad in found:
        middle = quad.mean(axis=0)
        # The inner and the outer outline of one line are one box.
        if any(size < 1.6 * area and np.abs(middle - other.mean(axis=0)).max() < 3 for size, other in kept):
            continue
        kept.append((area, quad))
        if len(kept) == _MOST_SEEN:
            break
    return np.array([_turning(quad) for _, quad in kept]).reshape(-1, 4, 2)


def _turning(quad: Floats) -> Floats:
    """Corners in the order in which the picture's x axis turns towards its y axis, as top left, top right and so on."""
    across, down = quad[1] - quad[0], quad[2] - quad[1]
    return quad if across[0] * down[1] - across[1] * down[0] > 0 else quad[::-1]


def by_boxes(small: Grey, boxes: Floats) -> list[Matrix]:
    """Propose homographies from template pixels to a small picture by the boxes that both have.

    One box of the template laid onto one of the picture gives an affine map; the boxes that come to lie on boxes of
    their size then vote for it, and those of the best maps give the homographies.

    Args:
        small: The picture.
        boxes: Left, top, right, bottom in template pixels, (K, 4), the largest first.
    """
    quads = find_quads(small)
    if len(boxes) < 2 or len(quads) < 2:
        return []
    corners = boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2)
    maps, origins = _affine_maps(corners[:_MOST_TRIED], quads)
    if not len(maps):
        return []
    corners = corners[:_MOST_VOTING]
    proposals = []
    votes = [_votes(maps[k : k + 200], origins[k : k + 200], corners, quads) for k in range(0, len(maps), 200)]
    for best in np.argsort(-np.concatenate(votes), kind="stable")[:_KEPT]:
        homography = _agreed(np.vstack((maps[best], (0, 0, 1))), origins[best], corners, quads)
        if homography is not None:
            proposals.append(homography)
    return proposals


def _affine_maps(corners: Floats, quads: Floats) -> tuple[Floats, Floats]:
    """Maps (N, 2, 3) that carry a box onto a quadrilateral of like proportions, and the box's middle (N, 2)."""
    maps, origins = [], []
    sides = 0.5 * (
        np.linalg.norm(quads - np.roll(quads, -1, axis=1), axis=2)
        + np.linalg.norm(np.roll(quads, -2, axis=1) - np.roll(quads, -3, axis=1), axis=2)
    )
    for box in corners:
        width, height = box[2] - box[0]
        design = np.linalg.pinv(np.column_stack((box, np.ones(4))))
        for turn in range(4):
            one, two = sides[:, turn], sides[:, (turn + 1) % 4]
            alike = np.abs(np.log(one / two * (height / width))) < _PROPORTIONS
            if alike.any():
                targets = np.roll(quads[alike], -turn, axis=1)
                maps.append(np.einsum("ij,njk->nki", design, targets))
                origins.append(np.repeat(box.mean(axis=0)[None], len(targets), axis=0))
    if not maps:
        return np.zeros((0, 2, 3)), np.zeros((0, 2))
    return np.concatenate(maps), np.concatenate(origins)


def _votes(maps: Floats, origins: Floats, corners: Floats, quads: Floats) -> Floats:
    """How many boxes of the template come to lie on boxes of the picture under each map, (N,)."""
    middles = corners.mean(axis=1)
    carried = np.einsum("nij,kj->nki", maps[:, :, :2], middles) + maps[:, None, :, 2]
    distance = np.linalg.norm(carried[:, :, None] - quads.mean(axis=1), axis=3)
    growth = np.sqrt(np.abs(np.linalg.det(maps[:, :, :2])))
    # A map that is right for one box is less so the farther away it is used.
    away = np.linalg.norm(middles - origins[:, None], axis=2) * growth[:, None]
    area = np.prod(corners[:, 2] - corners[:, 0], axis=1) * (growth**2)[:, None]
    sizes = np.array([cv2.contourArea(quad.astype(np.float32)) for quad in quads])
    alike = np.abs(np.log(area[:, :, None] / sizes)) < _SIZES
    hits = (distance < (4 + 0.08 * away)[:, :, None]) & alike
    closeness = np.where(hits, 1 - 0.5 * distance / (4 + 0.08 * away)[:, :, None], 0)
    return np.asarray(closeness.max(axis=2).sum(axis=1), np.float64)


def _agreed(homography: Matrix, origin: Floats, corners: Floats, quads: Floats) -> Matrix | None:
    """Fit a homography to the boxes that agree with a map; the nearest ones first, then all."""
    reach = np.linalg.norm(corners.mean(axis=1) - origin, axis=1)
    for share, slack in ((0.35, 0.08), (0.7, 0.05), (1.0, 0.03), (1.0, 0.02)):
        near = corners[reach <= np.quantile(reach, share)]
        carried = transform(homography, near)
        distance = np.abs(
            carried[:, None] - np.stack([np.roll(quads, -turn, axis=1) for turn in range(4)], axis=1).reshape(-1, 4, 2)
        ).max(axis=(2, 3))
        best = distance.argmin(axis=1)
        away = np.linalg.norm(carried.mean(axis=1) - transform(homography, origin[None]), axis=1)
        hits = distance[np.arange(len(near)), best] < 5 + slack * away
        if np.count_nonzero(hits) < 2:
            continue
        target = np.stack([np.roll(quads, -turn, axis=1) for turn in range(4)], axis=1).reshape(-1, 4, 2)[best[hits]]
        source, target = near[hits].reshape(-1, 2), target.reshape(-1, 2)
        if np.count_nonzero(hits) < 4:
            affine, _ = cv2.estimateAffine2D(source, target, ransacReprojThreshold=4.0)
            found = None if affine is None else np.vstack((affine, (0, 0, 1)))
        else:
            found, _ = cv2.findHomography(source, target, cv2.RANSAC, 4.0)
        if found is not None:
            homography = np.asarray(found, np.float64)
    return homography
