"""How a `StyleNet` learns: from the loss of style transfer, whose gradient goes to its weights, not to the pixels.

    min over the weights of  sum over photos  content(net(photo), photo) + style(net(photo), painting) + TV(net(photo))

The network never sees a picture that is the right answer. Paper: Johnson et al. 2016, section 3.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from vizlib.compute import bf16
from vizlib.hooks import read
from vizlib.models import Network
from vizlib.optimize import Adam, Diverged, Step, expect, losses, regularizers
from vizlib.synthesis.fast_style import StyleNet


@dataclass
class TrainingKnobs:
    """What may be changed while a network learns; read at every step.

    Attributes:
        steps: Total number of steps.
        content_weight, style_weight, total_variation: How much each of the three losses counts.
        learning_rate: For Adam (Kingma and Ba 2015), above 0 and at most 1.
        bf16: Compute in bfloat16 where the processor supports it.
    """

    steps: int = 200
    content_weight: float = 1.0
    style_weight: float = 2.0
    total_variation: float = 3.0
    learning_rate: float = 3e-3
    bf16: bool = False


class Judge(NamedTuple):
    """A network that measures how far pictures are from a photo's content and from the styles. Made by `judge`.

    Attributes:
        net: The network.
        content_layer: The layer where content is compared.
        grams: For each style layer, the Gram matrices of the S styles, `(S, C, C)`.
        emphasis: How many times each style's loss counts, `(S,)`; None counts each once.
    """

    net: Network
    content_layer: str
    grams: dict[str, Tensor]
    emphasis: Tensor | None = None

    def losses(self, pictures: Tensor, photos: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Content and style loss of pictures `(N, 3, H, W)` made from photos with style weights `(N, S)`."""
        wanted = read(self.net, photos, [self.content_layer])[self.content_layer].float()
        found = read(self.net, pictures, {self.content_layer, *self.grams}, grad=True)
        found = {layer: maps.float() for layer, maps in found.items()}
        content = losses.content_loss(found[self.content_layer], wanted)
        with torch.autocast(pictures.device.type, enabled=False):
            style = [_each(found[layer], torch.einsum("ns,sij->nij", weights, g)) for layer, g in self.grams.items()]
        counts = 1 if self.emphasis is None else weights @ self.emphasis
        return content, (torch.stack(style).mean(0) * counts).mean()


def _each(maps: Tensor, grams: Tensor) -> Tensor:
    """The style loss `(N,)` of each image, compared with its own style; see `losses.style_loss`."""
    gaps = (losses.gram_matrix(maps) - grams).square().sum((1, 2))
    return gaps / grams.square().sum((1, 2)).clamp(min=1e-12)


def judge(
    net: Network,
    styles: Sequence[Tensor],
    content_layer: str,
    style_layers: Sequence[str],
    emphasis: Sequence[float] | None = None,
) -> Judge:
    """A `Judge` for the style images `(1, 3, h, w)`; it keeps only their Gram matrices."""
    seen = [read(net, style, style_layers) for style in styles]
    grams = {i: torch.cat([losses.gram_matrix(s[i]) for s in seen]) for i in style_layers}
    return Judge(net, content_layer, grams, None if emphasis is None else torch.tensor(emphasis))


Draw = Callable[[int], tuple[Tensor, Tensor]]


def train(
    net: StyleNet,
    judges: Sequence[Judge],
    draw: Draw,
    knobs: TrainingKnobs,
    watch: Tensor | None = None,
    optimizer: torch.optim.Optimizer | None = None,
    done: int = 0,
) -> Iterator[Step]:
    """Train `net` in place, batch by batch; each `Step` has the losses and what the network now paints.

    Args:
        net: Changed in place. It is in training mode during a step, and in evaluation mode between steps.
        judges: Their losses are averaged.
        draw: A function from the number of a step to its photos `(N, 3, H, W)` and style weights `(N, S)`.
        knobs: Read at every step.
        watch: A photo `(n, 3, h, w)` that each step shows painted in the first style; None shows the batch instead.
        optimizer, done: The optimiser and the number of steps done, to resume a training; None and 0 start a new one.

    Raises:
        Diverged: The loss or the picture is not finite; the weights are those of the step before.
        ValueError: The net is frozen, or the learning rate or a loss weight is out of range.
    """
    if not any(parameter.requires_grad for parameter in net.parameters()):
        raise ValueError("the net is frozen, as load gives it: net.requires_grad_(True) lets it learn")
    optimizer = optimizer or Adam(net.parameters())
    iteration = done
    while iteration < knobs.steps:
        iteration += 1
        _check(knobs)
        optimizer.param_groups[0]["lr"] = knobs.learning_rate
        photos, weights = draw(iteration)
        net.train()
        try:
            values, pictures = _take(net, judges, photos, weights, knobs, optimizer, iteration)
        finally:
            net.eval()
        with torch.no_grad():
            shown = pictures.detach() if watch is None else net(watch)
        yield Step(iteration, shown, values)


def _check(knobs: TrainingKnobs) -> None:
    expect(knobs, 0, float("inf"), "content_weight", "style_weight", "total_variation")
    if not 0 < knobs.learning_rate <= 1:
        raise ValueError(f"learning_rate is {knobs.learning_rate}, expected a number above 0 and at most 1")


def _take(
    net: StyleNet,
    judges: Sequence[Judge],
    photos: Tensor,
    weights: Tensor,
    knobs: TrainingKnobs,
    optimizer: torch.optim.Optimizer,
    iteration: int,
) -> tuple[dict[str, float], Tensor]:
    """Take one step: the parts of the loss before it, and the pictures that the loss was computed for."""
    with torch.enable_grad(), bf16(photos.device, knobs.bf16):
        pictures = net(photos, weights).float()
        if not pictures.isfinite().all():
            raise Diverged(f"the net no longer paints finite numbers at step {iteration}: lower the learning rate")
        parts = _parts(judges, pictures, photos, weights, knobs)
    values = {name: part.item() for name, part in parts.items()}
    if not all(abs(value) < float("inf") for value in values.values()):
        raise Diverged(f"the loss is no longer finite at step {iteration}: lower the learning rate")
    optimizer.zero_grad()
    sum(parts.values()).backward()
    optimizer.step()
    return values, pictures


def _parts(
    judges: Sequence[Judge], pictures: Tensor, photos: Tensor, weights: Tensor, knobs: TrainingKnobs
) -> dict[str, Tensor]:
    found = torch.stack([torch.stack(judge.losses(pictures, photos, weights)) for judge in judges]).mean(0)
    return {
        "content": knobs.content_weight * found[0],
        "style": knobs.style_weight * found[1],
        "TV": knobs.total_variation * regularizers.total_variation(pictures),
    }


# --- photos to learn from -------------------------------------------------------------------------------------------


def crops(photos: Sequence[Tensor], styles: int, batch: int, side: int, seed: int = 0) -> Draw:
    """Random square crops of photos `(1, 3, H, W)`, uint8 or in [0, 1], each to be painted in a random style.

    They depend only on the seed and the number of the step, so a resumed training sees what it would have seen.

    Args:
        photos: Photos, none of them smaller than `side`.
        styles: S, the number of styles.
        batch: Crops per step.
        side: Their height and width in pixels.
        seed: Seeds the choices.

    Raises:
        ValueError: A photo is smaller than `side`; raised at the step that draws it.
    """

    def draw(step: int) -> tuple[Tensor, Tensor]:
        random = torch.Generator().manual_seed(seed * 1_000_003 + step)
        squares = [
            _square(photos[int(torch.randint(len(photos), (), generator=random))], side, random) for _ in range(batch)
        ]
        which = torch.randint(styles, (batch,), generator=random)
        return torch.cat(squares), torch.eye(styles)[which]

    return draw


def _square(photo: Tensor, side: int, random: torch.Generator) -> Tensor:
    if min(photo.shape[2:]) < side:
        size = "x".join(map(str, photo.shape[2:]))
        raise ValueError(f"a photo of {size} pixels is too small for a crop of {side}: resize it")
    top, left = (int(torch.randint(edge - side + 1, (), generator=random)) for edge in photo.shape[2:])
    square = photo[:, :, top : top + side, left : left + side]
    square = square.float() / 255 if square.dtype == torch.uint8 else square
    return square.flip(3) if torch.rand((), generator=random) < 0.5 else square
