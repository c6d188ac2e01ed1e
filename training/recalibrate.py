"""Fits the decision settings again on few strings, starting from those that many strings have given."""

from __future__ import annotations

from collections.abc import Sequence

from extractor.decision import DecisionSettings
from training.calibrate import Observation, fit

LEAST_SPREAD = 0.3
"""Standard deviation of a feature under which it counts as no larger than this."""


def recalibrate(observations: Sequence[Observation], base: DecisionSettings) -> DecisionSettings:
    """Fit the readers' weights, the confidence and the confidence from which strings are accepted.

    Both fits are drawn to the base settings with the weight of about one string, so that a handful of strings moves
    them little.

    Args:
        observations: Strings that the network did not learn from.
        base: Settings of the network that was fine-tuned; they are kept when there are no strings.

    Returns:
        The settings of the fine-tuned network.
    """
    # What hardly varies among these strings must not be given a weight without bounds.
    return fit(observations, base, LEAST_SPREAD, from_base=True) if len(observations) > 1 else base
