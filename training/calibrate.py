"""Fits what turns two readers' scores into one decision and an honest confidence, on labelled pictures of strings.

Nothing of a network is trained here: the readers' weights, a logistic model (Platt, 1999), the confidence from
which a string is accepted. The confidence is fitted on strings that are read by weights which other strings chose.

    python -m training.calibrate NETWORK FOLDER [FOLDER ...] [--corrections benchmarks/corrections.jsonl]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from extractor.acceptance import Table
from extractor.decision import (
    FEATURES,
    DecisionSettings,
    Proposals,
    features,
    logistic,
    propose,
    rank,
    ranking_features,
)
from extractor.documents import load_page
from extractor.network import CARD
from extractor.reader import Reader
from training.files import write_text
from training.labels import load_corrections

MAX_WRONG = 0.005
"""Largest share of wrong strings to be expected among the accepted ones."""
ERRORS = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05)
"""Errors that a user may accept, and between which may be interpolated."""
LEAST_ACCEPTED = 20
"""Fewer strings say nothing about an error on average."""
RIDGE = 1.0
"""Penalty on the logistic models' weights, in units of one observation."""
HELD = 10.0
"""The same on the weights of the readers, where a few strings choose them and many have before."""
FIRMLY_HELD = 30.0
"""The same on the weights of the confidence: of a few strings hardly any is wrong, and one that was not foreseen would
turn them about."""
FREE = 0.03
"""Where many strings choose the weights of the readers, these are hardly held to where the search begins."""
BOUNDS = np.array([(0, 0, -np.inf, 0, 0, -np.inf), (np.inf, np.inf, np.inf, np.inf, np.inf, 0)])
"""Of the weights of `extractor.decision.RANKING`: no reader may speak for a string by thinking it improbable."""
_LEAST_SPREAD_OF_FEW = 0.3
"""Standard deviation of a feature of few strings under which it counts as no larger than this: what hardly varies among
them must not be given a weight without bounds."""
_LEAST_SPREAD = 0.05
"""Standard deviation of a feature under which it counts as no larger than this, where strings are ranked."""


@dataclass(frozen=True, slots=True)
class Observation:
    """One labelled string.

    Attributes:
        group: The set that it comes from.
        text: What is written.
        proposals: What the readers propose.
    """

    group: str
    text: str
    proposals: Proposals


def observe(
    reader: Reader, folders: Sequence[Path], limit: int | None = None, corrections: Path | None = None
) -> list[Observation]:
    """Let both readers look at all labelled strings.

    Args:
        reader: With the network to be calibrated.
        folders: Each with ``labels.jsonl``; pictures of one line are used.
        limit: Pictures of each folder at most, drawn at random.
        corrections: Labels that are wrong, see `training.labels.load_corrections`: where the readers are sure, a few of
            them decide how sure they may be.
    """
    seen: list[Observation] = []
    for folder in folders:
        corrected = {} if corrections is None else load_corrections(corrections, folder.name)
        rows = [json.loads(line) for line in (folder / "labels.jsonl").read_text(encoding="utf-8").splitlines()]
        rows = [row for row in rows if len(row["lines"]) == 1]
        order = np.random.default_rng(0).permutation(len(rows))[:limit]
        for index in order:
            row = rows[index]
            (text,) = corrected.get(row["file"], row["lines"])
            evidence = reader.evidence(load_page(folder / row["file"], 1))
            if evidence is not None:
                found = propose(evidence.lattice, evidence.scores, list(evidence.views))
                seen.append(Observation(folder.name, text, found))
    return seen


def choose_weights(
    observations: Sequence[Observation], settings: DecisionSettings, ridge: float = RIDGE
) -> DecisionSettings:
    """Fit how much each reader and each digit count, so that right strings come first among the proposals.

    Args:
        observations: Strings that choose; those whose truth is not among the proposals teach nothing.
        settings: Where the search begins, and what is kept otherwise.
        ridge: Penalty on going away from there.
    """
    cases = [case for case in map(ranking_case, observations) if case is not None]
    if not cases:
        return settings
    weights = conditional_logit(cases, np.array(settings.ranking), ridge, BOUNDS)
    return replace(settings, ranking=tuple(weights.tolist()))


def ranking_case(item: Observation) -> tuple[NDArray[np.float64], int] | None:
    """Measure the proposals for a string, (N, 6), and find the row of the truth; None where nobody proposes it."""
    right = [index for index, path in enumerate(item.proposals.paths) if path.text == item.text]
    return (ranking_features(item.proposals), right[0]) if right else None


def conditional_logit(
    cases: Sequence[tuple[NDArray[np.float64], int]],
    start: NDArray[np.float64],
    ridge: float,
    bounds: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Fit weights by which one row of each case comes first, by Newton's method within bounds.

    A conditional logistic model: McFadden, "Conditional Logit Analysis of Qualitative Choice Behavior", 1974.

    Args:
        cases: At least one: rows (N, D), and the number of the one to come first.
        start: Where the search begins, (D,).
        ridge: Penalty on going away from there, with every column at a spread of one within its cases.
        bounds: Least and greatest weight of each column, (2, D).

    Returns:
        The weights, (D,).
    """
    spread = np.concatenate([rows - rows.mean(axis=0) for rows, _ in cases]).std(axis=0)
    scale = np.maximum(spread, _LEAST_SPREAD)
    begin = start * scale
    weights = begin.copy()
    for _ in range(50):
        gradient = ridge * (weights - begin)
        curvature = np.eye(len(weights)) * ridge
        for rows, right_row in cases:
            scaled = rows / scale
            scores = scaled @ weights
            chance = np.exp(scores - scores.max())
            chance /= chance.sum()
            mean = chance @ scaled
            gradient += mean - scaled[right_row]
            curvature += (scaled.T * chance) @ scaled - np.outer(mean, mean)
        step = np.clip(np.linalg.solve(curvature, gradient), -1, 1)
        before, weights = weights, np.clip(weights - step, *bounds)
        if np.abs(weights - before).max() < 1e-6:
            break
    return np.asarray(weights / scale, np.float64)


def cross_fitted(
    observations: Sequence[Observation], settings: DecisionSettings, ridge: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Read each half of the strings by the weights that the other half chooses.

    Args:
        observations: At least two.
        settings: Where the search for weights begins.
        ridge: Penalty on going away from there.

    Returns:
        What the confidence is computed from, (N, 6), and whether the string that was read is right, (N,), 0 or 1.
    """
    halves = list(observations[::2]), list(observations[1::2])
    rows, outcomes = [], []
    for fitted_on, judged in (halves, halves[::-1]):
        weights = choose_weights(fitted_on, settings, ridge)
        for item in judged:
            total, order = rank(item.proposals, weights)
            rows.append(features(item.proposals, total, order))
            outcomes.append(item.proposals.paths[order[0]].text == item.text)
    return np.array(rows), np.array(outcomes, np.float64)


def fit(observations: Sequence[Observation], base: DecisionSettings | None = None) -> DecisionSettings:
    """Fit the readers' weights, the confidence, and the confidence from which strings are accepted.

    The confidence is fitted on strings read by weights that other strings chose (cross-fitting), the weights on all.

    Args:
        observations: At least two strings that the network did not learn from.
        base: What few strings stay near to; many need none.
    """
    start, ridge, least_spread = DecisionSettings(), FREE, 1e-6
    if base is not None:
        start, ridge, least_spread = base, HELD, _LEAST_SPREAD_OF_FEW
    x, y = cross_fitted(observations, start, ridge)
    scale = np.maximum(x.std(axis=0), least_spread)
    prior = None if base is None else np.concatenate([[base.intercept], np.array(base.weights) * scale])
    solution = logistic_regression(x / scale, y, prior)
    intercept, weights = float(solution[0]), tuple(float(value) for value in solution[1:] / scale)
    confidence = np.array([logistic(intercept + float(np.dot(weights, row))) for row in x])
    return replace(
        choose_weights(observations, start, ridge),
        intercept=intercept,
        weights=weights,
        accept=threshold(confidence),
        accept_at=accept_table(confidence),
    )


def logistic_regression(
    x: NDArray[np.float64], y: NDArray[np.float64], prior: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Ridge logistic regression by Newton's method.

    Args:
        x: (N, D).
        y: (N,), 0 or 1.
        prior: Intercept and weights that the solution is drawn to, (1 + D,), firmly so the weights: how often strings
            are wrong, a few tell, but not by what. Weights of zero, and any intercept, when None.

    Returns:
        The intercept and one weight a column, (1 + D,).
    """
    design = np.column_stack([np.ones(len(x)), x])
    first, others = (1e-6, RIDGE) if prior is None else (RIDGE, FIRMLY_HELD)
    ridge = np.diag([first] + [others] * x.shape[1])
    if prior is None:
        prior = np.zeros(design.shape[1])
    solution = prior.copy()
    for _ in range(50):
        probability = 1 / (1 + np.exp(-np.clip(design @ solution, -30, 30)))
        gradient = design.T @ (probability - y) + ridge @ (solution - prior)
        curvature = (design * (probability * (1 - probability))[:, None]).T @ design + ridge
        # Where all probabilities are saturated the curvature says too little: an unbounded step would not come back.
        step = np.clip(np.linalg.solve(curvature, gradient), -1, 1)
        solution -= step
        if np.abs(step).max() < 1e-8:
            break
    return solution


def threshold(confidence: NDArray[np.float64]) -> float:
    """The lowest confidence above which at most `MAX_WRONG` of the strings are to be expected wrong; never under 0.9.

    What is expected comes from the confidences themselves: at this end so few strings decide that a handful of wrong
    labels would.
    """
    ranked = np.sort(confidence)[::-1]
    expected = np.cumsum(1 - ranked) / np.arange(1, len(ranked) + 1)
    fine = np.flatnonzero(expected <= MAX_WRONG)
    return float(max(0.9, ranked[fine[-1]])) if fine.size else 0.999


def accept_table(confidence: NDArray[np.float64]) -> Table:
    """For each of `ERRORS`, the lowest confidence above which no more wrong strings are to be expected.

    As with `threshold`, what is expected comes from the confidences themselves. Where that leaves fewer than
    `LEAST_ACCEPTED` strings, no string is accepted that is not by itself as sure as the error asks.

    Args:
        confidence: Of strings that chose nothing else, (N,).
    """
    ranked = np.sort(confidence)[::-1]
    expected = np.cumsum(1 - ranked) / np.arange(1, len(ranked) + 1)
    accepted = [int(np.searchsorted(expected, error, side="right")) for error in ERRORS]
    return tuple(
        (error, round(float(ranked[count - 1]) if count >= LEAST_ACCEPTED else 1 - error, 6))
        for error, count in zip(ERRORS, accepted, strict=True)
    )


def calibrate(
    network: Path, folders: Sequence[Path], limit: int | None = None, corrections: Path | None = None
) -> DecisionSettings:
    """Fit and write the decision settings on a network's card.

    Args:
        network: Folder of the network.
        folders: Labelled pictures of strings that the network did not learn from.
        limit: Pictures of each folder at most.
        corrections: Labels that are wrong.

    Returns:
        What was fitted.
    """
    observations = observe(Reader(network), folders, limit, corrections)
    settings = fit(observations)
    path = network / CARD
    card = json.loads(path.read_text(encoding="utf-8"))
    card["reading"] = {"temperature": card["reading"].get("temperature", 1.0)} | asdict(settings)
    card["calibrated_on"] = dict(Counter(item.group for item in observations))
    write_text(path, json.dumps(card, indent=2) + "\n")
    return settings


def main() -> None:
    """Calibrate one network from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", type=Path)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--corrections", type=Path)
    options = parser.parse_args()
    settings = calibrate(options.network, options.folders, options.limit, options.corrections)
    named = dict(zip(FEATURES, (round(value, 3) for value in settings.weights), strict=True))
    print(f"{settings}\n{named}", file=sys.stderr)


if __name__ == "__main__":
    main()
