"""Lay a scan onto its reference by features: ORB (Rublee et al. 2011) on small pictures, the homography by MAGSAC++."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from extractor.registration_scan import Grey, Matrix, Scan, transform

_COUNT = 900
_RATIO = 0.85
_TOLERANCE = 3.0
_LEAST_INLIERS = 12


@dataclass(frozen=True, slots=True)
class Features:
    """Features of a picture.

    Attributes:
        points: x and y, (N, 2) float64, in pixels of what the picture was made of.
        descriptors: (N, 32) uint8.
    """

    points: NDArray[np.float64]
    descriptors: NDArray[np.uint8]


def features_of(small: Grey, to_full: Matrix, unwanted: NDArray[np.bool_] | None = None) -> Features:
    """Find the features of a small picture.

    Args:
        small: The picture.
        to_full: Its pixels -> the pixels that the features are given in.
        unwanted: Where none is wanted, (h, w).
    """
    finder = cv2.ORB.create(_COUNT, fastThreshold=10)
    where = None if unwanted is None else np.where(unwanted, 0, 255).astype(np.uint8)
    keys, descriptors = finder.detectAndCompute(small, where)
    if descriptors is None or len(keys) == 0:
        return Features(np.zeros((0, 2)), np.zeros((0, 32), np.uint8))
    points = np.array([key.pt for key in keys], np.float64)
    return Features(transform(to_full, points), descriptors.astype(np.uint8, copy=False))


def by_features(scan: Scan, reference: Features) -> list[Matrix]:
    """Propose the homography from the reference to the small picture of a scan; an empty list when none agrees."""
    seen = features_of(scan.small, np.eye(3))
    if min(len(seen.points), len(reference.points)) < _LEAST_INLIERS:
        return []
    matcher = cv2.BFMatcher(cv2.NORM_HAMMING)
    pairs = matcher.knnMatch(reference.descriptors, seen.descriptors, 2)
    good = [pair[0] for pair in pairs if len(pair) == 2 and pair[0].distance < _RATIO * pair[1].distance]
    if len(good) < _LEAST_INLIERS:
        return []
    source = reference.points[[match.queryIdx for match in good]]
    target = seen.points[[match.trainIdx for match in good]]
    homography, inliers = cv2.findHomography(
        source, target, cv2.USAC_MAGSAC, _TOLERANCE, maxIters=3000, confidence=0.999
    )
    if homography is None or np.count_nonzero(inliers) < _LEAST_INLIERS:
        return []
    return [np.asarray(homography, np.float64)]
