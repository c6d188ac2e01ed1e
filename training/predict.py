"""Reading one picture of one digit: a photograph, a scan, or 28x28 pixels as networks take them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from extractor import normalize, preprocess
from extractor.errors import PageError
from training.datasets import to_mnist_format
from training.evaluate import DigitClassifier, digit_probabilities
from training.files import replacing

NEIGHBOUR = 3.0
"""Pieces of ink within this many stroke widths of each other belong to one digit: a five's bar, a broken stroke."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a network said about one picture.

    Attributes:
        digit: 0 to 9.
        confidence: Probability of that digit, given that it is one.
        not_a_digit: Probability that it is none; None for networks that cannot say so.
        probabilities: Of the ten digits.
        crop: What the network saw, (28, 28) uint8, ink 255 on paper 0.
    """

    digit: int
    confidence: float
    not_a_digit: float | None
    probabilities: tuple[float, ...]
    crop: NDArray[np.uint8]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, without the crop."""
        return {
            "digit": self.digit,
            "confidence": self.confidence,
            "not_a_digit": self.not_a_digit,
            "probabilities": list(self.probabilities),
        }


def predict(classifier: DigitClassifier, crop: NDArray[np.uint8]) -> Prediction:
    """Read one crop.

    Args:
        classifier: The network.
        crop: (28, 28) uint8 in MNIST's format.
    """
    said = classifier.log_probabilities(crop[None])
    probabilities = digit_probabilities(said)[0]
    digit = int(probabilities.argmax())
    others = float(np.exp(said[0, 10:].astype(np.float64)).sum()) if said.shape[1] > 10 else None
    return Prediction(digit, float(probabilities[digit]), others, tuple(float(p) for p in probabilities), crop)


def crop_digit(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Find the one digit of a picture and bring it to MNIST's format.

    A picture of 28x28 pixels is taken for a crop already and only turned to light ink on dark paper; it is normalised
    again if it is not framed as MNIST's are. In a larger picture the digit is the largest group of ink that does not
    touch the edge, or the largest of all when every group does.

    Args:
        image: Grey (H, W) or BGR (H, W, 3) uint8.

    Returns:
        (28, 28) uint8.

    Raises:
        PageError: There is no ink.
    """
    if image.shape[:2] == (28, 28):
        grey = image if image.ndim == 2 else np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)
        if grey.min() == grey.max():
            raise PageError("There is no digit: the picture is blank")
        (crop,), _ = to_mnist_format(grey[None])
        return np.asarray(crop, np.uint8)
    page = preprocess.clean(image)
    if not page.mask.any():
        raise PageError("There is no digit: the picture is blank")
    group = _main_group(page.mask, page.stroke)
    return normalize.to_mnist(np.where(group, page.ink, 0).astype(np.uint8))


def write_crop(crop: NDArray[np.uint8], path: Path) -> None:
    """Write a crop as a PNG.

    Args:
        crop: (28, 28) uint8.
        path: The file.

    Raises:
        StorageError: Writing failed.
    """
    content = cv2.imencode(".png", crop)[1].tobytes()
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def _main_group(mask: NDArray[np.bool_], stroke: float) -> NDArray[np.bool_]:
    """The pixels of the ink group that is the digit."""
    reach = max(1, round(NEIGHBOUR * stroke)) | 1
    joined = cv2.dilate(mask.astype(np.uint8), np.ones((reach, reach), np.uint8))
    count, labels = cv2.connectedComponents(joined, connectivity=8)
    labels = np.where(mask, labels, 0)
    areas = np.bincount(labels.ravel(), minlength=count)
    areas[0] = 0
    edge = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    inner = areas.copy()
    inner[edge] = 0
    main = int((inner if np.any(inner) else areas).argmax())
    return np.equal(labels, main)
