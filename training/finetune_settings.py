"""Every number that fine-tuning is governed by."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt

Share = Annotated[float, Field(gt=0, lt=1)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Stage(_Table):
    """How one network learns.

    Attributes:
        passes: How often each of the user's pictures is seen.
        min_steps: However few pictures there are.
        max_steps: However many there are.
        batch_size: Examples a step.
        own_share: Share of the user's pictures in what is seen; the rest is rehearsal.
        learning_rate: Peak.
        weight_decay: Of AdamW.
        ema: Momentum of the running mean of the weights, which is what is kept.
    """

    passes: PositiveInt
    min_steps: PositiveInt
    max_steps: PositiveInt
    batch_size: Annotated[int, Field(ge=4)]
    own_share: Share
    learning_rate: PositiveFloat
    weight_decay: Annotated[float, Field(ge=0)]
    ema: Share

    def steps(self, count: int) -> int:
        """Return the number of steps for so many pictures of the user."""
        wanted = round(self.passes * count / (self.batch_size * self.own_share))
        return min(max(wanted, self.min_steps), self.max_steps)


class Affine(_Table):
    """Distortion of crops, see `training.crop_augmentation.Limits`."""

    rotation: float = 6.0
    scale: float = 0.08
    shear: float = 0.1
    shift: float = 0.8
    bend: float = 0.45


class FinetuneSettings(_Table):
    """All settings, as they stand on the card.

    Attributes:
        seed: Of the parts, order and distortion.
        held_out: Share of the pictures that before and after are compared on.
        calibration: Share of the others that the confidence is fitted on.
        shards: Of 500 synthetic lines of digits each, for rehearsal.
        word_shards: Of 500 lines without digits.
        affine: Distortion of crops.
        crops: How the crop network learns.
        line: How the line network learns.
    """

    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
    held_out: Share = 0.2
    calibration: Share = 0.15
    shards: PositiveInt = 3
    word_shards: PositiveInt = 1
    affine: Affine = Affine()
    crops: Stage = Stage(
        passes=6,
        min_steps=300,
        max_steps=400,
        batch_size=256,
        own_share=0.3,
        learning_rate=0.0002,
        weight_decay=0.0005,
        ema=0.99,
    )
    line: Stage = Stage(
        passes=20,
        min_steps=300,
        max_steps=1000,
        batch_size=32,
        own_share=0.7,
        learning_rate=0.001,
        weight_decay=0.0005,
        ema=0.99,
    )
