"""Data sets of isolated digits: read, checked, and brought to MNIST's format.

Images are uint8, white ink (255) on black paper (0); `scale` brings them to the float32 in [0, 1] that networks take.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import socket
import sys
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extractor.errors import UsageError
from training import backend

MNIST_SHA256 = {
    "x_train": "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757",
    "y_train": "1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13",
    "x_test": "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161",
    "y_test": "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5",
}
"""SHA-256 of the bytes of MNIST's four arrays, without any file header (LeCun, Cortes, Burges, 1998)."""

IDX_FILES = {
    "x_train": "train-images",
    "y_train": "train-labels",
    "x_test": "t10k-images",
    "y_test": "t10k-labels",
}
"""How the names of MNIST's four original files begin."""

DOWNLOAD_TIMEOUT = 30.0
"""Seconds without a byte from the server after which a download is given up."""


class DatasetError(UsageError):
    """A data set that is missing, damaged or of another shape."""

    code = "dataset"


@dataclass(frozen=True, slots=True)
class Digits:
    """Images of digits with their labels.

    Attributes:
        x: (N, 28, 28) uint8, ink 255 on paper 0.
        y: (N,) uint8, the digits 0 to 9.
    """

    x: NDArray[np.uint8]
    y: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.y)

    def take(self, indices: NDArray[np.intp]) -> Digits:
        """Return the digits at these places, in this order."""
        return Digits(self.x[indices], self.y[indices])


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What a recipe trains on and is measured on.

    Attributes:
        name: ``MNIST``, or the file's name.
        train: For training and validation.
        test: Measured once, at the end.
        sha256: Of all four arrays, in hexadecimal.
        note: What the user should know about it; may be empty.
    """

    name: str
    train: Digits
    test: Digits
    sha256: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    """Digits that no network here has been trained on.

    Attributes:
        name: ``mnist``, ``usps`` ...: the file's stem.
        digits: In MNIST's format.
        note: How they were brought there; may be empty.
    """

    name: str
    digits: Digits
    note: str = ""


def scale(x: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Scale pixels to [0, 1].

    Args:
        x: (N, 28, 28) uint8.

    Returns:
        (N, 28, 28) float32.
    """
    return x.astype(np.float32) / np.float32(255)


def load_training(data: Path | None) -> TrainingData:
    """Load a data set with a training and a test part.

    Args:
        data: An npz file as Keras caches it (``x_train``, ``y_train``, ``x_test``, ``y_test``); one of MNIST's four
            idx files, gzipped or not, or the folder of them; or a folder of data sets that has ``digits/mnist.npz`` or
            ``mnist.npz`` in it. MNIST itself, by ``keras.datasets.mnist``, when None.

    Raises:
        DatasetError: The data set is absent, damaged, or not of MNIST's shape.
        UsageError: `data` is None and TensorFlow is not installed.
    """
    name, arrays = _training_arrays(data)
    missing = [key for key in MNIST_SHA256 if key not in arrays]
    if missing:
        raise DatasetError(
            f"{name} has no array {', '.join(missing)}", f"training takes the arrays {', '.join(MNIST_SHA256)}"
        )
    train = _checked(name, "x_train", arrays["x_train"], "y_train", arrays["y_train"])
    test = _checked(name, "x_test", arrays["x_test"], "y_test", arrays["y_test"])
    digests = {key: _sha256(arrays[key]) for key in MNIST_SHA256}
    whole = hashlib.sha256("".join(digests.values()).encode()).hexdigest()
    differing = [key for key, digest in digests.items() if digest != MNIST_SHA256[key]]
    if not differing:
        return TrainingData("MNIST", train, test, whole)
    note = f"{name} is not MNIST (other {', '.join(differing)}): its accuracies are not comparable with MNIST's"
    return TrainingData(Path(name).name, train, test, whole, note)


def load_evaluation(data: Path | None) -> list[EvaluationSet]:
    """Load the test sets of a file or folder.

    A set with a test part gives that part, another set all of itself. Images that are not in MNIST's format are
    turned to light ink on dark paper where need be and normalised as MNIST was.

    Args:
        data: As in `load_training`; also an npz file with ``x`` and ``y`` of any image size; also a folder, of which
            every npz file that holds digits is taken. MNIST's test set when None.

    Returns:
        The sets, MNIST first, the others by name.

    Raises:
        DatasetError: There is none, or one is damaged.
    """
    files = _archives(data)
    if files:
        sets = [_evaluation_set(path.stem, read_npz(path)) for path in files]
    else:
        name, arrays = _training_arrays(data)
        sets = [_evaluation_set(Path(name).name if data else "mnist", arrays)]
    return sorted(sets, key=lambda item: (item.name != "mnist", item.name))


def is_mnist_framed(x: NDArray[np.uint8]) -> bool:
    """Tell whether images are framed as MNIST's are: the ink in a box of 20x20 pixels about the centre of mass.

    Args:
        x: (N, H, W) uint8.

    Returns:
        True when nearly every image with ink is.
    """
    if x.shape[1:] != (28, 28):
        return False
    rows, columns = np.any(x > 0, axis=2), np.any(x > 0, axis=1)
    inked = np.any(rows, axis=1)
    extent = np.maximum(_extent(rows), _extent(columns))[inked]
    mass = x[inked].astype(np.float64)
    total = mass.sum(axis=(1, 2))
    centres = np.arange(28) + 0.5
    x_centre = mass.sum(axis=1) @ centres / total
    y_centre = mass.sum(axis=2) @ centres / total
    centred = (np.abs(x_centre - 14) <= 1) & (np.abs(y_centre - 14) <= 1)
    return bool(np.mean((extent <= 20) & centred) > 0.95) if inked.any() else False


def to_mnist_format(x: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], str]:
    """Bring images of single digits to MNIST's format.

    Args:
        x: (N, H, W) uint8, either polarity.

    Returns:
        (N, 28, 28) uint8, and a note on what was done; empty when nothing was.
    """
    border = np.concatenate([x[:, 0], x[:, -1], x[:, :, 0], x[:, :, -1]], axis=1)
    inverted = bool(np.mean(border > 127) > 0.5)
    ink = np.invert(x) if inverted else x
    done = ["inverted"] if inverted else []
    if not is_mnist_framed(ink):
        from extractor.normalize import to_mnist

        ink = np.stack([to_mnist(image) for image in ink])
        done.append(f"normalised from {x.shape[1]}x{x.shape[2]} pixels")
    return ink, " and ".join(done)


def _evaluation_set(name: str, arrays: Mapping[str, NDArray[Any]]) -> EvaluationSet:
    keys = ("x_test", "y_test") if "x_test" in arrays else ("x", "y")
    if any(key not in arrays for key in keys):
        raise DatasetError(f"{name} has no digits to evaluate on", "an npz file has x and y, or x_test and y_test")
    x, y = arrays[keys[0]], arrays[keys[1]]
    check_images(name, keys[0], x)
    check_labels(name, keys[1], y, len(x))
    images, note = to_mnist_format(x)
    return EvaluationSet(name, Digits(images, y.astype(np.uint8)), note)


def _archives(data: Path | None) -> list[Path]:
    """The npz files that `data` means: itself, or those of a folder; none for idx files."""
    if data is None:
        return []
    if data.is_dir():
        return sorted((data / "digits").glob("*.npz")) or sorted(data.glob("*.npz"))
    return [data] if _is_zip(data) or data.suffix == ".npz" else []


def _training_arrays(data: Path | None) -> tuple[str, Mapping[str, NDArray[Any]]]:
    if data is None:
        return "MNIST", _download_mnist()
    if not data.exists():
        raise DatasetError(f"There is no data set at {data}", "--data takes an npz file, an idx file or a folder")
    if data.is_dir():
        for archive in (data / "digits" / "mnist.npz", data / "mnist.npz"):
            if archive.is_file():
                return str(archive), read_npz(archive)
        return str(data), _read_idx_folder(data)
    if _is_zip(data) or data.suffix == ".npz":
        return str(data), read_npz(data)
    return str(data.parent), _read_idx_folder(data.parent)


def _download_mnist() -> dict[str, NDArray[Any]]:
    keras = backend.tensorflow().keras
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(DOWNLOAD_TIMEOUT)
    try:
        # Keras reports the download on the standard output, which is for results.
        with contextlib.redirect_stdout(sys.stderr):
            (x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
    except Exception as error:  # Keras raises bare Exception for a failed download.
        raise DatasetError(
            "MNIST is neither cached on this machine nor to be had from the network",
            "name a copy with --data: mnist.npz, or the four idx files",
        ) from error
    finally:
        socket.setdefaulttimeout(timeout)
    return {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}


def _is_zip(path: Path) -> bool:
    try:
        return zipfile.is_zipfile(path)
    except OSError:
        return False


def read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """Read the arrays of a data set; nothing is unpickled, and arrays of other names are left alone.

    Args:
        path: An npz file.

    Raises:
        DatasetError: It is absent, unreadable or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files if key in {*MNIST_SHA256, "x", "y"}}
    except FileNotFoundError as error:
        raise DatasetError(f"There is no data set at {path}") from error
    except PermissionError as error:
        raise DatasetError(f"Cannot read {path}: {error.strerror}") from error
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        raise DatasetError(f"{path} is damaged or no npz file", "fetch it again") from error
    except MemoryError as error:
        raise DatasetError(f"{path} holds arrays too large for this machine's memory") from error


def _read_idx_folder(folder: Path) -> dict[str, NDArray[Any]]:
    arrays = {}
    for key, prefix in IDX_FILES.items():
        candidates = sorted(folder.glob(f"{prefix}[-.]idx*"))
        if not candidates:
            raise DatasetError(
                f"{folder} holds no data set: no {prefix} idx file",
                "MNIST is mnist.npz, or the four idx files together",
            )
        arrays[key] = _read_idx(candidates[0])
    return arrays


def _read_idx(path: Path) -> NDArray[np.uint8]:
    """Read MNIST's own format: a magic number that names the type and the rank, the sizes, the bytes."""
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(f"Cannot read {path}: it is damaged or not readable", "fetch it again") from error
    rank = content[3] if len(content) >= 4 else 0
    header = 4 + 4 * rank
    if content[:3] != b"\0\0\x08" or rank not in (1, 3) or len(content) < header:
        raise DatasetError(f"{path} is no idx file of bytes", "fetch it again")
    shape = tuple(int.from_bytes(content[at : at + 4], "big") for at in range(4, header, 4))
    expected = int(np.prod(shape, dtype=object))
    if len(content) - header != expected:
        raise DatasetError(f"{path} holds {len(content) - header} bytes of data, not {expected}", "fetch it again")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def _checked(name: str, x_name: str, x: NDArray[Any], y_name: str, y: NDArray[Any]) -> Digits:
    check_images(name, x_name, x)
    if x.shape[1:] != (28, 28):
        raise DatasetError(f"{name}: {x_name} has the shape {x.shape}, not (N, 28, 28)")
    check_labels(name, y_name, y, len(x))
    return Digits(x, y.astype(np.uint8))


def check_images(name: str, key: str, x: NDArray[Any]) -> None:
    """Hold an array to what images are: (N, height, width) uint8.

    Args:
        name: Of the set.
        key: Of the array.
        x: The array.

    Raises:
        DatasetError: It is something else, or holds nothing.
    """
    if x.ndim != 3 or 0 in x.shape:
        raise DatasetError(f"{name}: {key} has the shape {x.shape}, not (N, height, width)")
    if x.dtype != np.uint8:
        raise DatasetError(f"{name}: {key} is of type {x.dtype}, not uint8")


def check_labels(name: str, key: str, y: NDArray[Any], count: int) -> None:
    """Hold an array to what labels are: (N,) whole numbers from 0 to 9.

    Args:
        name: Of the set.
        key: Of the array.
        y: The array.
        count: N.

    Raises:
        DatasetError: It is something else.
    """
    if y.shape != (count,):
        raise DatasetError(f"{name}: {key} has the shape {y.shape}, not ({count},): one label an image")
    if y.dtype.kind not in "iu":
        raise DatasetError(f"{name}: {key} is of type {y.dtype}, not a whole number")
    wrong = np.flatnonzero((y < 0) | (y > 9))
    if len(wrong):
        raise DatasetError(f"{name}: {key} holds the label {y[wrong[0]]} at {wrong[0]}; labels are the digits 0 to 9")


def _sha256(array: NDArray[Any]) -> str:
    content = array.astype(np.uint8, copy=False)
    return hashlib.sha256(np.ascontiguousarray(content).data).hexdigest()


def _extent(occupied: NDArray[Any]) -> NDArray[np.intp]:
    """From the first to the last True of each row, both included."""
    first = occupied.argmax(axis=1)
    last = occupied.shape[1] - 1 - occupied[:, ::-1].argmax(axis=1)
    return np.asarray(last - first + 1)
