"""A flight into a dream: the picture is enlarged a little and dreamt into again, frame after frame.

Paper: Mordvintsev, Olah and Tyka 2015, "Inceptionism: going deeper into neural networks", its last section.
"""

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import torch
from torch import Tensor

from vizlib import images
from vizlib.models import Network
from vizlib.optimize import Step, last, transforms
from vizlib.synthesis.deepdream import DreamKnobs, dream


@dataclass(kw_only=True)
class ZoomKnobs(DreamKnobs):
    """How a dream goes on and on into itself; read at every frame.

    Attributes:
        steps: How many frames.
        per_frame: How many dream steps for each.
        zoom: How much each frame is enlarged before the next one is dreamt into it, 1 stays.
        turn: By how many degrees it is turned, too.
    """

    steps: int = 60
    per_frame: int = 4
    zoom: float = 1.03
    turn: float = 0.0


def zoom(net: Network, photo: Tensor, knobs: ZoomKnobs, guide: Tensor | None = None, seed: int = 0) -> Iterator[Step]:
    """The frames of a flight into a dream, a `Step` for each: the first is the photo's own dream.

    Every later frame is the one before, enlarged about its middle, and dreamt into anew; so `reach` is the distance
    from that. Taking no further frame leaves the ones before as they are; `save` makes a file of them.

    See `dream` for the arguments and what it raises.
    """
    frame, iteration = photo, 0
    while iteration < knobs.steps:
        iteration += 1
        dreamt = last(dream(net, frame, still(knobs), guide, seed + iteration))
        yield replace(dreamt, iteration=iteration)
        frame = closer(dreamt.image, knobs.zoom, knobs.turn)


def still(knobs: ZoomKnobs) -> DreamKnobs:
    """The knobs of the dream that makes one frame."""
    if knobs.per_frame < 1:
        raise ValueError(f"per_frame is {knobs.per_frame}, expected at least one step for each frame")
    names = [field.name for field in fields(DreamKnobs)]
    return DreamKnobs(**{name: getattr(knobs, name) for name in names} | {"steps": knobs.per_frame})


def closer(image: Tensor, zoom: float, turn: float = 0.0) -> Tensor:
    """The image `(1, 3, H, W)` enlarged by a factor about its middle and turned by some degrees."""
    if not 1 <= zoom < float("inf"):
        raise ValueError(f"zoom is {zoom}, expected a factor from 1 on: below it there is nothing beyond the border")
    if not math.isfinite(turn):
        raise ValueError(f"turn is {turn}, expected an angle in degrees")
    angle, (height, width) = math.radians(turn), image.shape[2:]
    rotation = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    matrix = torch.block_diag(zoom * rotation, torch.ones(1, 1))
    return transforms.warp(image, matrix[None], height, width).clamp(0, 1)


def save(frames: Sequence[Tensor], path: str | os.PathLike, frames_per_second: float = 12) -> Path:
    """Write frames `(1, 3, H, W)` of one size as a film, GIF or WebP by the suffix, and return the path.

    Raises:
        ImageError: See `images.save_animation`.
    """
    return images.save_animation([images.to_bytes(frame) for frame in frames], path, frames_per_second)
