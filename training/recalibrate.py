"""Fits the decision settings again on few strings, starting from those that many strings have given."""

from __future__ import annotations

from collections.abc import Sequence

from extractor.decision import DecisionSettings
from training.calibrate import Observation, fit


def recalibrate(observations: Sequence[Observation], base: DecisionSettings) -> DecisionSettings:
    """Fit the readers' weights, the confidence and the confidence from which strings are accepted.

    Both fits are drawn to the base settings, with the weight of ten and of thirty strings, so that a handful of strings
    moves them little; only how sure to be of all strings alike may change quickly.

    Args:
        observations: Strings that the network did not learn from.
        base: Settings of the network that was fine-tuned; they are kept when there are no strings.

    Returns:
        The settings of the fine-tuned network.
    """
    return fit(observations, base) if len(observations) > 1 else base
