"""Train `minivgg_robust`: MiniVGG by adversarial training in L2, from MiniVGG's weights (Madry et al. 2018).

    python scripts/train_robust.py --data path/to/tiny-imagenet-200 --photos path/to/imagenet-samples

--data is Tiny ImageNet in its official layout, --photos a folder of <wnid>_<label>.JPEG files. Each batch is first
attacked: from a random point of the ball of radius --epsilon around each image (the Euclidean norm, for pixels in
[0, 1]), one gradient step of 1.25 times the radius (Wong, Rice and Kolter 2020), back into the ball. The network learns
the right answers for what comes out. A checkpoint is kept in the folder --run every few minutes, and the same command
resumes from it, on a CPU or a GPU. `--evaluate` skips the training and scores what is already in data/.

The scores: answers that are right on the validation images, untouched and under an attack on the true label by many
gradient steps from several starts, in which an image counts as right only if no start and no step changed its answer.
"""

import argparse
import csv
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from train_minivgg import DATA, class_names, export, keep, load_split, normalize, resumed, score_photos

from vizlib import models
from vizlib.models.minivgg import MiniVGG

NAME = "minivgg_robust"
CHECKPOINT_SECONDS = 600
OVERSHOOT = 1.25  # the length of the training attack's one step, in radii
CHECKED = 1000  # validation images that the curve is measured on: every tenth
STRONG = 20  # the strongest attacks are tried on one image in so many: they take long


# --- the attack -----------------------------------------------------------------------------------------------------


def inside(change: Tensor, epsilon: float) -> Tensor:
    """Each change `(N, 3, H, W)`, shortened to the Euclidean length epsilon if it is longer."""
    return change * (epsilon / change.flatten(1).norm(dim=1).clamp(min=1e-12)).clamp(max=1)[:, None, None, None]


def random_change(images: Tensor, epsilon: float, generator: torch.Generator) -> Tensor:
    """A random change of each image: a random direction, and a length uniform in [0, epsilon]."""
    noise = torch.randn(images.shape, generator=generator).to(images)
    length = epsilon * torch.rand(len(images), 1, 1, 1, generator=generator).to(images)
    return length * noise / noise.flatten(1).norm(dim=1)[:, None, None, None]


def slope(model: nn.Module, images: Tensor, labels: Tensor, loss, bf16: bool) -> tuple[Tensor, Tensor]:
    """The gradient of a loss with respect to each image, scaled to length 1, and the logits there."""
    images = images.detach().requires_grad_()
    with torch.enable_grad(), torch.autocast(images.device.type, torch.bfloat16, enabled=bf16):
        logits = model(normalize(images)).float()
    (gradient,) = torch.autograd.grad(loss(logits, labels), images)
    return gradient / gradient.flatten(1).norm(dim=1).clamp(min=1e-12)[:, None, None, None], logits.detach()


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """The loss that training minimises, summed over the images."""
    return F.cross_entropy(logits, labels, reduction="sum")


def margin(logits: Tensor, labels: Tensor) -> Tensor:
    """The best other logit minus the true one, summed over the images (Carlini and Wagner 2017)."""
    others = logits.scatter(1, labels[:, None], -torch.inf).amax(1)
    return (others - logits.gather(1, labels[:, None])[:, 0]).sum()


def survivors(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    epsilon: float,
    steps: int,
    starts: int = 1,
    loss=cross_entropy,
    seed: int = 0,
) -> Tensor:
    """Which images `(N, 3, H, W)` in [0, 1] keep the right answer at every step of an attack, booleans `(N,)`.

    A step is 2.5 epsilon / steps long, as Madry et al. take it. An image that is lost is not attacked any further.
    """
    alive = torch.ones(len(images), dtype=torch.bool, device=images.device)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(starts):
        change = random_change(images, epsilon, generator)
        for step in range(steps + 1):
            left = alive.nonzero()[:, 0]
            if not len(left):
                return alive
            now = (images[left] + change[left]).clamp(0, 1)
            uphill, logits = slope(model, now, labels[left], loss, bf16=False)
            alive[left] = logits.argmax(1) == labels[left]
            if step < steps:
                change[left] = inside(now + 2.5 * epsilon / steps * uphill - images[left], epsilon)
    return alive


def accuracy_under_attack(model: nn.Module, images: Tensor, labels: Tensor, epsilon: float, **attack) -> float:
    """The share of uint8 images that keep the right answer under an attack; see `survivors`."""
    device, kept = next(model.parameters()).device, 0
    for x, y in batches(images, labels):
        kept += survivors(model, x.to(device).float() / 255, y.to(device), epsilon, **attack).sum().item()
    return round(kept / len(images), 4)


@torch.inference_mode()
def accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """The share of uint8 images with the right answer."""
    device = next(model.parameters()).device
    right = [(model(normalize(x.to(device).float() / 255)).argmax(1).cpu() == y) for x, y in batches(images, labels)]
    return round(torch.cat(right).float().mean().item(), 4)


def batches(images: Tensor, labels: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Pairs of 250 images and their labels."""
    return zip(images.split(250), labels.split(250), strict=True)


# --- training -------------------------------------------------------------------------------------------------------


def augment(images: Tensor, generator: torch.Generator) -> Tensor:
    """uint8 images `(N, 3, 64, 64)` as float32 in [0, 1], mirrored half of the time, moved by up to 6 pixels."""
    x = F.pad(images.float() / 255, (6, 6, 6, 6), mode="reflect")
    down, right = torch.randint(0, 13, (2, len(x)), generator=generator).tolist()
    x = torch.stack([image[:, i : i + 64, j : j + 64] for image, i, j in zip(x, down, right, strict=True)])
    mirrored = torch.rand(len(x), 1, 1, 1, generator=generator).to(x.device) < 0.5
    return torch.where(mirrored, x.flip(3), x)


def begin(args: argparse.Namespace, device: str) -> tuple[nn.Module, AveragedModel, torch.optim.SGD]:
    """MiniVGG with its trained weights, the running average of its weights, and the optimiser."""
    model = MiniVGG()
    model.load_state_dict({key: value.float() for key, value in load_file(DATA / "minivgg.safetensors").items()})
    model = model.to(device, memory_format=torch.channels_last)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(args.average))
    optimizer = torch.optim.SGD(model.parameters(), args.lr, momentum=0.9, weight_decay=args.weight_decay)
    return model, average, optimizer


def train(args: argparse.Namespace) -> tuple[nn.Module, list[dict]]:
    """The averaged network, and its curve, one row per checkpoint."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    wnids, _ = class_names(args.data)
    images, labels = load_split(args.data, "train", wnids)
    checked = tuple(part[:: len(part) // CHECKED] for part in load_split(args.data, "val", wnids))
    model, average, optimizer = begin(args, device)
    parts, first, curve, steps = {"model": model, "average": average, "optimizer": optimizer}, 0, [], args.steps
    if state := resumed(args.run, parts, device):
        first, curve = state["step"], state["curve"]
        print(f"resuming after step {first}", flush=True)

    saved, losses = time.monotonic(), []
    for step in range(first, steps):
        for group in optimizer.param_groups:
            group["lr"] = args.lr * (0.5 * (1 + math.cos(math.pi * step / steps)) + 1e-3)
        losses.append(train_step(step, model, average, optimizer, images, labels, args))
        if time.monotonic() - saved > CHECKPOINT_SECONDS or step + 1 == steps:
            row = {"step": step + 1, "images": (step + 1) * args.batch, "loss": round(sum(losses) / len(losses), 4)}
            row["clean"] = accuracy(average.module, *checked)
            row["attacked"] = accuracy_under_attack(average.module, *checked, args.scored, steps=10)
            curve.append(row)
            print(row, flush=True)
            keep(args.run, parts, step=step + 1, curve=curve)
            saved, losses = time.monotonic(), []
    return average.module.cpu(), curve


def train_step(
    step: int,
    model: nn.Module,
    average: AveragedModel,
    optimizer: torch.optim.SGD,
    images: Tensor,
    labels: Tensor,
    args: argparse.Namespace,
) -> float:
    """One batch, which depends on seed and step alone, so that a resumed run repeats it; returns the loss."""
    device, a_pass = next(model.parameters()).device, len(images) // args.batch
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(args.seed + step // a_pass))
    batch = order[step % a_pass * args.batch :][: args.batch]
    generator = torch.Generator().manual_seed(1_000_000 * (args.seed + 1) + step)
    x, y = augment(images[batch].to(device), generator), labels[batch].to(device)
    change = random_change(x, args.epsilon, generator)
    for _ in range(args.attack_steps):
        length = OVERSHOOT * args.epsilon / args.attack_steps
        uphill, _ = slope(model, (x + change).clamp(0, 1), y, cross_entropy, bf16=not args.fp32)
        change = inside(change + length * uphill, args.epsilon)
    with torch.autocast(device.type, torch.bfloat16, enabled=not args.fp32):
        logits = model(normalize((x + change).clamp(0, 1)))
    loss = F.cross_entropy(logits.float(), y)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 2.0)
    optimizer.step()
    average.update_parameters(model)
    return loss.item()


# --- scores ---------------------------------------------------------------------------------------------------------


def evaluate(args: argparse.Namespace) -> dict:
    """Score data/minivgg_robust.safetensors as it ships, beside MiniVGG."""
    wnids, _ = class_names(args.data)
    split = load_split(args.data, "val", wnids)
    some = tuple(part[::STRONG] for part in split)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    report: dict = {"epsilon": args.scored, "norm": "Euclidean, pixels in [0, 1], 64 px", "images": len(split[0])}
    for name in (NAME, "minivgg"):
        module = models.load(name, device).module
        scores = {"clean": accuracy(module, *split)}
        scores["pgd50"] = accuracy_under_attack(module, *split, args.scored, steps=50)
        strong = {
            "pgd50, 5 starts": {"steps": 50, "starts": 5},
            "pgd200": {"steps": 200},
            "pgd50 on the margin": {"steps": 50, "loss": margin},
        }
        scores[f"every {STRONG}th image"] = {
            label: accuracy_under_attack(module, *some, args.scored, **attack)
            for label, attack in ({"pgd50": {"steps": 50}} | strong).items()
        }
        report[name] = scores
        print(json.dumps({name: scores}, indent=2), flush=True)
    report["input_size"], report["imagenet_photos"] = score_photos(models.load(NAME), args.photos, wnids)
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the unzipped tiny-imagenet-200 folder")
    parser.add_argument(
        "--photos", type=Path, required=True, help="folder of <wnid>_<label>.JPEG photos to evaluate on"
    )
    parser.add_argument("--run", type=Path, default=Path("runs") / NAME, help="where the checkpoint is kept")
    parser.add_argument("--steps", type=int, default=12_000)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--lr", type=float, default=0.02)
    parser.add_argument("--weight-decay", type=float, default=5e-4)
    parser.add_argument("--average", type=float, default=0.998, help="decay of the running average of the weights")
    parser.add_argument("--epsilon", type=float, default=1.5, help="radius of the training attack")
    parser.add_argument("--scored", type=float, default=1.0, help="radius of the attack that the scores name")
    parser.add_argument("--attack-steps", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fp32", action="store_true", help="do not use bf16 (for processors without support for it)")
    parser.add_argument("--evaluate", action="store_true", help="do not train; score what is in data/ anew")
    args = parser.parse_args()
    _, names = class_names(args.data)
    if not args.evaluate:
        model, curve = train(args)
        export(NAME, model, names, input_size=64)
        with open(DATA / f"{NAME}_curve.csv", "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, curve[0])
            writer.writeheader()
            writer.writerows(curve)
    report, path = evaluate(args), DATA / f"{NAME}.json"
    settings = ("steps", "batch", "lr", "weight_decay", "average", "epsilon", "attack_steps", "seed")
    trained = {key: getattr(args, key) for key in settings}
    report["training"] = json.loads(path.read_text())["training"] if args.evaluate and path.exists() else trained
    path.write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
