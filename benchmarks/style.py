"""Style transfer: milliseconds per iteration compared with two common ways, and one pass of the fast net.

    python -m benchmarks.style [--network vgg19] [--size 256] [--steps 5] [--rounds 3] [--threads 2] [--clock process]

All of them optimise the pixels of the same photo with the same layers of the same network. An iteration is one loss
with its gradient and one update; what each computes once, before the first iteration, is not timed.

- The tutorial's way: modules that record a loss are inserted after each layer that counts, the network ends after the
  last of them, and L-BFGS asks for the loss. It runs once with weights that still collect gradients, as the tutorial
  had them for years, and once with frozen weights.
- Hooks and Adam: the whole feature extractor runs, hooks keep the activations, and the weights are frozen.
- vizlib: frozen, channels last, the forward pass stops at the deepest layer; Adam, at one size only.

Before they are timed, all three compute the losses of one image, which must agree to 1e-4. The weights are random
unless those of VGG-19 are in the cache; that does not affect the time of an iteration.

Then comes what a person waits for (`--reach`): the steps and seconds after which the tutorial's way has the loss that
it has after so many evaluations, and those after which vizlib has it, with pixels or Fourier coefficients. Here the
weights matter: `--weights` gives the file of trained ones.

Then comes the fast net: one pass, and how long the optimisation takes to reach the same loss on the same photo, as
measured by the bundled network and by the one that was timed.
"""

import argparse
import copy
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.timing import interleaved, report
from vizlib import compute, images, models
from vizlib.models import Network
from vizlib.optimize import losses
from vizlib.synthesis import fast_style, style

CLOCKS = {"wall": time.perf_counter, "process": time.process_time}
LAYERS = {  # content, style
    "the tutorial's five layers": (["conv4_1"], ["conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1"]),
    "Gatys' layers": (["relu4_2"], ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]),
}
ITERATED = ("vgg16", "vgg19")
TUTORIAL = "tutorial, weights collect gradients"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="vgg19", help="of iterations only vgg16 and vgg19 are timed")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--steps", type=int, default=5, help="steps per turn")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--clock", choices=CLOCKS, default="process")
    parser.add_argument("--weights", help="a file with the weights of the network")
    parser.add_argument("--reach", type=int, default=60, help="evaluations of the loss by the tutorial's way; 0 skips")
    parser.add_argument("--skip-fast-net", action="store_true")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    print(f"bfloat16 is {'' if compute.bf16_is_faster() else 'not '}faster than float32 on this processor")
    weights = options.weights or ("trained" if options.network in models.cached() else "untrained")
    net = models.load(options.network, "cpu", weights)
    photo, painting = (images.prepare(images.load(name), options.size) for name in ("chelsea", "whirls"))
    for name, (content, by_style) in LAYERS.items() if options.network in ITERATED else ():
        compare(net, photo, painting, name, content, by_style, options)
    if options.reach:
        reach(net, photo, painting, options.reach)
    if not options.skip_fast_net:
        for judge in (models.load("minivgg", "cpu"), net):
            for style_weight in (10, 30):
                one_pass(judge, photo, style_weight, options)


# --- an iteration ---------------------------------------------------------------------------------------------------


def compare(
    net: Network,
    photo: Tensor,
    painting: Tensor,
    name: str,
    content: list[str],
    by_style: list[str],
    options: argparse.Namespace,
) -> dict[str, float]:
    """The seconds per iteration of each contender, which are also printed; first checks that all losses agree."""
    knobs = style.StyleKnobs(
        options.steps, size=options.size, scales=1, total_variation=0, content_layers=content, style_layers=by_style
    )
    trainable = Tutorial(net, photo, painting, content, by_style).requires_grad_(True)
    frozen = Tutorial(net, photo, painting, content, by_style).requires_grad_(False)
    hooked = Hooked(net, photo, painting, content, by_style)
    agree(net, photo, painting, knobs, {"tutorial": frozen, "hooks": hooked})

    def ours(bf16: bool) -> Callable[[], None]:
        endless = style.StyleKnobs(**(vars(knobs) | {"bf16": bf16, "steps": 10**9}))
        steps = style.transfer(net, photo, [painting], endless)
        for _ in range(len(style.SHIFTS)):  # until all targets are known, as those of the others are
            next(steps)
        return lambda: [next(steps) for _ in range(options.steps)] and None

    contenders = {
        TUTORIAL: partial(by_lbfgs, trainable, photo, options.steps),
        "tutorial, frozen": partial(by_lbfgs, frozen, photo, options.steps),
        "hooks and Adam, frozen": partial(by_adam, hooked, photo, options.steps),
        "vizlib, float32": ours(False),
        "vizlib, bfloat16": ours(True),
    }
    turns = interleaved(contenders, options.rounds, 1, CLOCKS[options.clock])
    seconds = {label: taken / options.steps for label, taken in turns.items()}
    threads = f"{torch.get_num_threads()} threads, {options.clock} time, median of {options.rounds}"
    report(f"{net.name}, {options.size} px, {name}: milliseconds per iteration, {threads}", seconds, TUTORIAL)
    return seconds


def agree(
    net: Network,
    photo: Tensor,
    painting: Tensor,
    knobs: style.StyleKnobs,
    others: dict[str, Callable[[Tensor], tuple[Tensor, Tensor]]],
) -> None:
    """Raise `AssertionError` unless all contenders find the same two losses of one image, in the same units."""
    image = (photo + 0.1 * torch.randn(photo.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    ours = style.Targets(net, photo, [painting]).measure(image, knobs)
    for name, other in others.items():
        theirs = [part.item() for part in other(image)]
        worst = max(abs(a - b) / abs(b) for a, b in zip(ours, theirs, strict=True))
        print(f"  losses of vizlib and of {name} differ by {worst:.1e} of their value")
        assert worst < 1e-4, f"{name} computes other losses: {theirs} instead of {ours}"


class Remember(nn.Module):
    """A layer that passes its input on and records a loss: the distance from a target, in a given unit."""

    def __init__(self, of: Callable[[Tensor], Tensor], target: Tensor, unit: Tensor):
        super().__init__()
        self.of, self.target, self.unit = of, target.detach(), unit.detach()

    def forward(self, x: Tensor) -> Tensor:
        """`x`, unchanged; its loss is kept in `self.loss`."""
        self.loss = F.mse_loss(self.of(x), self.target) / self.unit
        return x


def gram(x: Tensor) -> Tensor:
    """The Gram matrix of the tutorial, divided by the number of values."""
    n, c, h, w = x.size()
    flat = x.view(n * c, h * w)
    return torch.mm(flat, flat.t()).div(n * c * h * w)


def same(x: Tensor) -> Tensor:
    """`x` itself: content is compared as it is."""
    return x


class Tutorial(nn.Sequential):
    """The network up to the last layer that counts, with a `Remember` after each of these, in torch's own layout."""

    def __init__(self, net: Network, photo: Tensor, painting: Tensor, content: list[str], by_style: list[str]):
        super().__init__()
        names = {id(module): name for name, module in net.layers.items()}
        here, there = net.normalize(photo), net.normalize(painting)
        self.normalize, self.content, self.style = net.normalize, [], []
        for module in net.module.features:
            name = names.get(id(module))
            plain = nn.ReLU() if isinstance(module, nn.ReLU) else copy.deepcopy(module)
            plain = plain.to(memory_format=torch.contiguous_format)
            self.append(plain)
            with torch.no_grad():
                here, there = plain(here), plain(there)
            if name in content:
                spread = here - here.mean((2, 3), keepdim=True)
                self._remember(self.content, same, here, spread.square().mean())
            if name in by_style:
                self._remember(self.style, gram, gram(there), F.mse_loss(gram(here), gram(there)))
            if len(self.content) == len(content) and len(self.style) == len(by_style):
                break

    def _remember(self, kind: list, of: Callable[[Tensor], Tensor], target: Tensor, unit: Tensor) -> None:
        kind.append(Remember(of, target, unit))
        self.append(kind[-1])

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Content and style loss of an image, each the mean over its layers."""
        super().forward(self.normalize(image))
        return tuple(sum(part.loss for part in kind) / len(kind) for kind in (self.content, self.style))


class Hooked:
    """The whole feature extractor, with a forward hook on each layer that counts."""

    def __init__(self, net: Network, photo: Tensor, painting: Tensor, content: list[str], by_style: list[str]):
        self.net, self.wanted = net, (content, by_style)
        self.features = copy.deepcopy(net.module.features).to(memory_format=torch.contiguous_format)
        named = dict(zip(net.module.features, self.features, strict=True))
        self.modules = {layer: named[net.layers[layer]] for layer in {*content, *by_style}}
        for module in self.features:
            if isinstance(module, nn.ReLU):
                module.inplace = False
        with torch.no_grad():
            self.here, there = self.run(photo), self.run(painting)
        self.grams = {layer: losses.gram_matrix(there[layer]) for layer in by_style}

    def run(self, image: Tensor) -> dict[str, Tensor]:
        """The activations of the layers that count, by name."""
        kept: dict[str, Tensor] = {}
        handles = [
            module.register_forward_hook(lambda _m, _i, output, layer=layer: kept.__setitem__(layer, output))
            for layer, module in self.modules.items()
        ]
        self.features(self.net.normalize(image))
        for handle in handles:
            handle.remove()
        return kept

    def __call__(self, image: Tensor) -> tuple[Tensor, Tensor]:
        found = self.run(image)
        content = []
        for layer in self.wanted[0]:
            here = self.here[layer]
            content.append(F.mse_loss(found[layer], here) / (here - here.mean((2, 3), keepdim=True)).square().mean())
        by_style = []
        for layer, wanted in self.grams.items():
            unit = F.mse_loss(losses.gram_matrix(self.here[layer]), wanted)
            by_style.append(F.mse_loss(losses.gram_matrix(found[layer]), wanted) / unit)
        return sum(content) / len(content), sum(by_style) / len(by_style)


def by_lbfgs(model: Tutorial, photo: Tensor, steps: int) -> None:
    """Optimise with L-BFGS, with exactly `steps` evaluations of the loss."""
    picture = photo.clone().requires_grad_()
    optimizer = torch.optim.LBFGS([picture], max_iter=steps, max_eval=steps, tolerance_grad=-1, tolerance_change=-1)

    def closure() -> Tensor:
        with torch.no_grad():
            picture.clamp_(0, 1)
        optimizer.zero_grad()
        content, by_style = model(picture)
        loss = content + 10 * by_style
        loss.backward()
        return loss

    optimizer.step(closure)


def by_adam(model: Hooked, photo: Tensor, steps: int) -> None:
    """Optimise with `steps` steps of Adam."""
    picture = photo.clone().requires_grad_()
    optimizer = torch.optim.Adam([picture], lr=0.03)
    for _ in range(steps):
        optimizer.zero_grad()
        content, by_style = model(picture)
        (content + 10 * by_style).backward()
        optimizer.step()
        with torch.no_grad():
            picture.clamp_(0, 1)


# --- what a person waits for -----------------------------------------------------------------------------------------


def reach(net: Network, photo: Tensor, painting: Tensor, evaluations: int) -> dict[str, tuple[int, float]]:
    """The steps and wall-clock seconds of each way to the loss that plain L-BFGS on pixels has after `evaluations`.

    All minimise content + 10 * style with the network's own layers, from the photo, and are compared by that loss at
    full size; a way that does not get there within twice the time is given up. The times are also printed.
    """
    knobs = style.StyleKnobs(size=max(photo.shape[2:]), scales=1, total_variation=0)
    targets = style.Targets(net, photo, [painting])
    curve = pixels_by_lbfgs(targets, knobs, photo, evaluations)
    goal, limit = min(loss for loss, _ in curve), 2 * curve[-1][1]
    first = next(i for i, (loss, _) in enumerate(curve) if loss <= goal)
    found = {"L-BFGS on pixels, as in the tutorial": (first + 1, curve[first][1])}
    plain = {"steps": 10 * evaluations}
    ways = {
        "vizlib, Adam on pixels": plain,
        "vizlib, Adam, four sizes": {"steps": evaluations, "scales": 4},
        "vizlib, L-BFGS on pixels": plain | {"optimizer": "lbfgs", "learning_rate": 1.0},
        "vizlib, L-BFGS on a spectrum": plain
        | {"optimizer": "lbfgs", "learning_rate": 1.0, "parametrization": "spectrum"},
    }
    for way, changes in ways.items():
        watch = Watch()
        for step in style.transfer(net, photo, [painting], replace(knobs, **changes)):
            with watch.stopped():
                content, by_style = targets.measure(step.image, knobs) if step.image.shape == photo.shape else (9, 9)
            if content + 10 * by_style <= goal or watch.seconds() > limit:
                break
        there = content + 10 * by_style <= goal
        found[way] = step.iteration if there else 0, watch.seconds()
    baseline = found["L-BFGS on pixels, as in the tutorial"][1]
    size = "x".join(map(str, photo.shape[2:]))
    print(f"\n{net.name}, {size}: until content + 10 style is {goal:.3f}, {torch.get_num_threads()} threads")
    for way, (steps, seconds) in found.items():
        taken = f"{steps:5} steps {seconds:8.1f} s {baseline / seconds:6.2f}x" if steps else "not within twice the time"
        print(f"  {way:<40} {taken}")
    return found


class Watch:
    """Seconds of the wall clock since it was made, without those inside `with watch.stopped()`."""

    def __init__(self):
        self._began, self._out = time.perf_counter(), 0.0

    def seconds(self) -> float:
        """The seconds so far."""
        return time.perf_counter() - self._began - self._out

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Inside the `with`, no time counts."""
        began = time.perf_counter()
        yield
        self._out += time.perf_counter() - began


def pixels_by_lbfgs(
    targets: style.Targets, knobs: style.StyleKnobs, photo: Tensor, evaluations: int
) -> list[tuple[float, float]]:
    """The loss and the seconds so far at each evaluation of L-BFGS as the tutorial calls it."""
    picture, curve, began = photo.clone().requires_grad_(), [], time.perf_counter()
    optimizer = torch.optim.LBFGS([picture], max_iter=evaluations, max_eval=evaluations, tolerance_change=-1)

    def closure() -> Tensor:
        with torch.no_grad():
            picture.clamp_(0, 1)
        optimizer.zero_grad()
        loss = sum(targets.losses(picture, knobs).values())
        loss.backward()
        curve.append((loss.item(), time.perf_counter() - began))
        return loss.detach()

    optimizer.step(closure)
    return curve


# --- the fast net ---------------------------------------------------------------------------------------------------


def one_pass(
    net: Network, photo: Tensor, style_weight: float, options: argparse.Namespace, limit: float = 300
) -> float:
    """How many passes of the bundled net take as long as an optimisation that reaches the same loss.

    The loss is content + style_weight * style of `vizlib.synthesis.style`, as measured by `net`. The seconds of both
    are also printed. The optimisation is given up after `limit` seconds.
    """
    clock, quick = CLOCKS[options.clock], fast_style.load("one_style", "cpu")
    painting, side = images.style(quick.styles[0]), max(photo.shape[2:])
    knobs = style.StyleKnobs(2000, size=side, scales=1, style_size=1.5, style_weight=style_weight, total_variation=0)
    content, by_style = style.Targets(net, photo, [painting]).measure(fast_style.stylize(quick, photo), knobs)
    goal, begun = content + style_weight * by_style, clock()
    for step in style.transfer(net, photo, [painting], knobs):
        loss = sum(step.losses.values())
        if loss <= goal or clock() - begun > limit:
            break
    label = f"optimised in {step.iteration} steps to {loss:.2f}"
    seconds = {label: clock() - begun} | interleaved(
        {"one pass": partial(fast_style.stylize, quick, photo)}, 9, 2, clock
    )
    report(f"{quick.styles[0]}, {side} px, content + {style_weight:g} style by {net.name} = {goal:.2f}", seconds, label)
    return seconds[label] / seconds["one pass"]


if __name__ == "__main__":
    main()
