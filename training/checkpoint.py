"""The state of a run after an epoch, in one file, from which the run goes on exactly as if it had not stopped."""

from __future__ import annotations

import json
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.files import replacing
from training.runs import RunError

Array = NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class Epoch:
    """One row of a run's history."""

    epoch: int
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Everything that the next epoch depends on.

    Attributes:
        history: The epochs so far.
        variables: Of the model, in its order: weights and the states of its random generators.
        optimizer: Variables of the optimizer, in its order.
        best: Variables of the model after the epoch of the lowest validation loss.
    """

    history: tuple[Epoch, ...]
    variables: tuple[Array, ...]
    optimizer: tuple[Array, ...]
    best: tuple[Array, ...]

    def save(self, path: Path) -> None:
        """Write the checkpoint, whole or not at all.

        Args:
            path: An ``.npz`` file.

        Raises:
            StorageError: Writing failed; an earlier checkpoint there is untouched.
        """
        groups = {"variables": self.variables, "optimizer": self.optimizer, "best": self.best}
        arrays = {f"{name}/{index}": array for name, group in groups.items() for index, array in enumerate(group)}
        rows = [[row.epoch, row.loss, row.accuracy, row.val_loss, row.val_accuracy] for row in self.history]
        # Python's JSON keeps every bit of a float, so the history of a resumed run is the same to the last digit.
        with replacing(path) as temporary, temporary.open("wb") as stream:
            np.savez(stream, allow_pickle=False, history=np.array(json.dumps(rows)), **arrays)

    @classmethod
    def load(cls, path: Path) -> Checkpoint:
        """Read a checkpoint.

        Args:
            path: What `save` wrote.

        Raises:
            RunError: The file is damaged.
        """
        try:
            with np.load(path, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
            history = tuple(Epoch(*row) for row in json.loads(str(arrays.pop("history"))))
        except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise RunError(f"The checkpoint {path} is damaged", "--fresh begins the run anew") from error
        groups: dict[str, list[Array]] = {"variables": [], "optimizer": [], "best": []}
        for name in sorted(arrays, key=lambda name: int(name.partition("/")[2])):
            groups[name.partition("/")[0]].append(arrays[name])
        return cls(history, *(tuple(group) for group in groups.values()))
