"""Few strings move the settings little; many strings settle them."""

from __future__ import annotations

import numpy as np

from extractor.decision import FEATURES, DecisionSettings, Proposals, features, logistic, rank
from extractor.decoding import Path
from training.calibrate import Observation
from training.recalibrate import recalibrate

BASE = DecisionSettings(intercept=1.0)


def observed(count: int, wrong: float, seed: int = 0) -> list[Observation]:
    """Strings of two proposals; the wider the margin, the likelier is the first one the truth."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        margin = rng.exponential(4)
        truth = "22" if rng.random() < 2 * wrong * np.exp(-margin / 3) else "11"
        proposals = Proposals(
            paths=(Path("11", -1.0, (0, 1)), Path("22", -1.0 - margin, (0, 1))),
            lattice=np.array([-1.0, -1.0 - margin]),
            line=np.array([-1.0, -1.0 - margin]),
            skipped=np.zeros(2),
            worst=np.array([-0.2, -1.0 - margin / 2]),
        )
        found.append(Observation("labels", truth, proposals))
    return found


def confidences(settings: DecisionSettings, items: list[Observation]) -> np.ndarray:
    found = []
    for item in items:
        total, order = rank(item.proposals, settings)
        row = features(item.proposals, total, order)
        found.append(logistic(settings.intercept + float(np.dot(settings.weights, row))))
    return np.array(found)


def test_without_strings_the_settings_stay():
    assert recalibrate([], BASE) == BASE
    assert recalibrate(observed(1, 0.2), BASE) == BASE


def test_many_strings_make_the_confidence_honest():
    settings = recalibrate(observed(1500, 0.4), BASE)
    fresh = observed(1500, 0.4, seed=1)
    right = np.mean([item.text == "11" for item in fresh])
    assert abs(confidences(settings, fresh).mean() - right) < 0.06
    assert abs(confidences(BASE, fresh).mean() - right) > 0.12
    assert len(settings.weights) == len(FEATURES)


def test_a_handful_of_strings_moves_the_confidence_less_than_many():
    fresh = observed(300, 0.4, seed=1)
    base = confidences(BASE, fresh)
    few, many = (np.abs(confidences(recalibrate(observed(n, 0.4), BASE), fresh) - base).mean() for n in (6, 1500))
    assert few < many


def test_the_threshold_stays_high():
    sure, unsure = (recalibrate(observed(400, wrong), BASE).accept for wrong in (0.01, 0.5))
    assert 0.9 <= sure < unsure


def test_features_that_never_vary_get_no_weight_without_bounds():
    settings = recalibrate(observed(200, 0.4), BASE)
    assert max(abs(weight) for weight in settings.weights) < 10


def test_what_few_strings_have_in_common_by_chance_is_hardly_believed():
    settled = recalibrate(observed(3000, 0.4), BASE)
    fresh = observed(300, 0.4, seed=1)
    before = confidences(settled, fresh)
    for seed in range(2, 12):
        after = confidences(recalibrate(observed(60, 0.4, seed=seed), settled), fresh)
        assert np.corrcoef(before, after)[0, 1] > 0.98, "few strings may say how sure to be, not of which strings"
