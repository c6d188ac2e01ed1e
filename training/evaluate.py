"""How well a network reads isolated digits, and how far its confidence can be trusted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from training.datasets import Digits

ERROR_LEVELS = (0.01, 0.005, 0.001)
"""Shares of wrong digits among the accepted ones at which the read rate is reported."""

CALIBRATION_BINS = 15
"""Bins of equal width, as is customary for the expected calibration error (Guo et al., 2017)."""


class DigitClassifier(Protocol):
    """Anything that gives crops probabilities."""

    def log_probabilities(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Classify crops in MNIST's format.

        Args:
            crops: (N, 28, 28) uint8, ink 255 on paper 0.

        Returns:
            (N, C) float32, natural logarithms; the first ten columns are the digits, further ones say "no digit".
        """
        ...


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval of a share, 0 to 1."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class DigitScore:
    """How one digit fares.

    Attributes:
        digit: 0 to 9.
        count: Images of it.
        recall: Share of them that were read as it.
        precision: Share of what was read as it that is it.
    """

    digit: int
    count: int
    recall: float
    precision: float


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Readings of about the same confidence.

    Attributes:
        count: How many.
        confidence: Their mean confidence.
        accuracy: The share of them that is right.
    """

    count: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class ReadRate:
    """How much can be accepted unseen at a given error.

    Attributes:
        error: Allowed share of wrong digits among the accepted ones.
        rate: Largest share of the images that can be accepted, most confident first.
        threshold: The confidence from which on they are accepted; 1 when none is.
    """

    error: float
    rate: float
    threshold: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was measured on one set.

    Attributes:
        count: Images.
        correct: Images read right, the ten digits compared with each other only.
        accuracy: Their share.
        interval: Its 95 % Wilson interval.
        loss: Mean negative log-probability of the right digit.
        not_a_digit: Share of the images for which an output beyond the ten digits was the likeliest; 0 for networks
            without such outputs.
        per_class: The ten digits.
        confusion: 10 rows of 10 counts: row the truth, column the reading.
        ece: Expected calibration error.
        calibration: The bins behind it, by rising confidence; empty bins are left out.
        read_rates: At 1 %, 0.5 % and 0.1 % error.
    """

    count: int
    correct: int
    accuracy: float
    interval: Interval
    loss: float
    not_a_digit: float
    per_class: tuple[DigitScore, ...]
    confusion: tuple[tuple[int, ...], ...]
    ece: float
    calibration: tuple[CalibrationBin, ...]
    read_rates: tuple[ReadRate, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


def evaluate(classifier: DigitClassifier, digits: Digits) -> Evaluation:
    """Measure a network on a set of digits.

    Args:
        classifier: The network.
        digits: At least one image.
    """
    return score(classifier.log_probabilities(digits.x), digits.y)


def score(log_probabilities: NDArray[np.float32], labels: NDArray[np.uint8]) -> Evaluation:
    """Measure what a network said.

    Args:
        log_probabilities: (N, C) with C of at least ten.
        labels: (N,) digits.
    """
    probabilities = digit_probabilities(log_probabilities)
    readings = probabilities.argmax(axis=1)
    confidences = probabilities.max(axis=1)
    right = readings == labels
    confusion = np.zeros((10, 10), np.int64)
    np.add.at(confusion, (labels, readings), 1)
    chosen = probabilities[np.arange(len(labels)), labels]
    bins = calibration_bins(confidences, right)
    return Evaluation(
        count=len(labels),
        correct=int(right.sum()),
        accuracy=float(right.mean()),
        interval=wilson_interval(int(right.sum()), len(labels)),
        loss=float(-np.log(np.maximum(chosen, 1e-12)).mean()),
        not_a_digit=float((log_probabilities.argmax(axis=1) >= 10).mean()),
        per_class=tuple(_digit_score(confusion, digit) for digit in range(10)),
        confusion=tuple(tuple(int(value) for value in row) for row in confusion),
        ece=sum(item.count * abs(item.accuracy - item.confidence) for item in bins) / len(labels),
        calibration=bins,
        read_rates=tuple(read_rate(confidences, right, error) for error in ERROR_LEVELS),
    )


def digit_probabilities(log_probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the probabilities of the ten digits, given that it is one of them.

    Args:
        log_probabilities: (N, C) with C of at least ten.

    Returns:
        (N, 10) float64; rows sum to 1.
    """
    digits = log_probabilities[:, :10].astype(np.float64)
    probabilities = np.exp(digits - digits.max(axis=1, keepdims=True))
    return np.asarray(probabilities / probabilities.sum(axis=1, keepdims=True))


def wilson_interval(successes: int, count: int, z: float = 1.959964) -> Interval:
    """Return the Wilson score interval of a share (Wilson, 1927).

    Args:
        successes: Of `count` trials.
        count: At least one.
        z: Quantile of the normal distribution; 1.96 for 95 %.
    """
    share = successes / count
    spread = z * math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    middle, scale = share + z**2 / (2 * count), 1 + z**2 / count
    low = 0.0 if successes == 0 else (middle - spread) / scale
    high = 1.0 if successes == count else (middle + spread) / scale
    return Interval(low, high)


def calibration_bins(
    confidences: NDArray[np.float64], right: NDArray[np.bool_], bins: int = CALIBRATION_BINS
) -> tuple[CalibrationBin, ...]:
    """Group readings by confidence.

    Args:
        confidences: (N,) in [0, 1].
        right: (N,) whether the reading is right.
        bins: How many of equal width.

    Returns:
        By rising confidence; empty bins are left out.
    """
    places = np.minimum((confidences * bins).astype(np.int64), bins - 1)
    return tuple(
        CalibrationBin(int(inside.sum()), float(confidences[inside].mean()), float(right[inside].mean()))
        for place in range(bins)
        if (inside := places == place).any()
    )


def reject_curve(
    confidences: NDArray[np.float64], right: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Trade rejected readings for wrong ones: reject the least confident first.

    Args:
        confidences: (N,) in [0, 1].
        right: (N,) whether the reading is right.

    Returns:
        Three arrays by falling threshold, one place for each different confidence: the threshold, the share accepted
        at it, and the share of wrong readings among the accepted.
    """
    order = np.argsort(-confidences, kind="stable")
    falling = confidences[order]
    accepted = np.arange(1, len(order) + 1)
    wrong = np.cumsum(~right[order])
    # Readings of equal confidence are accepted or rejected together.
    last = np.append(falling[1:] != falling[:-1], True)
    return falling[last], accepted[last] / len(order), wrong[last] / accepted[last]


def read_rate(confidences: NDArray[np.float64], right: NDArray[np.bool_], error: float) -> ReadRate:
    """Find the lowest threshold at which the accepted readings are wrong no more often than allowed.

    Args:
        confidences: (N,) in [0, 1].
        right: (N,) whether the reading is right.
        error: Allowed share of wrong readings among the accepted.
    """
    thresholds, accepted, errors = reject_curve(confidences, right)
    allowed = np.flatnonzero(errors <= error)
    if len(allowed) == 0:
        return ReadRate(error, 0.0, 1.0)
    return ReadRate(error, float(accepted[allowed[-1]]), float(thresholds[allowed[-1]]))


def worst_first(probabilities: NDArray[np.float64], labels: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Return where the misread digits are, those that the network was surest about first.

    Args:
        probabilities: (N, 10).
        labels: (N,) digits.
    """
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != labels)
    return wrong[np.argsort(-probabilities[wrong].max(axis=1), kind="stable")]


def to_text(name: str, evaluation: Evaluation) -> str:
    """Describe an evaluation to a person.

    Args:
        name: Of the set.
        evaluation: What was measured on it.
    """
    interval = evaluation.interval
    lines = [
        f"{name}: {evaluation.accuracy:.2%} of {evaluation.count} digits read right "
        f"(95 % interval {interval.low:.2%} to {interval.high:.2%})",
        f"  calibration error (ECE) {evaluation.ece:.4f}, loss {evaluation.loss:.4f}",
    ]
    if evaluation.not_a_digit:
        lines.append(f"  taken for no digit: {evaluation.not_a_digit:.2%}")
    lines.extend(
        f"  accepted at {rate.error:.1%} error: {rate.rate:.2%} (confidence from {rate.threshold:.4f})"
        for rate in evaluation.read_rates
    )
    lines += ["  digit    count   recall  precision"]
    lines.extend(
        f"  {item.digit:5d} {item.count:8d} {item.recall:8.2%} {item.precision:10.2%}" for item in evaluation.per_class
    )
    lines += ["  confusion, row the truth, column the reading:", *_table(evaluation.confusion)]
    return "\n".join(lines)


def _table(confusion: Sequence[Sequence[int]]) -> list[str]:
    width = max(len(str(value)) for row in confusion for value in row) + 1
    head = "     " + "".join(f"{digit:{width}d}" for digit in range(10))
    return [head, *(f"  {digit:2d} " + "".join(f"{v:{width}d}" for v in row) for digit, row in enumerate(confusion))]


def _digit_score(confusion: NDArray[np.int64], digit: int) -> DigitScore:
    hits, count, read = confusion[digit, digit], confusion[digit].sum(), confusion[:, digit].sum()
    return DigitScore(digit, int(count), float(hits / count) if count else 0.0, float(hits / read) if read else 0.0)
