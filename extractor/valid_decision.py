"""The decision where a constraint holds: the best valid string, its probability set against other valid strings only.

People break constraints too: they write a number that does not exist. How often, `BROKEN` says; so a valid string is
believed only as far as what is written does not speak more clearly for one that is not valid.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from extractor.acceptors import Acceptor
from extractor.code_search import best_codes
from extractor.constrained import allowed_in_lattice, allowed_in_steps
from extractor.constraints import Constraint
from extractor.decision import CAP, FEATURES, Decision, DecisionSettings, Proposals, conclude, propose, rank
from extractor.segmentation import Lattice

BROKEN = 0.002
"""Share of numbers on forms that break their constraint."""
_ENOUGH = 2
"""With this many valid strings among what the readers propose by themselves, they are not asked for more."""
_PROPOSED = 4
_UNKNOWN_CHECK = 200
"""Strings looked through for a check digit that the automaton does not know."""


@dataclass(frozen=True, slots=True)
class ValidDecision:
    """What a line says under a constraint.

    Attributes:
        decision: The best valid string; the best of any when no valid one can be read at all.
        is_valid: Whether it satisfies the constraint.
        rival: The best string that does not, when it is the more probable one by itself; else None.
    """

    decision: Decision
    is_valid: bool
    rival: str | None


def decide_valid(
    lattice: Lattice,
    scores: NDArray[np.float32],
    views: list[NDArray[np.float32]],
    settings: DecisionSettings,
    constraint: Constraint,
) -> ValidDecision:
    """Choose the best string that satisfies a constraint.

    Args:
        lattice: N candidates, at least one.
        scores: (N, 12) log-probabilities of the crop network.
        views: For each view of the line (T, 11) log-probabilities of the line network; may be empty.
        settings: Weights.
        constraint: What the number must satisfy.
    """
    acceptor = constraint.acceptor

    def also(texts: Sequence[str]) -> Sequence[str]:
        known = sum(constraint.allows(text) for text in texts)
        if acceptor is None or known >= _ENOUGH:
            return ()
        return _valid_strings(lattice, scores, () if known else views, acceptor, constraint)

    proposals = propose(lattice, scores, views, also)
    total, order = rank(proposals, settings)
    texts = [path.text for path in proposals.paths]
    valid = [index for index in order if constraint.allows(texts[index])]
    best = int(order[0])
    if not valid or not texts[best]:  # A blank line breaks no constraint.
        whole = conclude(proposals, scores, settings)
        return ValidDecision(whole, not texts[best] or best in valid, None)
    decision = conclude(_chosen(proposals, valid), scores, settings)
    others = [index for index in order if index not in valid and texts[index]]
    if not others:
        return ValidDecision(decision, True, None)
    ahead = _log_odds(proposals, total, settings, others[0], valid[0])
    odds = BROKEN / (1 - BROKEN) * math.exp(min(ahead, 60.0))
    rival_share = odds / (1 + odds)
    rival = (texts[others[0]], rival_share)
    confidence = max(decision.confidence * (1 - rival_share), 0.0001)
    alternatives = [(text, share * (1 - rival_share)) for text, share in decision.alternatives]
    if rival_share >= 0.001 or ahead > 0:
        alternatives = sorted([*alternatives, rival], key=lambda item: -item[1])
    scale = confidence / decision.confidence
    return ValidDecision(
        Decision(
            path=decision.path,
            confidence=confidence,
            digit_confidences=tuple(
                share * scale ** (1 / len(decision.path.text)) for share in decision.digit_confidences
            ),
            alternatives=tuple(alternatives),
            features=decision.features,
        ),
        is_valid=True,
        rival=texts[others[0]] if ahead > 0 else None,
    )


def _log_odds(
    proposals: Proposals, total: NDArray[np.float64], settings: DecisionSettings, one: int, other: int
) -> float:
    """Weigh one string against another as the confidence does: by both readers together, and by each alone."""
    odds = 0.0
    for name, scores in (("margin", total), ("line_margin", proposals.line), ("lattice_margin", proposals.lattice)):
        weight = settings.weights[FEATURES.index(name)]
        odds += weight * min(max(float(scores[one] - scores[other]), -CAP), CAP)
    return odds


def _valid_strings(
    lattice: Lattice,
    scores: NDArray[np.float32],
    views: Sequence[NDArray[np.float32]],
    acceptor: Acceptor,
    constraint: Constraint,
) -> list[str]:
    """Ask the lattice for valid strings, and the line network too when there are views; a list is searched but once."""
    count = _PROPOSED if constraint.is_exact else _UNKNOWN_CHECK
    if constraint.code_list is not None:
        # What the line network finds in a list beyond its own proposals turned no number right, and costs 1 ms.
        return [text for text, _ in best_codes(lattice, scores, constraint.code_list, count) if constraint.allows(text)]
    found = [text for text, _ in allowed_in_lattice(lattice, scores, acceptor, count)]
    if views:
        found += allowed_in_steps(views[0], acceptor, _PROPOSED if constraint.is_exact else 4 * _PROPOSED)
    return [text for text in dict.fromkeys(found) if constraint.allows(text)][: 2 * _PROPOSED]


def _chosen(proposals: Proposals, indices: Sequence[int]) -> Proposals:
    """Keep some proposals."""
    kept = np.asarray(indices, np.intp)
    return Proposals(
        paths=tuple(proposals.paths[index] for index in kept),
        lattice=proposals.lattice[kept],
        line=proposals.line[kept],
        skipped=proposals.skipped[kept],
        worst=proposals.worst[kept],
    )
