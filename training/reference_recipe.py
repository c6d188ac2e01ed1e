"""Hyperparameters of the reference network, validated."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveFloat, PositiveInt, ValidationError

from training.recipe import RecipeError, one_line, read

LINES_PER_SHARD = 500
"""Lines of examples in one shard."""
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


class Settle(_Table):
    """The end of a training: a network that has seen hard examples learns from plainer ones, in small steps.

    Attributes:
        epochs: Passes over all examples.
        learning_rate: Peak.
        dropout: In place of that before.
        strength: Of the augmentation, as a share of that before.
    """

    epochs: PositiveInt
    learning_rate: PositiveFloat
    dropout: Share
    strength: Annotated[float, Field(gt=0, le=1)]


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
        bend: Augmentation, standard deviation of a smooth displacement, pixels.
        half_precision: Compute in bfloat16 on float32 weights where the machine has it.
        forget_context: Share of examples whose surroundings are left out.
        geometry_jitter: Standard deviation of the digit height, logarithmic, and of the base line, in digit heights.
        seed: Of first weights, order and augmentation.
        kept: Where the training begins with a network's weights, their share in the mean that it ends with.
        settle: What follows, if anything.
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
    bend: Annotated[float, Field(ge=0, le=3)] = 0.0
    half_precision: bool = False
    forget_context: Share
    geometry_jitter: Share = 0.0
    seed: Seed
    kept: Share = 0.0
    settle: Settle | None = None

    def settled(self, settle: Settle) -> Self:
        """Return the settings of the end of the training."""
        limits = {
            name: getattr(self, name) * settle.strength for name in ("rotation", "scale", "shear", "shift", "bend")
        }
        return self.model_copy(update=settle.model_dump(exclude={"strength"}) | limits | {"settle": None})


class LineSettings(_Table):
    """The line network.

    Attributes:
        filters: Channels of the convolutions.
        residual: Whether a residual block follows the fourth and the fifth (He et al., 2016).
        neighbours: Whether another one at the end looks at the digits around: the width of cells, the size of a hand.
        likeness: Heads of what then compares each digit with all others of the line: a hand writes them alike; 0 for
            none.
        dropout: Before and after the last one.
        epochs: Passes over all lines.
        batch_size: Lines a step.
        learning_rate: Peak.
        weight_decay: Of AdamW.
        half_precision: Compute in bfloat16 on float32 weights where the machine has it.
        strength: Of the augmentation.
        seed: Of first weights, order and augmentation.
        kept: Where the training begins with a network's weights, their share in the mean that it ends with.
        settle: What follows, if anything.
    """

    filters: tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt, PositiveInt, PositiveInt]
    residual: bool = False
    neighbours: bool = False
    likeness: NonNegativeInt = 0
    dropout: Share
    epochs: PositiveInt
    batch_size: PositiveInt
    learning_rate: PositiveFloat
    weight_decay: Share
    half_precision: bool = False
    strength: Annotated[float, Field(gt=0, le=1)] = 1.0
    seed: Seed
    kept: Share = 0.0
    settle: Settle | None = None

    def settled(self, settle: Settle) -> Self:
        """Return the settings of the end of the training."""
        return self.model_copy(update=settle.model_dump() | {"settle": None})


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

    def override(self, **values: int | float) -> Self:
        """Return a copy with other values.

        Args:
            **values: ``epochs``, ``batch_size`` and ``learning_rate`` of both networks, what follows as `Settle` has no
                more epochs than that; ``seed`` of everything;
                ``limit``: the most lines of examples, rounded to whole shards, at least two.

        Raises:
            RecipeError: A value is out of its range.
        """
        table = self.model_dump()
        examples = table["examples"]
        for name, value in values.items():
            if name == "limit":
                share = min(1.0, max(2, int(value) // LINES_PER_SHARD) / examples["shards"])
                examples["shards"] = max(2, round(share * examples["shards"]))
                examples["word_shards"] = round(share * examples["word_shards"])
                continue
            for part in ("examples", "crops", "line") if name == "seed" else ("crops", "line"):
                table[part][name] = value
                settle = table[part].get("settle")
                if name == "epochs" and settle is not None:
                    settle["epochs"] = min(settle["epochs"], value)
        try:
            return self.model_validate(table)
        except ValidationError as error:
            raise RecipeError(f"Recipe {self.name}: {one_line(error)}") from error


def load(path: Path) -> ReferenceRecipe:
    """Read the recipe.

    Args:
        path: The .toml file.

    Raises:
        RecipeError: It cannot be read, or a key or value is wrong.
    """
    return read(ReferenceRecipe, path)
