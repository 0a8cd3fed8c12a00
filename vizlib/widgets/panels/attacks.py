"""The panels of adversarial examples that take many steps: a running attack, one from noise, and how often it fools.

To change a panel, copy its function into a cell together with the imports and helpers that it uses: it is an ordinary
call of `live.run` or `widgets.explore`. The panels of a single step are in `adversarial.py`.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from vizlib import images, models, plot, widgets
from vizlib.images.galleries import Gallery
from vizlib.models import Network
from vizlib.optimize import Step
from vizlib.synthesis import adversarial, robustness
from vizlib.synthesis.adversarial import AttackKnobs
from vizlib.widgets import live
from vizlib.widgets.panels.adversarial import NORMS, level_slider
from vizlib.widgets.panels.controls import choice, class_box, ladder

STEPS = [50, 100, 300, 400, 1000]


def seen(net: Network, original: Tensor, step: Step, amplified: float) -> Tensor:
    """The original, the change and the image of a step, with the network's answers, as an image for `live.run`."""
    before, after = (net.predict(image, 3)[0] for image in (original, step.image))
    title = f"{net.name}, step {step.iteration}"
    figure = plot.attack_view(original, step.image, before, after, amplified, title, width=6.3)
    return images.load(plot.to_png(figure))


def adversarial_attack(
    net: Network,
    photo: str = "chelsea",
    target: str = "goldfish",
    level: float = 4,
    step_level: float = 1,
    norm: str = "Linf",
    steps: int = 400,
) -> live.Run:
    """An attack of many steps on a photo, inside a ball whose size and target may be changed while it runs.

    Args:
        net: The network at first; the panel offers others.
        photo: The name of the photo at first.
        target: The name of the class to go towards; "" goes away from the network's answer.
        level, step_level: The size of the ball and of a step at first, in grey levels of 255.
        norm: Which size is meant at first, 'Linf' or 'L2'.
        steps: How many steps.
    """
    knobs, networks = AttackKnobs(random_start=True), widgets.NetworkPicker([net])

    def start(net: Network, photo: Tensor) -> Iterator[Step]:
        return adversarial.attack(net, images.prepare(photo, net.input_size), knobs)

    def picture(step: Step, net: Network, photo: Tensor) -> Tensor:
        return seen(net, images.prepare(photo, net.input_size), step, amplified=10)

    return live.run(
        start,
        knobs,
        alt=f"A photo, a small change, and their sum, which the network takes for a {target or 'something else'}",
        key="attack",
        quick=20,
        picture=picture,
        shown=("target", "epsilon", "step_size", "steps", "photo"),
        inputs={"photo": widgets.ImagePicker(photo), "net": networks},
        sliders={
            "target": class_box(networks, target, placeholder="away from the answer"),
            "epsilon": level_slider("epsilon", level),
            "step_size": level_slider("step size", step_level),
            "norm": choice("norm", NORMS, norm),
            "steps": ladder("steps", STEPS, steps),
        },
        layout="above",
    )


def adversarial_noise(
    net: Network,
    target: str = "king penguin",
    level: float = 16,
    step_level: float = 2,
    seed: int = 3,
    steps: int = 300,
) -> live.Run:
    """An attack that begins with noise, and ends with noise of which the network is sure.

    Args:
        net: The network at first; the panel offers others.
        target: The name of the class to go towards.
        level, step_level: The largest change and the size of a step at first, in grey levels of 255.
        seed: Seeds the noise.
        steps: How many steps.
    """
    knobs, networks = AttackKnobs(), widgets.NetworkPicker([net])

    def start(net: Network) -> Iterator[Step]:
        return adversarial.fooling(net, knobs, seed=seed)

    def picture(step: Step, net: Network) -> Tensor:
        noise = torch.rand(step.image.shape, generator=torch.Generator().manual_seed(seed))
        return seen(net, noise, step, amplified=5)

    return live.run(
        start,
        knobs,
        alt=f"Noise, a small change, and noise that the network takes for a {target}",
        key="fooling",
        quick=60,
        picture=picture,
        shown=("target", "epsilon", "step_size", "steps"),
        inputs={"net": networks},
        sliders={
            "target": class_box(networks, target),
            "epsilon": level_slider("epsilon", level, anything=True),
            "step_size": level_slider("step size", step_level),
            "steps": ladder("steps", STEPS, steps),
        },
        layout="above",
    )


def adversarial_rates(net: Network, gallery: Gallery, attack: str = "one step", norm: str = "Linf") -> widgets.Explorer:
    """How often images that are made against one network change the answers of it and of others.

    Args:
        net: The network that the images are made against at first; the panel offers others.
        gallery: The images to change, at no more than 112 pixels; only every second one is, which is quicker.
        attack: 'one step', 'ten steps', or 'random' for noise of the same size.
        norm: Which size is meant at first, 'Linf' or 'L2'.
    """
    levels, some = [1, 2, 4, 8], gallery.subset(range(0, len(gallery), 2))
    both = [models.load("minivgg"), models.load("miniresnet")]

    def noisy(net: Network, image: Tensor, *, epsilon: float, norm: str) -> Tensor:
        return adversarial.add(image, adversarial.random_direction(image, norm), epsilon)

    attacks: dict[str, Callable[..., Tensor]] = {
        "one step": adversarial.fgsm,
        "ten steps": adversarial.pgd,
        "random": noisy,
    }

    def draw(net: Network, attack: str, norm: str) -> Iterator[widgets.Progress]:
        def make(net: Network, image: Tensor, *, epsilon: float) -> Tensor:
            return attacks[attack](net, image, epsilon=epsilon, norm=norm)

        side = min(net.input_size, 112)
        judges = (net, *(judge for judge in both if judge.name != net.name))
        for step in robustness.measuring(net, some, [level / 255 for level in levels], make, judges, 8, side):
            lines = {judge.name: shares.tolist() for judge, shares in zip(judges, step.shares, strict=True)}
            title = f"{attack} ({norm}), made against {net.name}, {step.done} crops"
            figure = plot.lines(levels, lines, "grey levels", "answers that change", title, percent=True)
            yield widgets.Progress(step.done, step.total, figure)

    return widgets.explore(
        draw,
        alt="How often images made against one network change the answers of others",
        title="the fooling rates",
        net=widgets.NetworkPicker([net]),
        attack=choice("attack", list(attacks), attack),
        norm=choice("norm", NORMS, norm),
    )
