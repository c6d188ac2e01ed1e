"""The network's files: where they are, whether they are whole, and how they are opened."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from extractor.errors import ModelError

CARD = "card.json"
CROPS = "crops.tflite"
LINE = "line.tflite"
FORMAT = 1
"""Version of the folder's layout and of the tensors' meaning."""


@dataclass(frozen=True, slots=True)
class Network:
    """A network that has been read and checked.

    Attributes:
        folder: Where it was read from.
        crops: The crop network, a LiteRT file's bytes.
        line: The line network, a LiteRT file's bytes.
        card: Its card: data, licence, seeds, metrics, checksums.
        sha256: Identifies the network: the checksum over both files and the settings that decide results.
        temperature: Divides the crop network's logits (Guo et al., "On Calibration of Modern Neural Networks", 2017).
    """

    folder: Path
    crops: bytes
    line: bytes
    card: dict[str, Any]
    sha256: str
    temperature: float


def default_model() -> Path:
    """Folder of the network that is shipped."""
    return Path(__file__).parent / "models"


def load_network(folder: Path) -> Network:
    """Read a network and check it against its card.

    Args:
        folder: Folder with the card and both LiteRT files, or one of these files.

    Raises:
        ModelError: A file is missing or unreadable, or its content is not what the card says.
    """
    if folder.is_file():
        folder = folder.parent
    try:
        text = (folder / CARD).read_text(encoding="utf-8")
        card = json.loads(text)
        files = {name: (folder / name).read_bytes() for name in (CROPS, LINE)}
    except FileNotFoundError as error:
        raise ModelError(
            f"no network in {folder}: {Path(str(error.filename)).name} is missing",
            "name a folder that `digits train reference` wrote",
        ) from error
    except (OSError, ValueError) as error:
        raise ModelError(f"the network in {folder} cannot be read: {error}") from error
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        raise ModelError(f"the network in {folder} is of another version", f"this version reads format {FORMAT}")
    sums, reading = card.get("sha256"), card.get("reading", {})
    if not isinstance(sums, dict) or not isinstance(reading, dict) or not _is_positive(reading.get("temperature", 1.0)):
        raise ModelError(f"the card of the network in {folder} is damaged", "install or train it again")
    for name, content in files.items():
        if hashlib.sha256(content).hexdigest() != sums.get(name):
            raise ModelError(
                f"{folder / name} is damaged: its checksum is not the one on its card", "install or train it again"
            )
    identity = hashlib.sha256(files[CROPS] + files[LINE] + json.dumps(reading, sort_keys=True).encode())
    return Network(
        folder=folder,
        crops=files[CROPS],
        line=files[LINE],
        card=card,
        sha256=identity.hexdigest(),
        temperature=float(reading.get("temperature", 1.0)),
    )


def _is_positive(value: object) -> bool:
    """Tell whether a value of the card is a number that logits can be divided by."""
    return isinstance(value, (int, float)) and 0 < value < math.inf


def open_interpreter(content: bytes, threads: int) -> Any:
    """Open a LiteRT network.

    Args:
        content: The file's bytes.
        threads: Threads of the interpreter.

    Raises:
        ModelError: It is no LiteRT network.
    """
    try:
        with _quiet():
            from ai_edge_litert.interpreter import Interpreter

            interpreter = Interpreter(model_content=content, num_threads=threads)
            interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise ModelError("the network is damaged or no LiteRT network", "install or train it again") from error
    return interpreter


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the runtime's start-up notes off the user's terminal: they are written past Python."""
    sys.stderr.flush()
    try:
        saved = os.dup(2)
    except OSError:
        yield
        return
    with Path(os.devnull).open("wb") as sink:
        os.dup2(sink.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)
