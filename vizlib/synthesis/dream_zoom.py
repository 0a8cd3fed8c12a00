"""A flight into a dream: enlarge the picture a little and dream into it again, frame after frame.

Paper: Mordvintsev, Olah and Tyka 2015, "Inceptionism: going deeper into neural networks", last section.
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
    """How the flight proceeds; read at every frame.

    Attributes:
        steps: Number of frames.
        per_frame: Number of dream steps for each frame.
        zoom: Factor by which each frame is enlarged before the next dream; 1 leaves the size alone.
        turn: Angle in degrees by which it is turned as well.
    """

    steps: int = 60
    per_frame: int = 4
    zoom: float = 1.03
    turn: float = 0.0


def zoom(net: Network, photo: Tensor, knobs: ZoomKnobs, guide: Tensor | None = None, seed: int = 0) -> Iterator[Step]:
    """The frames of a flight into a dream, a `Step` for each; the first is an ordinary dream of the photo.

    Every later frame is the one before it, enlarged about its centre and dreamt into anew; `reach` is therefore
    measured from that enlarged frame. `save` writes the frames to a file.

    The arguments and errors are those of `dream`. A `ValueError` also says when `per_frame`, `zoom` or `turn` is out
    of range.
    """
    frame, iteration = photo, 0
    while iteration < knobs.steps:
        iteration += 1
        dreamt = last(dream(net, frame, still(knobs), guide, seed + iteration))
        yield replace(dreamt, iteration=iteration)
        frame = closer(dreamt.image, knobs.zoom, knobs.turn)


def still(knobs: ZoomKnobs) -> DreamKnobs:
    """The knobs of the dream that makes a single frame."""
    if knobs.per_frame < 1:
        raise ValueError(f"per_frame is {knobs.per_frame}, expected at least one step for each frame")
    names = [field.name for field in fields(DreamKnobs)]
    return DreamKnobs(**{name: getattr(knobs, name) for name in names} | {"steps": knobs.per_frame})


def closer(image: Tensor, zoom: float, turn: float = 0.0) -> Tensor:
    """The image `(1, 3, H, W)` enlarged by a factor about its centre and turned by an angle in degrees."""
    if not 1 <= zoom < float("inf"):
        raise ValueError(f"zoom is {zoom}, expected a factor of at least 1: a smaller one would uncover the border")
    if not math.isfinite(turn):
        raise ValueError(f"turn is {turn}, expected an angle in degrees")
    angle, (height, width) = math.radians(turn), image.shape[2:]
    rotation = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    matrix = torch.block_diag(zoom * rotation, torch.ones(1, 1))
    return transforms.warp(image, matrix[None], height, width).clamp(0, 1)


def save(frames: Sequence[Tensor], path: str | os.PathLike, frames_per_second: float = 12) -> Path:
    """Write frames `(1, 3, H, W)` of one size as an animation, GIF or WebP by the suffix, and return the path.

    Raises:
        ImageError: See `images.save_animation`.
    """
    return images.save_animation([images.to_bytes(frame) for frame in frames], path, frames_per_second)
