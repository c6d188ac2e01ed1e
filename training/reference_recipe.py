"""Hyperparameters of the reference network, validated."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, ValidationError

from training.recipe import RecipeError

Seed = Annotated[int, Field(ge=0, lt=2**31)]
Share = Annotated[float, Field(ge=0, lt=1)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ExampleSettings(_Table):
    """Which synthetic examples are made.

    Attributes:
        shards: Number of shards of 500 lines of digits.
        word_shards: Number of shards of 500 lines without digits.
        seed: Of the lines.
        workers: Processes that make them.
    """

    shards: Annotated[int, Field(ge=2)]
    word_shards: Annotated[int, Field(ge=0)]
    seed: Seed
    workers: PositiveInt


class CropSettings(_Table):
    """The crop network.

    Attributes:
        filters: Channels of the five convolutions.
        dense: Units of the hidden layer.
        dropout: Before and after it.
        epochs: Passes over all examples.
        batch_size: Examples a step.
        learning_rate: Peak.
        weight_decay: Of AdamW.
        mnist_repeats: How often MNIST counts.
        candidates_per_epoch: Candidates of synthetic lines that each epoch draws.
        rotation: Augmentation, degrees to either side.
        scale: Augmentation, largest change of size in each direction, logarithmic.
        shear: Augmentation, pixels per pixel.
        shift: Augmentation, pixels.
        forget_context: Share of examples whose surroundings are left out.
        seed: Of first weights, order and augmentation.
    """

    filters: tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt, PositiveInt]
    dense: PositiveInt
    dropout: Share
    epochs: PositiveInt
    batch_size: PositiveInt
    learning_rate: PositiveFloat
    weight_decay: Share
    mnist_repeats: PositiveInt
    candidates_per_epoch: PositiveInt
    rotation: Annotated[float, Field(ge=0, le=45)]
    scale: Share
    shear: Share
    shift: Annotated[float, Field(ge=0, le=4)]
    forget_context: Share
    seed: Seed


class LineSettings(_Table):
    """The line network.

    Attributes:
        filters: Channels of the convolutions.
        dropout: Before and after the last one.
        epochs: Passes over all lines.
        batch_size: Lines a step.
        learning_rate: Peak.
        weight_decay: Of AdamW.
        seed: Of first weights, order and distortion.
    """

    filters: tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt, PositiveInt, PositiveInt]
    dropout: Share
    epochs: PositiveInt
    batch_size: PositiveInt
    learning_rate: PositiveFloat
    weight_decay: Share
    seed: Seed


class ReferenceRecipe(_Table):
    """The reference network in full.

    Attributes:
        name: ``reference``.
        title: One line.
        expected_accuracy: On the MNIST test set.
        parameters: Of both networks together.
        examples: Synthetic examples.
        crops: The crop network.
        line: The line network.
    """

    name: str
    title: str
    expected_accuracy: Share
    parameters: PositiveInt
    examples: ExampleSettings
    crops: CropSettings
    line: LineSettings


def load(path: Path) -> ReferenceRecipe:
    """Read the recipe.

    Args:
        path: The .toml file.

    Raises:
        RecipeError: It cannot be read, or a key or value is wrong.
    """
    try:
        return ReferenceRecipe.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise RecipeError(f"Cannot read the recipe {path}: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise RecipeError(f"{path}: {place}: {first['msg']}") from error
