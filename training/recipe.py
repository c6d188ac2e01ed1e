"""A recipe: every hyperparameter of a training run, in one validated TOML file."""

from __future__ import annotations

import hashlib
import json
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, ValidationError

from extractor.errors import UsageError

RECIPES_FOLDER = Path(__file__).parent / "recipes"

Probability = Annotated[float, Field(ge=0, le=1)]
Activation = Literal["relu", "elu", "gelu", "tanh"]
_Model = TypeVar("_Model", bound=BaseModel)


class RecipeError(UsageError):
    """A recipe that is missing or cannot be meant as it stands."""

    code = "recipe"


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DenseNetwork(_Table):
    """Fully connected: 784 pixels, hidden layers, softmax over ten digits.

    Attributes:
        kind: ``dense``.
        hidden: Units of each hidden layer.
        activation: After each hidden layer.
        dropout: Share of units left out after each hidden layer while training.
    """

    kind: Literal["dense"]
    hidden: tuple[PositiveInt, ...]
    activation: Activation = "relu"
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0


class Convolution(_Table):
    """A convolution without padding, its activation, and max pooling.

    Attributes:
        filters: Output channels.
        kernel: Side of the square kernel, in pixels.
        pool: Side of the pooling window, which is its stride as well; 1 pools nothing.
    """

    filters: PositiveInt
    kernel: PositiveInt
    pool: PositiveInt = 1


class CnnNetwork(_Table):
    """Convolutional: blocks of convolution and pooling, then hidden layers, softmax over ten digits.

    Attributes:
        kind: ``cnn``.
        convolutions: The blocks, from the image on.
        hidden: Units of each hidden layer.
        activation: After each convolution and each hidden layer.
        dropout: Share of units left out after each hidden layer while training.
    """

    kind: Literal["cnn"]
    convolutions: Annotated[tuple[Convolution, ...], Field(min_length=1)]
    hidden: tuple[PositiveInt, ...]
    activation: Activation = "relu"
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0


Network = DenseNetwork | CnnNetwork


class Training(_Table):
    """How the weights are found.

    Attributes:
        optimizer: ``adam`` (Kingma and Ba, 2015).
        learning_rate: Step size of the optimizer.
        loss: ``sparse_categorical_crossentropy`` takes digits as labels, ``categorical_crossentropy`` one-hot vectors.
        epochs: Passes over the training images.
        batch_size: Images a step.
        validation_split: Share of the training images that is held back to watch the training.
        patience: Stop after this many epochs without a better validation loss, and keep the best weights; 0 trains
            to the end and keeps the last.
        seed: Of the split, the first weights, the order of images, dropout and augmentation.
        limit: Train on this many images only (validation included), drawn by the seed; all when absent.
    """

    optimizer: Literal["adam"]
    learning_rate: PositiveFloat
    loss: Literal["sparse_categorical_crossentropy", "categorical_crossentropy"]
    epochs: PositiveInt
    batch_size: PositiveInt
    validation_split: Annotated[float, Field(gt=0, lt=1)]
    patience: Annotated[int, Field(ge=0)] = 0
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
    limit: Annotated[int, Field(ge=2)] | None = None


class Augmentation(_Table):
    """Random affine distortion of each training image, anew in each epoch.

    Attributes:
        rotation: Largest angle to either side, in degrees.
        scale: Largest change of size, as a share.
        shear: Largest slant to either side, in degrees.
        shift: Largest move along each axis, in pixels.
    """

    rotation: Annotated[float, Field(ge=0, le=45)] = 0.0
    scale: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    shear: Annotated[float, Field(ge=0, le=45)] = 0.0
    shift: Annotated[float, Field(ge=0, le=4)] = 0.0


class Export(_Table):
    """What a run writes besides ``weights.keras`` and ``weights.tflite``.

    Attributes:
        saved_model: Also a TensorFlow SavedModel folder.
    """

    saved_model: bool = False


class Recipe(_Table):
    """One training run in full.

    Attributes:
        name: The recipe's name, as ``digits train`` takes it.
        title: One line on what it is.
        expected_accuracy: Share of the MNIST test set that it reads right.
        network: The layers.
        training: How the weights are found.
        augmentation: Distortion of the training images; none when absent.
        export: Further formats.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    title: str
    expected_accuracy: Probability
    network: Annotated[Network, Field(discriminator="kind")]
    training: Training
    augmentation: Augmentation | None = None
    export: Export = Export()

    def override(self, **values: int | float | None) -> Self:
        """Return a copy with other values in the ``training`` table.

        Args:
            **values: By their names in `Training`; None leaves the recipe's own.

        Raises:
            RecipeError: A value is out of its range.
        """
        changes = {key: value for key, value in values.items() if value is not None}
        table = self.training.model_dump() | changes
        try:
            return self.model_copy(update={"training": Training.model_validate(table)})
        except ValidationError as error:
            raise RecipeError(f"Recipe {self.name}: {one_line(error)}") from error

    def to_toml(self) -> str:
        """Return the recipe as TOML that `load` reads back to an equal recipe."""
        return toml_text(self.model_dump(exclude_none=True))

    def sha256(self) -> str:
        """Return the SHA-256 of everything that decides the outcome, in hexadecimal."""
        return hashlib.sha256(json.dumps(self.model_dump(), sort_keys=True).encode()).hexdigest()


class RecipeHeader(BaseModel):
    """What every recipe file begins with, whatever trains it.

    Attributes:
        name: The recipe's name, as ``digits train`` takes it.
        title: One line on what it is.
        expected_accuracy: Share of the MNIST test set that it reads right.
        parameters: Number of weights, where it does not follow from a ``network`` table.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str
    title: str
    expected_accuracy: Probability
    parameters: PositiveInt | None = None


def find(name_or_path: str) -> Path:
    """Return the file of a recipe.

    Args:
        name_or_path: The name of a built-in recipe, or a path that ends in ``.toml``.

    Raises:
        RecipeError: There is no such recipe.
    """
    if name_or_path.endswith(".toml"):
        path = Path(name_or_path)
        if not path.is_file():
            raise RecipeError(f"There is no recipe file {path}")
        return path
    paths = {path.stem: path for path in built_in()}
    if name_or_path not in paths:
        raise RecipeError(
            f"There is no recipe {name_or_path!r}", f"one of {', '.join(paths)}, or a path that ends in .toml"
        )
    return paths[name_or_path]


def built_in() -> list[Path]:
    """Return the files of the built-in recipes, in name order."""
    return sorted(RECIPES_FOLDER.glob("*.toml"))


def load(path: Path) -> Recipe:
    """Read and validate a recipe.

    Args:
        path: A TOML file.

    Raises:
        RecipeError: The file cannot be read, is no TOML, lacks a key, has an unknown one, or a value is out of range.
    """
    return read(Recipe, path)


def load_header(path: Path) -> RecipeHeader:
    """Read what every recipe file begins with.

    Args:
        path: A TOML file.

    Raises:
        RecipeError: The file cannot be read, is no TOML, or lacks one of these keys.
    """
    return read(RecipeHeader, path)


def read(model: type[_Model], path: Path) -> _Model:
    """Read and validate a TOML file.

    Args:
        model: What it holds.
        path: The file.

    Raises:
        RecipeError: The file cannot be read, is no TOML, lacks a key, has an unknown one, or a value is out of range.
    """
    try:
        with path.open("rb") as stream:
            return model.model_validate(tomllib.load(stream))
    except OSError as error:
        raise RecipeError(f"Cannot read recipe {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"Recipe {path} is not valid TOML: {error}") from error
    except ValidationError as error:
        raise RecipeError(f"Recipe {path}: {one_line(error)}") from error


def one_line(error: ValidationError) -> str:
    """Name each fault of a recipe by the key at which it stands.

    Args:
        error: What pydantic found.
    """
    faults = []
    for fault in error.errors():
        place = [str(part) for part in fault["loc"]]
        # The discriminator of the network's kind is part of pydantic's path, not of the file's.
        key = ".".join(place[:1] + place[2:] if place[0] == "network" and len(place) > 1 else place)
        match fault["type"]:
            case "extra_forbidden":
                faults.append(f"unknown key {key}")
            case "missing":
                faults.append(f"key {key} is missing")
            case _:
                faults.append(f"{key}: {fault['msg']}")
    return "; ".join(faults)


def toml_text(table: dict[str, Any], path: str = "") -> str:
    """Write nested dictionaries as TOML: plain values first, then tables.

    TOML's strings, numbers, booleans and arrays of them are written as in JSON.
    """
    plain = {key: value for key, value in table.items() if not _holds_tables(value)}
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in plain.items()]
    for key, value in table.items():
        name = f"{path}{key}"
        if isinstance(value, dict):
            lines.append(f"\n[{name}]\n{toml_text(value, f'{name}.')}".rstrip())
        elif _holds_tables(value):
            lines.extend(f"\n[[{name}]]\n{toml_text(item, f'{name}.')}".rstrip() for item in value)
    return "\n".join(lines) + "\n"


def _holds_tables(value: object) -> bool:
    items = value if isinstance(value, list | tuple) else [value]
    return any(isinstance(item, dict) for item in items)
