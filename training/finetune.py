"""Makes a network a user's own: labelled pictures of strings in, a network that reads more of their like out.

The labels have no boxes: the base network lays each label over its picture (forced alignment), and both networks go on
learning from what it finds there, between synthetic lines and isolated digits that keep them from forgetting. Some
pictures are held out of everything: on those, and on the test digits, the network before and after are compared.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from extractor.decision import DecisionSettings
from extractor.errors import UsageError
from extractor.network import CARD, CROPS, FORMAT, LINE, Network, default_model, load_network
from training.backend import storage_errors, tensorflow
from training.comparison import Measurement, digits_right, measure
from training.deployment import network_file
from training.files import PARTIAL, remove, replacing, sha256_of
from training.finetune_networks import tune
from training.finetune_settings import FinetuneSettings
from training.hypotheses import Hypotheses
from training.keras_files import load_keras
from training.labels import LabelError, LabelledImage, read_labels, split
from training.recalibrate import recalibrate
from training.rehearsal import Rehearsal, make_rehearsal
from training.stage_progress import Watcher
from training.strings import StringExamples, examples_of, observe_all, read_all

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the user's pictures.

    Attributes:
        images: All of them.
        held_out: Compared on.
        calibration: Fitted the confidence.
        learnt: Learnt from.
        left_out: Would have been learnt from, but the label does not fit the picture: probably a wrong label.
    """

    images: int
    held_out: int
    calibration: int
    learnt: int
    left_out: int


@dataclass(frozen=True, slots=True)
class Result:
    """What fine-tuning came to.

    Attributes:
        counts: What became of the pictures.
        digits: Name of the isolated digits.
        before: The base network on the pictures held out.
        after: The new one on the same.
        card: The new network's card.
        held_out: The pictures held out.
        left_out: The pictures whose label does not fit.
    """

    counts: Counts
    digits: str
    before: Measurement
    after: Measurement
    card: dict[str, Any]
    held_out: tuple[LabelledImage, ...]
    left_out: tuple[LabelledImage, ...]


def finetune(
    labels: Path,
    output: Path,
    watcher: Watcher,
    *,
    model: Path | None = None,
    data: Path | None = None,
    settings: FinetuneSettings | None = None,
    workers: int = 2,
) -> Result:
    """Fine-tune a network on labelled pictures.

    Args:
        labels: JSON Lines, see `training.labels.read_labels`.
        output: Folder for the new network; must be absent or empty.
        watcher: Hears how far it is.
        model: Folder of the base network; the shipped one when None.
        data: Isolated digits for rehearsal, see `training.rehearsal.make_rehearsal`.
        settings: All numbers; the defaults when None.
        workers: Processes that look at pictures.

    Returns:
        The comparison; the network is in `output`.

    Raises:
        LabelError: The labels cannot be used, or none fits its picture.
        ModelError: There is no base network, or its float networks are missing.
        DatasetError: The isolated digits are absent or damaged.
        DocumentError: A picture cannot be decoded.
        StorageError: Writing failed. Nothing half-written is left.
    """
    settings = settings or FinetuneSettings()
    started = time.perf_counter()
    images = read_labels(labels)
    rest, held = _parts(images, settings.held_out, settings.seed, "held out")
    learning, calibrating = _parts(rest, settings.calibration, settings.seed, "calibration")
    base = load_network(model or default_model())
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise UsageError(f"{output} is not empty", "name a new folder with --output")
    tensorflow().keras.utils.set_random_seed(settings.seed)  # Layers draw their seeds when they are made.
    networks = {name: load_keras((base.folder / name).with_suffix(".keras")) for name in (CROPS, LINE)}
    _remove_stale(output)
    with replacing(output) as folder, storage_errors(output):
        folder.mkdir()
        examples = _watched(examples_of(base.folder, learning, workers), len(learning), watcher, "aligning")
        fitting, left_out = _sort_out(learning, examples)
        rehearsal = _rehearse(data, folder / "rehearsal", settings, workers, watcher)
        before = _measure(base.folder, base.card, held, rehearsal.test, workers, watcher, "reading before")
        tune(networks[CROPS], networks[LINE], fitting, rehearsal, settings, watcher)
        for name, network in networks.items():
            (folder / name).write_bytes(network_file(name, network))
            network.save((folder / name).with_suffix(".keras"))
        counts = Counts(len(images), len(held), len(calibrating), len(fitting), len(left_out))
        card = _card(base, folder, settings, counts, rehearsal, images)
        _write_card(folder, card)
        observed = _watched(observe_all(folder, calibrating, workers), len(calibrating), watcher, "calibrating")
        settled = DecisionSettings.from_card(base.card.get("reading", {}))
        decision = recalibrate([item for item in observed if item is not None], settled)
        card["reading"] |= asdict(decision)
        _write_card(folder, card)
        after = _measure(folder, card, held, rehearsal.test, workers, watcher, "reading after")
        card["metrics"] = {"before": before.to_dict(), "after": after.to_dict()}
        card["minutes"] = round((time.perf_counter() - started) / 60, 1)
        _write_card(folder, card)
        remove(folder / "rehearsal")
    return Result(counts, rehearsal.name, before, after, card, tuple(held), tuple(left_out))


def _parts(
    images: Sequence[LabelledImage], share: float, seed: int, purpose: str
) -> tuple[list[LabelledImage], list[LabelledImage]]:
    others, apart = split(images, share, seed, purpose)
    return [images[index] for index in others], [images[index] for index in apart]


def _remove_stale(output: Path) -> None:
    """Remove what killed runs into the same folder have left."""
    for path in output.parent.glob(f"{PARTIAL}*-{output.name}"):
        owner = path.name.removeprefix(PARTIAL).partition("-")[0]
        if owner.isdecimal() and not _is_alive(int(owner)):
            remove(path)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _rehearse(data: Path | None, folder: Path, settings: FinetuneSettings, workers: int, watcher: Watcher) -> Rehearsal:
    watcher.begin("synthetic lines", 1)
    rehearsal = make_rehearsal(data, folder, settings.seed, settings.shards, settings.word_shards, workers)
    watcher.step(1)
    if rehearsal.note:
        watcher.note(rehearsal.note)
    if not rehearsal.has_all_hands:
        watcher.note("rehearsing with these digits and drawn ones alone: --data names no folder of all sets")
    return rehearsal


def _measure(
    network: Path,
    card: dict[str, Any],
    held: Sequence[LabelledImage],
    digits: Hypotheses,
    workers: int,
    watcher: Watcher,
    title: str,
) -> Measurement:
    answers = _watched(read_all(network, held, workers), len(held), watcher, title)
    accept = DecisionSettings.from_card(card.get("reading", {})).accept
    return measure(answers, accept, digits_right(network, digits))


def _sort_out(
    images: Sequence[LabelledImage], examples: Sequence[StringExamples]
) -> tuple[list[StringExamples], list[LabelledImage]]:
    """Keep the pictures that teach something, and name the others."""
    fitting = [item for item in examples if item.candidates is not None or item.views]
    left_out = [
        image for image, item in zip(images, examples, strict=True) if item.candidates is None and not item.views
    ]
    if not fitting:
        raise LabelError(
            f"none of the {len(images)} labels to learn from fits its image",
            "check that the labels belong to the images",
        )
    return fitting, left_out


def _card(
    base: Network,
    folder: Path,
    settings: FinetuneSettings,
    counts: Counts,
    rehearsal: Rehearsal,
    images: Sequence[LabelledImage],
) -> dict[str, Any]:
    name = str(base.card.get("name", "network")).removesuffix(", fine-tuned")
    own = f"{counts.learnt} labelled strings of the user"
    return {
        "format": FORMAT,
        "name": f"{name}, fine-tuned",
        "licence": base.card.get("licence", ""),
        "sha256": {file: sha256_of(folder / file) for file in (CROPS, LINE)},
        "command": "digits finetune LABELS.jsonl --output FOLDER",
        "base": {
            key: base.card[key]
            for key in ("name", "sha256", "command", "recipe", "base", "finetune")
            if key in base.card
        },
        "finetune": {
            "settings": settings.model_dump(mode="json"),
            "images": counts.images,
            "held_out": counts.held_out,
            "calibration": counts.calibration,
            "learnt": counts.learnt,
            "left_out": counts.left_out,
            "labels_sha256": _sha256_of_labels(images),
            "rehearsal": rehearsal.name,
            "rehearsal_in_all_hands": rehearsal.has_all_hands,
        },
        "trained_on": [*base.card.get("trained_on", []), own],
        "calibrated_on": {"labelled strings of the user": counts.calibration},
        "tensorflow": tensorflow().__version__,
        "python": platform.python_version(),
        "reading": dict(base.card.get("reading", {})),
    }


def _write_card(folder: Path, card: dict[str, Any]) -> None:
    (folder / CARD).write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")


def _sha256_of_labels(images: Sequence[LabelledImage]) -> str:
    rows = sorted(f"{image.file}\t{image.text}\n" for image in images)
    return hashlib.sha256("".join(rows).encode()).hexdigest()


def _watched(items: Iterator[T], total: int, watcher: Watcher, title: str) -> list[T]:
    watcher.begin(title, total)
    found: list[T] = []
    for item in items:
        found.append(item)
        watcher.step(len(found))
    return found
