"""Two readers, one decision: the lattice of crops and the line network score the same strings; doubt is put in numbers.

The strings that either reader proposes are scored by both (n-best rescoring: Ostendorf et al., "Integration of diverse
recognition methodologies through reevaluation of N-best sentence hypotheses", 1991). The confidence is a small logistic
model over what tells right from wrong (Platt, 1999), fitted on strings that tuned nothing else; its weights are on the
network's card.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extractor.acceptance import Table, table_from_card
from extractor.decoding import Path, align_all, best_paths
from extractor.errors import ModelError
from extractor.line_reader import beam_search, best_path, view_log_probabilities
from extractor.segmentation import Lattice

RANKING = ("lattice", "line", "digits", "lattice_root", "line_root", "skipped")
"""What strings are ranked by, see `ranking_features`."""
FEATURES = ("margin", "readers_agree", "worst_digit", "line_margin", "lattice_margin", "skipped")
"""What the confidence is computed from, see `features`."""
PROPOSALS = 8
"""Strings that each reader proposes."""
LEAST = -60.0
"""The line network's log-probability of a string counts no lower than this."""
LEFT_OUT = 0.1
"""To leave out more than this share of the ink is no worse: so much is no digit, but a word, or a cell crossed out."""
CAP = 12.0
"""Margins beyond this say no more."""


@dataclass(frozen=True, slots=True)
class DecisionSettings:
    """What was fitted on open data, from the network's card.

    Attributes:
        ranking: Weights of what strings are ranked by, in the order of `RANKING`.
        intercept: Of the confidence.
        weights: Of the confidence, in the order of `FEATURES`.
        accept: Confidence from which a string is accepted when the user does not say how large an error may be.
        accept_at: Confidences from which a string is accepted, for the errors that a user may accept.
    """

    ranking: tuple[float, ...] = (0.5, 1.0, 0.0, 0.0, 0.0, 0.0)
    intercept: float = 0.0
    weights: tuple[float, ...] = (0.6, 0.5, 0.1, 0.0, 0.0, 0.0)
    accept: float = 0.99
    accept_at: Table = ()

    @classmethod
    def from_card(cls, reading: dict[str, Any]) -> DecisionSettings:
        """Read the settings from the ``reading`` part of a card; what is absent keeps its default.

        Raises:
            ModelError: A setting is no number, or the number of weights is wrong.
        """
        accept_at = table_from_card(reading)
        try:
            values = {name: float(reading[name]) for name in ("intercept", "accept") if name in reading}
            ranking = tuple(float(value) for value in reading.get("ranking", cls().ranking))
            weights = tuple(float(value) for value in reading.get("weights", cls().weights))
        except (TypeError, ValueError) as error:
            raise ModelError(
                "the network's card holds settings that are no numbers", "install or train it again"
            ) from error
        for kind, given, names in (("ranking", ranking, RANKING), ("confidence", weights, FEATURES)):
            if len(given) != len(names):
                raise ModelError(f"the network's card has {len(given)} {kind} weights instead of {len(names)}")
        return cls(**values, ranking=ranking, weights=weights, accept_at=accept_at)


@dataclass(frozen=True, slots=True)
class Decision:
    """What a line says.

    Attributes:
        path: The chosen string with a candidate for each digit.
        confidence: Probability that the whole string is right.
        digit_confidences: For each digit, the probability that it is right.
        alternatives: Other strings with their probabilities, best first.
        features: What the confidence was computed from, in the order of `FEATURES`.
        line: Log-probability of the string by the line network, see `over_views`; nan where nobody asked.
    """

    path: Path
    confidence: float
    digit_confidences: tuple[float, ...]
    alternatives: tuple[tuple[str, float], ...]
    features: tuple[float, ...]
    line: float = math.nan


@dataclass(frozen=True, slots=True)
class Proposals:
    """The strings that either reader proposes for a line, scored by both.

    Attributes:
        paths: A path for each string.
        lattice: Log-probability of each string's path, (N,) float64.
        line: Log-probability of each string by the line network, see `over_views`, (N,) float64; zero without views.
        skipped: Share of the line's ink that each path leaves out, (N,) float64.
        worst: Log-probability of each path's least sure digit, (N,) float64.
    """

    paths: tuple[Path, ...]
    lattice: NDArray[np.float64]
    line: NDArray[np.float64]
    skipped: NDArray[np.float64]
    worst: NDArray[np.float64]


def propose(
    lattice: Lattice,
    scores: NDArray[np.float32],
    views: list[NDArray[np.float32]],
    also: Callable[[Sequence[str]], Sequence[str]] | None = None,
) -> Proposals:
    """Collect and score the strings that either reader proposes.

    Args:
        lattice: N candidates.
        scores: (N, 12) log-probabilities of the crop network.
        views: For each view of the line (T, 11) log-probabilities of the line network; may be empty.
        also: Is given the strings that the readers propose and returns others to be scored.

    Returns:
        At least one string, perhaps the empty one.
    """
    by_lattice = {path.text: path for path in best_paths(lattice, scores, PROPOSALS)}
    texts = dict.fromkeys(by_lattice)
    # Where all views read the same, the others would propose what the first one does.
    agree = len({best_path(steps) for steps in views}) <= 1
    for steps in views[:1] if agree else views:
        texts.update(dict.fromkeys(text for text, _ in beam_search(steps, PROPOSALS)))
    if also is not None:
        texts.update(dict.fromkeys(also(tuple(texts))))
    others = [text for text in texts if text not in by_lattice]
    found = by_lattice | dict(zip(others, align_all(lattice, scores, others), strict=True))
    paths = tuple(path for path in found.values() if path is not None)
    line = np.zeros(len(paths))
    if views:
        strings = [path.text for path in paths]
        line = over_views(view_log_probabilities(views, strings))
    return Proposals(
        paths=paths,
        lattice=np.array([path.score for path in paths]),
        line=line,
        skipped=skipped_shares(paths, lattice),
        worst=_worst_digits(paths, scores),
    )


def over_views(said: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Join what the line network says in several views: the logarithm of the mean probability, `LEAST` at least.

    A digit misread in one view is often read in another; of logarithms, the mean would believe the one that misreads.

    Args:
        said: (V, ...) log-probabilities in V views, at least one.

    Returns:
        (...) float64.
    """
    whole = np.maximum(said.astype(np.float64), LEAST)
    return np.asarray(np.logaddexp.reduce(whole, axis=0) - math.log(len(whole)))


def decide(
    lattice: Lattice,
    scores: NDArray[np.float32],
    views: list[NDArray[np.float32]],
    settings: DecisionSettings,
) -> Decision:
    """Choose the string that both readers together find most probable.

    Args:
        lattice: N candidates.
        scores: (N, 12) log-probabilities of the crop network.
        views: For each view of the line (T, 11) log-probabilities of the line network; may be empty.
        settings: Weights.

    Returns:
        The decision.
    """
    return conclude(propose(lattice, scores, views), scores, settings)


def conclude(proposals: Proposals, scores: NDArray[np.float32], settings: DecisionSettings) -> Decision:
    """Choose among proposals, and say how sure the choice is.

    Args:
        proposals: At least one.
        scores: (N, 12) log-probabilities of the crop network.
        settings: Weights.
    """
    total, order = rank(proposals, settings)
    best = proposals.paths[order[0]]
    found = features(proposals, total, order)
    shares = np.exp(total - np.logaddexp.reduce(total))
    if best.text:
        confidence = logistic(settings.intercept + float(np.dot(settings.weights, found)))
    else:  # The model was fitted on strings; a blank is as sure as its share among all proposals.
        confidence = float(min(max(shares[order[0]], 0.0001), 0.9999))
    rest = [(proposals.paths[index].text, float(shares[index])) for index in order[1:4] if shares[index] >= 0.001]
    # The others share what the confidence leaves, in the proportion of their scores.
    scale = min(1.0, (1 - confidence) / max(sum(share for _, share in rest), 1e-9))
    return Decision(
        path=best,
        confidence=confidence,
        digit_confidences=_digit_confidences(digit_scores(best, scores), confidence),
        alternatives=tuple((text, share * scale) for text, share in rest),
        features=tuple(found),
        line=float(proposals.line[order[0]]),
    )


def rank(proposals: Proposals, settings: DecisionSettings) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Join the scores of both readers.

    Returns:
        The joint score of each string, and the order from the best on.
    """
    total = ranking_features(proposals) @ np.array(settings.ranking)
    return total, np.argsort(-total, kind="stable")


def ranking_features(proposals: Proposals) -> NDArray[np.float64]:
    """Measure what strings are ranked by, (N, 6).

    Returns:
        In the order of `RANKING`: both readers' log-probabilities; the number of digits; the roots of both
        improbabilities, negative, by which a reader that thinks a string impossible says little more than one that
        thinks it unlikely: the crops call a bare 1 a line, the line network drops it beside a frame; and the share of
        the ink that is left out, up to `LEFT_OUT`.
    """
    lengths = np.array([len(path.text) for path in proposals.paths])
    lattice = np.maximum(proposals.lattice, LEAST)
    roots = [-np.sqrt(np.maximum(-scores, 0.0)) for scores in (lattice, proposals.line)]
    return np.column_stack([lattice, proposals.line, lengths, *roots, np.minimum(proposals.skipped, LEFT_OUT)])


def features(proposals: Proposals, total: NDArray[np.float64], order: NDArray[np.intp]) -> list[float]:
    """Measure what tells a right string from a wrong one.

    Args:
        proposals: All strings.
        total: Their joint scores.
        order: Their order.

    Returns:
        In the order of `FEATURES`: the logarithm of its odds against all others together by the joint score; whether
        both readers put it first; the log-probability of its least sure digit; how far the line network and the lattice
        alone put it ahead of the best other string (negative when behind); the share of the ink that it leaves out.
    """

    def ahead(values: NDArray[np.float64]) -> float:
        others = values[order[1:]]
        return float(np.clip(values[order[0]] - others.max(), -CAP, CAP)) if len(others) else CAP

    by_line, by_lattice = ahead(proposals.line), ahead(proposals.lattice)
    agree = float(by_line > 0 and by_lattice > 0)
    best = order[0]
    worst = max(float(proposals.worst[best]), -CAP)
    odds = float(total[best] - np.logaddexp.reduce(total[order[1:]])) if len(order) > 1 else CAP
    return [min(max(odds, -CAP), CAP), agree, worst, by_line, by_lattice, float(proposals.skipped[best])]


def digit_scores(path: Path, scores: NDArray[np.float32]) -> list[float]:
    """Log-probability of each digit of a path by the crop network."""
    return [float(scores[candidate, int(digit)]) for candidate, digit in zip(path.candidates, path.text, strict=True)]


def skipped_ink(path: Path, lattice: Lattice) -> float:
    """Share of the line's ink that a path leaves out."""
    return float(skipped_shares([path], lattice)[0])


def skipped_shares(paths: Sequence[Path], lattice: Lattice) -> NDArray[np.float64]:
    """Share of the line's ink that each path leaves out, (N,)."""
    before = [0, *accumulate(lattice.areas.tolist())]
    shares = np.empty(len(paths))
    for place, path in enumerate(paths):
        # The candidates of a path have no piece in common.
        chosen = (lattice.candidates[index] for index in path.candidates)
        taken = sum(before[item.stop] - before[item.start] for item in chosen)
        shares[place] = (before[-1] - taken) / max(1, before[-1])
    return shares


def _worst_digits(paths: Sequence[Path], scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """Log-probability of each path's least sure digit, 0 for the empty path, (N,)."""
    rows = scores.tolist()
    pairs = (zip(path.candidates, path.text, strict=True) for path in paths)
    return np.array([min((rows[index][int(digit)] for index, digit in steps), default=0.0) for steps in pairs])


def logistic(value: float) -> float:
    """Map log-odds to a probability, kept off 0 and 1: nothing is certain."""
    return min(max(1 / (1 + math.exp(-min(max(value, -30.0), 30.0))), 0.0001), 0.9999)


def _digit_confidences(scores: list[float], confidence: float) -> tuple[float, ...]:
    """Spread the string's doubt over its digits by how sure the crop network is of each; their product equals it."""
    doubts = [min(-score, CAP) + 0.01 for score in scores]
    whole = -math.log(confidence)
    return tuple(math.exp(-whole * doubt / sum(doubts)) for doubt in doubts)
