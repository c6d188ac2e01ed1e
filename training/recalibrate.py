"""Fits the decision settings again on few strings, starting from those that many strings have given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from extractor.decision import DecisionSettings, features, logistic, rank
from training.calibrate import Observation, accept_table, choose_weights, logistic_regression, threshold

LEAST_SPREAD = 0.05
"""Standard deviation of a feature under which it counts as no larger than this."""


def recalibrate(observations: Sequence[Observation], base: DecisionSettings) -> DecisionSettings:
    """Fit the readers' weights, the confidence and the confidence from which strings are accepted.

    Both fits are drawn to the base settings with the weight of about one string, so that a handful of strings moves
    them little. The confidence is fitted on what weights chosen on the other half say (cross-fitting).

    Args:
        observations: Strings that the network did not learn from.
        base: Settings of the network that was fine-tuned; they are kept when there are no strings.

    Returns:
        The settings of the fine-tuned network.
    """
    if len(observations) < 2:
        return base
    halves = list(observations[::2]), list(observations[1::2])
    rows, outcomes = [], []
    for fitted_on, judged in (halves, halves[::-1]):
        weights = choose_weights(fitted_on, base)
        for item in judged:
            total, order = rank(item.proposals, weights)
            rows.append(features(item.proposals, total, order))
            outcomes.append(item.proposals.paths[order[0]].text == item.text)
    x, y = np.array(rows), np.array(outcomes, np.float64)
    # What hardly varies among these strings must not be given a weight without bounds.
    scale = np.maximum(x.std(axis=0), LEAST_SPREAD)
    prior = np.concatenate([[base.intercept], np.array(base.weights) * scale])
    solution = logistic_regression(x / scale, y, prior)
    fitted = tuple(float(value) for value in solution[1:] / scale)
    confidence = np.array([logistic(float(solution[0]) + float(np.dot(fitted, row))) for row in x])
    return replace(
        choose_weights(list(observations), base),
        intercept=float(solution[0]),
        weights=fitted,
        accept=threshold(confidence),
        accept_at=accept_table(confidence),
    )
