"""Why a string was read wrongly: what both readers saw, held against what is written.

Nothing is decided here about a reading; a string that is known to be wrong is taken apart, so that one sees which stage
to mend.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from extractor.decision import (
    LEAST,
    DecisionSettings,
    Proposals,
    decide,
    digit_scores,
    over_views,
    propose,
    rank,
    skipped_shares,
)
from extractor.decoding import Path, align
from extractor.line_reader import beam_search, string_log_probabilities
from extractor.reader import Evidence
from extractor.scoring import edit_distance

Cause = Literal[
    "no-picture",
    "invented",
    "not-found",
    "no-ink",
    "label-doubtful",
    "not-repeated",
    "no-path",
    "both-wrong",
    "lattice-wrong",
    "line-wrong",
    "weighing",
    "sure-of-wrong-digit",
    "extra-mark",
    "digit-dropped",
    "not-proposed",
]
"""Where it went wrong, see `CAUSES`."""

CAUSES: dict[Cause, str] = {
    "no-picture": "its picture cannot be opened",
    "invented": "read where nothing is written",
    "not-found": "the string was not found on the page",
    "no-ink": "no ink was left of it",
    "label-doubtful": "both readers are sure of another string: is the label right?",
    "not-repeated": "this network reads it right: the readings are another's",
    "no-path": "it cannot be cut so from the lattice",
    "both-wrong": "proposed, but both readers prefer another string",
    "lattice-wrong": "proposed, but the lattice prefers another string",
    "line-wrong": "proposed, but the line network prefers another string",
    "weighing": "proposed, and no reader prefers the other: the weights decide wrongly",
    "sure-of-wrong-digit": "not proposed: the same ink is taken for another digit",
    "extra-mark": "not proposed: a mark that is no digit is read",
    "digit-dropped": "not proposed: a digit is dropped, or two are read as one",
    "not-proposed": "not proposed: cut elsewhere",
}
"""What each cause means."""

SURE = 0.97
"""Confidence of a wrong string from which its label is worth a look."""
FAR_BEHIND = 5.0
"""By so much must the joint score of what is written lie behind, for its label to be worth a look."""
SAME_CUT = 0.6
"""Least intersection over union of two spans of columns that are the same digit's."""
SHOWN = 6
"""Proposals that are kept for a look."""


@dataclass(frozen=True, slots=True)
class Spelling:
    """One string as both readers see it.

    Attributes:
        text: The digits.
        path: Its best path through the lattice; None when the lattice cannot spell it.
        digits: Log-probability of each digit on that path by the crop network.
        lattice: Log-probability of the path; None without one.
        line: Log-probability by the line network, see `extractor.decision.over_views`.
        total: Joint score of both readers by which strings are ranked; None without a path.
        place: Place among the proposals, from 1; None when neither reader proposed it.
    """

    text: str
    path: Path | None
    digits: tuple[float, ...]
    lattice: float | None
    line: float
    total: float | None
    place: int | None


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What is known about a wrong string.

    Attributes:
        truth: What is written; None when nothing is.
        read: What was read; None when the string was missed.
        confidence: That of the reading, 0 to 1.
        cause: Where it went wrong.
        edits: Digits as they are written and as they were read, one side empty where a digit was added or lost; only
            those that differ.
        written: The truth as both readers see it; None without evidence.
        said: The reading as both readers see it; None without evidence.
        proposals: The best strings of both readers, best first.
        views: The best string of each view of the line network.
    """

    truth: str | None
    read: str | None
    confidence: float
    cause: Cause
    edits: tuple[tuple[str, str], ...]
    written: Spelling | None = None
    said: Spelling | None = None
    proposals: tuple[Spelling, ...] = ()
    views: tuple[str, ...] = ()


def diagnose(
    truth: str | None,
    read: str | None,
    confidence: float,
    evidence: Evidence | None,
    settings: DecisionSettings,
    *,
    has_picture: bool = True,
    spans: Sequence[tuple[float, float]] = (),
) -> Diagnosis:
    """Say where a wrong string went wrong.

    Args:
        truth: What is written; None when nothing is.
        read: What was read, perhaps nothing; None when the string was missed.
        confidence: That of the reading.
        evidence: What both readers see there; None when nothing is left to be seen.
        settings: How the readers are weighed.
        has_picture: Whether the picture could be looked at.
        spans: First and last column of each written digit in line pixels, where they are known.
    """
    scored = None if evidence is None else _Scored.of(evidence, settings)
    written = None if scored is None or truth is None else scored.spelling(truth)
    said = None if scored is None or read is None else scored.spelling(read)
    if scored is None or written is None or said is None:
        cause = _before_the_lattice(truth, read, has_picture)
    else:
        cause = _cause(written, said, scored.again(), confidence)
        if cause not in ("label-doubtful", "not-repeated") and not _has_cuts(scored.evidence, spans):
            cause = "no-path"
    return Diagnosis(
        truth=truth,
        read=read,
        confidence=confidence,
        cause=cause,
        edits=differences(truth or "", read or ""),
        written=written,
        said=said,
        proposals=() if scored is None else scored.best(),
        views=() if evidence is None else tuple(beam_search(steps)[0][0] for steps in evidence.views),
    )


def differences(truth: str, read: str) -> tuple[tuple[str, str], ...]:
    """Pair the digits of two strings at the least edit distance and return the pairs that differ.

    Args:
        truth: What is written.
        read: What was read.

    Returns:
        (written, read) from left to right, one of them empty where a digit was added or lost.
    """
    return tuple(pair for pair in paired(truth, read) if pair[0] != pair[1])


def paired(truth: str, read: str) -> list[tuple[str, str]]:
    """Pair the digits of two strings at the least edit distance, one side empty where a digit was added or lost."""
    pairs: list[tuple[str, str]] = []
    i, j = len(truth), len(read)
    while i or j:
        here = edit_distance(truth[:i], read[:j])
        if i and j and here == edit_distance(truth[: i - 1], read[: j - 1]) + (truth[i - 1] != read[j - 1]):
            i, j = i - 1, j - 1
            pairs.append((truth[i], read[j]))
        elif i and here == edit_distance(truth[: i - 1], read[:j]) + 1:
            i -= 1
            pairs.append((truth[i], ""))
        else:
            j -= 1
            pairs.append(("", read[j]))
    return pairs[::-1]


@dataclass(frozen=True, slots=True)
class _Scored:
    """The proposals of both readers for one string, with their joint scores and their order."""

    evidence: Evidence
    settings: DecisionSettings
    proposals: Proposals
    total: tuple[float, ...]
    order: tuple[int, ...]

    @classmethod
    def of(cls, evidence: Evidence, settings: DecisionSettings) -> _Scored:
        proposals = propose(evidence.lattice, evidence.scores, list(evidence.views))
        total, order = rank(proposals, settings)
        return cls(evidence, settings, proposals, tuple(total.tolist()), tuple(order.tolist()))

    def again(self) -> str:
        """What this network reads."""
        views = list(self.evidence.views)
        return decide(self.evidence.lattice, self.evidence.scores, views, self.settings).path.text

    def best(self) -> tuple[Spelling, ...]:
        """The best proposals, best first."""
        return tuple(self._proposed(place) for place in range(1, min(SHOWN, len(self.order)) + 1))

    def spelling(self, text: str) -> Spelling:
        """Score a string by both readers, whether or not they proposed it."""
        for place, index in enumerate(self.order, start=1):
            if self.proposals.paths[index].text == text:
                return self._proposed(place)
        if text.strip("0123456789"):
            return Spelling(text, None, (), None, LEAST, None, None)
        lattice, scores = self.evidence.lattice, self.evidence.scores
        said = [string_log_probabilities(steps, [text])[0] for steps in self.evidence.views]
        line = float(over_views(np.array(said))) if said else 0.0
        path = align(lattice, scores, text)
        if path is None:
            return Spelling(text, None, (), None, line, None, None)
        digits = tuple(digit_scores(path, scores))
        skipped, worst = skipped_shares([path], lattice), np.array([min(digits, default=0.0)])
        alone = Proposals((path,), np.array([path.score]), np.array([line]), skipped, worst)
        return Spelling(text, path, digits, path.score, line, float(rank(alone, self.settings)[0][0]), None)

    def _proposed(self, place: int) -> Spelling:
        index = self.order[place - 1]
        path = self.proposals.paths[index]
        digits = tuple(digit_scores(path, self.evidence.scores))
        lattice, line = float(self.proposals.lattice[index]), float(self.proposals.line[index])
        return Spelling(path.text, path, digits, lattice, line, self.total[index], place)


def _before_the_lattice(truth: str | None, read: str | None, has_picture: bool) -> Cause:
    if truth is None:
        return "invented"
    if read is None:
        return "not-found"
    return "no-ink" if has_picture else "no-picture"


def _cause(written: Spelling, said: Spelling, again: str, confidence: float) -> Cause:
    """Name the first stage at which what is written was lost."""
    if again == written.text:
        return "not-repeated"
    if written.lattice is None or written.total is None:
        return "no-path"
    by_lattice = said.lattice is None or said.lattice > written.lattice
    by_line = said.line > written.line
    behind = 0.0 if said.total is None else said.total - written.total
    if confidence >= SURE and behind >= FAR_BEHIND and by_lattice and by_line:
        return "label-doubtful"
    if written.place is not None:
        return _ranked(by_lattice, by_line)
    if len(said.text) > len(written.text):
        return "extra-mark"
    if len(said.text) < len(written.text):
        return "digit-dropped"
    return "sure-of-wrong-digit" if _same_ink(written, said) else "not-proposed"


def _ranked(lattice: bool, line: bool) -> Cause:
    if lattice and line:
        return "both-wrong"
    if lattice:
        return "lattice-wrong"
    return "line-wrong" if line else "weighing"


def _same_ink(written: Spelling, said: Spelling) -> bool:
    """Tell whether both paths take the same candidate wherever they spell different digits."""
    if written.path is None or said.path is None:
        return False
    steps = zip(written.text, said.text, written.path.candidates, said.path.candidates, strict=True)
    return all(mine == other for digit, another, mine, other in steps if digit != another)


def _has_cuts(evidence: Evidence, spans: Sequence[tuple[float, float]]) -> bool:
    """Tell whether some candidate covers the columns of each written digit."""
    boxes = [candidate.box for candidate in evidence.lattice.candidates]
    return all(any(_overlap(span, (x, x + width)) >= SAME_CUT for x, _, width, _ in boxes) for span in spans)


def _overlap(first: tuple[float, float], second: tuple[float, float]) -> float:
    shared = min(first[1], second[1]) - max(first[0], second[0])
    return max(0.0, shared) / max(1e-9, max(first[1], second[1]) - min(first[0], second[0]))
