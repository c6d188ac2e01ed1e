"""How well a network tells a digit from what is none, when it may lose one digit in a hundred.

The rule: a candidate is rejected when the probabilities of the ten digits sum to less than a threshold. The threshold
is the one at which 99 % of MNIST's validation digits are kept; the candidates that are measured play no part in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from training import datasets, letters, nondigits
from training.evaluate import Interval, wilson_interval
from training.nondigits import Candidates

KEPT = 0.99
"""Share of the validation digits that the rule keeps."""
VALIDATION = 5_000
"""So many of MNIST's training digits, the last, validate: no shipped network learns from them."""
COUNT = 2_000
"""Candidates of each kind that is made, where figures are reported."""
SHOWN_APART = frozenset({"halves seen alone", "letters like digits"})
"""Kinds that a person without the rest of the page takes for digits too: reported, but not part of the whole."""
LETTERS = "letters_hw62.npz"


class CandidateClassifier(Protocol):
    """A network that may say of a candidate that it is no digit."""

    def candidate_log_probabilities(
        self, crops: NDArray[np.uint8], context: NDArray[np.uint8], geometry: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Classify candidates with their surroundings; see `extractor.classifier.Classifier.log_probabilities`."""
        ...


@dataclass(frozen=True, slots=True)
class KindScore:
    """How one kind of non-digit fares.

    Attributes:
        count: Candidates of it.
        rejected: Share of them that the rule rejects.
        interval: Its 95 % Wilson interval.
    """

    count: int
    rejected: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class Rejection:
    """What the rule does.

    Attributes:
        threshold: A candidate is rejected when the probabilities of the ten digits sum to less.
        kept_validation: Share of the validation digits that are kept, by the choice of the threshold at least `KEPT`.
        kept_test: Share of the test digits that are kept.
        kept_interval: Its 95 % Wilson interval.
        kinds: Each kind that counts.
        overall: All of them together, every candidate counting the same.
        apart: Kinds that are reported but do not count, see `SHOWN_APART`.
    """

    threshold: float
    kept_validation: float
    kept_test: float
    kept_interval: Interval
    kinds: Mapping[str, KindScore]
    overall: KindScore
    apart: Mapping[str, KindScore]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


def measure(classifier: CandidateClassifier, data: Path | None, count: int) -> Rejection:
    """Measure a network on digits and non-digits that it has not learnt from.

    Args:
        classifier: The network.
        data: MNIST, or a folder of data sets with it, as in `training.datasets.load_training`; letters are measured
            when the folder has ``letters/letters_hw62.npz``.
        count: Candidates of each kind that is made.

    Raises:
        DatasetError: A data set is absent or damaged.
    """
    digits = datasets.load_training(data)
    validation = digits.train.x[-min(VALIDATION, max(1, len(digits.train) // 2)) :]
    made = nondigits.from_digits(digits.test.x, count)
    path = letters_beside(data)
    if path is not None:
        made |= nondigits.from_letters(*letters.load(path))

    def shares(found: Candidates) -> NDArray[np.float64]:
        return digit_share(classifier.candidate_log_probabilities(found.crops, found.context, found.geometry))

    kept = [shares(nondigits.alone(x)) for x in (validation, digits.test.x)]
    return score(kept[0], kept[1], {name: shares(found) for name, found in made.items()})


def letters_beside(data: Path | None) -> Path | None:
    """Return the file of letters in a folder of data sets, if it is there.

    Args:
        data: The folder, or MNIST's file in it.
    """
    if data is None:
        return None
    path = (data if data.is_dir() else data.parent.parent) / "letters" / LETTERS
    return path if path.is_file() else None


def score(
    validation: NDArray[np.float64], test: NDArray[np.float64], said: Mapping[str, NDArray[np.float64]]
) -> Rejection:
    """Choose the threshold on the validation digits, and count what it does to the others.

    Args:
        validation: (V,) what `digit_share` gives for validation digits.
        test: (T,) for test digits.
        said: For the candidates of each kind.
    """
    threshold = float(np.sort(validation)[int(len(validation) * (1 - KEPT))])
    rejected = {name: shares < threshold for name, shares in said.items()}
    kept = int((test >= threshold).sum())
    counted = {name: mask for name, mask in rejected.items() if name not in SHOWN_APART}
    return Rejection(
        threshold=threshold,
        kept_validation=float((validation >= threshold).mean()),
        kept_test=kept / len(test),
        kept_interval=wilson_interval(kept, len(test)),
        kinds={name: _kind_score(mask) for name, mask in counted.items()},
        overall=_kind_score(np.concatenate(list(counted.values()))),
        apart={name: _kind_score(mask) for name, mask in rejected.items() if name in SHOWN_APART},
    )


def digit_share(log_probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the probability that each candidate is a digit, whichever.

    Args:
        log_probabilities: (N, C) natural logarithms, the ten digits first.

    Returns:
        (N,) float64 in [0, 1].
    """
    return np.asarray(np.exp(log_probabilities[:, :10].astype(np.float64)).sum(axis=1))


def to_text(rejection: Rejection) -> str:
    """Describe a measurement to a person."""
    rows = {**rejection.kinds, "all of these": rejection.overall}
    lines = [
        f"non-digits rejected (P(digit) < {rejection.threshold:.4f} keeps {rejection.kept_validation:.2%} of the "
        f"validation digits, {rejection.kept_test:.2%} of the test digits):",
        *_rows(rows),
    ]
    if rejection.apart:
        lines += ["  taken for digits by people too, not counted:", *_rows(rejection.apart)]
    return "\n".join(lines)


def _rows(scores: Mapping[str, KindScore]) -> list[str]:
    return [
        f"  {name:20} {item.count:6d} {item.rejected:9.2%}   "
        f"(95 % interval {item.interval.low:.2%} to {item.interval.high:.2%})"
        for name, item in scores.items()
    ]


def _kind_score(rejected: NDArray[np.bool_]) -> KindScore:
    count, hits = len(rejected), int(rejected.sum())
    return KindScore(count, hits / count, wilson_interval(hits, count))
