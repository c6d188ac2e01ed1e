"""Says what each part of the reader is worth: the same strings read by parts of it, and by all of it.

A folder holds ``labels.jsonl``, one line a picture of one string: ``{"file": ..., "lines": [digits]}``. Every row of
the table uses the same pictures, so that rows can be compared.

    python benchmarks/ablations.py FOLDER [--limit 400] [--seed 0] [--model NETWORK]
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from pathlib import Path

import numpy as np

from extractor.classifier import Classifier
from extractor.decision import DecisionSettings, decide, propose
from extractor.decoding import best_paths
from extractor.documents import load_page
from extractor.reader import Reader
from extractor.scoring import wilson
from extractor.segmentation import crops
from training.models import lone_geometry

LATTICE = "crops alone"
WITHOUT_CONTEXT = "crops alone, without their surroundings"
WITHOUT_GEOMETRY = "crops alone, without geometry"
WITHOUT_BOTH = "crops alone, without either"
ONE_VIEW = "line network alone, one view"
LINE = "line network alone, all views"
BOTH = "both, as shipped"
BOTH_ONE_VIEW = "both, one view of the line"
REACH = "the truth is among the strings that either proposes"
PARTS = (WITHOUT_BOTH, WITHOUT_CONTEXT, WITHOUT_GEOMETRY, LATTICE, ONE_VIEW, LINE, BOTH_ONE_VIEW, BOTH, REACH)


def main() -> None:
    """Measure one folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", type=Path)
    options = parser.parse_args()
    rows = [json.loads(line) for line in (options.folder / "labels.jsonl").read_text(encoding="utf-8").splitlines()]
    rows = [row for row in rows if len(row["lines"]) == 1]
    random.Random(options.seed).shuffle(rows)
    rows = rows[: options.limit]
    reader, classifier = Reader(options.model), Classifier(options.model)
    settings = DecisionSettings.from_card(classifier.network.card.get("reading", {}))
    right: Counter[str] = Counter()
    for row in rows:
        truth = row["lines"][0]
        seen = reader.evidence(load_page(options.folder / row["file"], 1))
        if seen is None:
            continue
        lattice, views = seen.lattice, list(seen.views)
        digits, context, geometry = crops(lattice)
        nothing, alone = np.zeros_like(context), lone_geometry(digits)
        for part, inputs in (
            (WITHOUT_BOTH, (digits, nothing, alone)),
            (WITHOUT_CONTEXT, (digits, nothing, geometry)),
            (WITHOUT_GEOMETRY, (digits, context, alone)),
            (LATTICE, (digits, context, geometry)),
        ):
            scores = classifier.log_probabilities(*inputs)
            right[part] += best_paths(lattice, scores, 1)[0].text == truth
        for part, some in ((ONE_VIEW, views[:1]), (LINE, views)):
            proposals = propose(lattice, seen.scores, some)
            right[part] += proposals.paths[int(np.argmax(proposals.line))].text == truth
        right[REACH] += truth in [path.text for path in proposals.paths]
        right[BOTH_ONE_VIEW] += decide(lattice, seen.scores, views[:1], settings).path.text == truth
        right[BOTH] += decide(lattice, seen.scores, views, settings).path.text == truth
    print(f"{options.folder.name}, {len(rows)} strings")
    for part in PARTS:
        share = wilson(right[part], len(rows))
        print(f"  {part:<52} {right[part] / len(rows):6.1%}  ({share.low:.1%}-{share.high:.1%})")


if __name__ == "__main__":
    main()
