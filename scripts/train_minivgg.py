"""Train a bundled network on Tiny ImageNet, evaluate it, and write data/minivgg.* (or data/miniresnet.*).

    python scripts/train_minivgg.py --data path/to/tiny-imagenet-200 --photos path/to/imagenet-samples
    python scripts/train_minivgg.py --arch miniresnet --data … --photos …

--data is Tiny ImageNet in its official layout, --photos a folder of <wnid>_<label>.JPEG files. A checkpoint is kept in
the folder --run after every epoch, and the same command resumes from it. `--evaluate` skips the training and scores the
network that is already in data/.
"""

import argparse
import csv
import json
import math
import time
from collections.abc import Iterable
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torchvision.transforms.v2.functional import pil_to_tensor

from vizlib import images, models
from vizlib.models import Network
from vizlib.models.miniresnet import MiniResNet
from vizlib.models.minivgg import MiniVGG

MEAN, STD = (0.480, 0.448, 0.398), (0.277, 0.269, 0.282)  # of the training images, per RGB channel in [0, 1]
DATA = Path(__file__).resolve().parent.parent / "data"
PHOTO_SIDES = (64, 96, 128, 160, 224)
ARCHITECTURES = {"minivgg": MiniVGG, "miniresnet": MiniResNet}


# --- data -----------------------------------------------------------------------------------------------------------


def class_names(data: Path) -> tuple[list[str], list[str]]:
    """WordNet ids in the official order, and the first name of each ('n01443537' is 'goldfish')."""
    wnids = (data / "wnids.txt").read_text().split()
    words = dict(line.split("\t")[:2] for line in (data / "words.txt").read_text().splitlines())
    return wnids, [words[wnid].split(",")[0].strip() for wnid in wnids]


def load_split(data: Path, split: str, wnids: list[str]) -> tuple[Tensor, Tensor]:
    """All images of 'train' or 'val' as uint8 `(N, 3, 64, 64)`, with their labels `(N,)`."""
    if split == "train":
        files = [(path, wnid) for wnid in wnids for path in sorted((data / "train" / wnid / "images").iterdir())]
    else:
        rows = [line.split("\t") for line in (data / "val" / "val_annotations.txt").read_text().splitlines()]
        files = [(data / "val" / "images" / row[0], row[1]) for row in rows]
    if not files:
        raise SystemExit(f"no {split} images under {data}: --data takes the unzipped tiny-imagenet-200 folder")
    images = torch.stack([pil_to_tensor(Image.open(path).convert("RGB")) for path, _ in files])
    return images, torch.tensor([wnids.index(wnid) for _, wnid in files])


def augment(images: Tensor, side: int, smallest_area: float, generator: torch.Generator) -> Tensor:
    """A random resized crop, mirrored half of the time, with brightness, contrast and saturation changed by up to 30%.

    Takes uint8 `(N, 3, 64, 64)` and returns normalised float32 `(N, 3, side, side)`. A single `grid_sample` does the
    geometry.
    """
    n, device = len(images), images.device

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return (low + (high - low) * torch.rand(n, *shape, generator=generator)).to(device)

    area, aspect = uniform(smallest_area, 1.0), torch.exp(uniform(-0.28, 0.28))
    scale_x, scale_y = (area * aspect).sqrt().clamp(max=1), (area / aspect).sqrt().clamp(max=1)
    mirror = 1 - 2 * (uniform(0, 1) < 0.5).float()
    theta = torch.zeros(n, 2, 3, device=device)
    theta[:, 0, 0], theta[:, 0, 2] = mirror * scale_x, uniform(-1, 1) * (1 - scale_x)
    theta[:, 1, 1], theta[:, 1, 2] = scale_y, uniform(-1, 1) * (1 - scale_y)
    grid = F.affine_grid(theta, [n, 3, side, side], align_corners=False)
    x = F.grid_sample(images.float() / 255, grid, padding_mode="reflection", align_corners=False)

    gray = x.mean(1, keepdim=True)
    x = gray + (x - gray) * uniform(0.7, 1.3, 1, 1, 1)
    mean = x.mean((1, 2, 3), keepdim=True)
    x = (mean + (x - mean) * uniform(0.7, 1.3, 1, 1, 1)) * uniform(0.7, 1.3, 1, 1, 1)
    return normalize(x.clamp(0, 1))


def normalize(images: Tensor) -> Tensor:
    """Images in [0, 1], normalised with the mean and deviation of the training images, channels last."""
    mean, std = (torch.tensor(v, device=images.device)[:, None, None] for v in (MEAN, STD))
    return ((images - mean) / std).contiguous(memory_format=torch.channels_last)


# --- training -------------------------------------------------------------------------------------------------------


def stage(epoch: int, epochs: int) -> tuple[int, float]:
    """Image side and smallest crop area: small images first, then full size, barely cropped in the last tenth."""
    if epoch < 0.58 * epochs:
        return 48, 0.3
    return (64, 0.3) if epoch < 0.9 * epochs else (64, 0.7)


def one_cycle(step: int, steps: int, peak: float) -> float:
    """Learning rate: a linear rise over the first fifth, then a cosine fall to nearly nothing (Smith 2018)."""
    t = step / steps
    return peak * (t / 0.2 if t < 0.2 else 0.5 * (1 + math.cos(math.pi * (t - 0.2) / 0.8)) + 1e-3)


@torch.inference_mode()
def accuracy(model: nn.Module, images: Tensor, labels: Tensor, device: str) -> tuple[float, float]:
    """Top-1 and top-5 accuracy of a bare model on uint8 images."""
    model.eval()
    logits = torch.cat([model(normalize(b.to(device).float() / 255)).float().cpu() for b in images.split(100)])
    return top_k(logits, labels)


def top_k(logits: Tensor, labels: Tensor) -> tuple[float, float]:
    """Top-1 and top-5 accuracy of logits `(N, K)` against labels `(N,)`."""
    hits = logits.topk(5).indices == labels[:, None]
    return hits[:, 0].float().mean().item(), hits.any(1).float().mean().item()


def optimizer_for(model: nn.Module, args: argparse.Namespace) -> torch.optim.SGD:
    """SGD with Nesterov momentum in three groups: conv1's filters, other weights, the rest without decay."""
    first_filters, *others = (p for p in model.parameters() if p.ndim > 1)
    groups = [{"params": [first_filters]}, {"params": others}]
    groups += [{"params": [p for p in model.parameters() if p.ndim <= 1], "weight_decay": 0.0}]
    return torch.optim.SGD(groups, args.lr, momentum=0.9, nesterov=True, weight_decay=args.weight_decay)


def train_epoch(
    epoch: int,
    model: nn.Module,
    average: AveragedModel,
    optimizer: torch.optim.SGD,
    split: tuple[Tensor, Tensor],
    args: argparse.Namespace,
) -> dict[str, float]:
    """One pass over the training images; it depends on seed and epoch alone, so a resumed run repeats it exactly."""
    (images, labels), device = split, next(model.parameters()).device
    generator = torch.Generator().manual_seed(args.seed * 1000 + epoch)
    order = torch.randperm(len(images), generator=generator)
    side, smallest_area = stage(epoch, args.epochs)
    if epoch >= 0.35 * args.epochs:  # conv1 will be looked at, so the noise of its initial weights should decay
        optimizer.param_groups[0]["weight_decay"] = 6 * args.weight_decay
    steps, losses, hits = len(images) // args.batch, 0.0, 0
    model.train()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = one_cycle(epoch * steps + step, args.epochs * steps, args.lr)
        batch = order[step * args.batch : (step + 1) * args.batch]
        x, y = augment(images[batch].to(device), side, smallest_area, generator), labels[batch].to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=not args.fp32):
            logits = model(x)
        loss = F.cross_entropy(logits.float(), y, label_smoothing=0.1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        average.update_parameters(model)
        losses, hits = losses + loss.item(), hits + (logits.argmax(1) == y).sum().item()
    return {"side": side, "train_loss": round(losses / steps, 4), "train_top1": round(hits / steps / args.batch, 4)}


def resumed(run: Path, parts: dict, device: str) -> dict | None:
    """What `keep` has stored in the folder `run`, its parts put back; None if there is nothing."""
    run.mkdir(parents=True, exist_ok=True)
    if not (run / "checkpoint.pt").exists():
        return None
    state = torch.load(run / "checkpoint.pt", map_location=device, weights_only=True)
    for name, part in parts.items():
        part.load_state_dict(state[name])
    return state


def keep(run: Path, parts: dict, **more: object) -> None:
    """Store the parts (network, average, optimiser, by name) and what else is needed to go on; never half a file."""
    path = run / "checkpoint.part"
    torch.save({name: part.state_dict() for name, part in parts.items()} | more, path)
    path.replace(run / "checkpoint.pt")


def train(args: argparse.Namespace) -> tuple[nn.Module, list[dict]]:
    """The averaged network with batch norm folded in, and its curve, one row per epoch."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(args.seed)
    wnids, names = class_names(args.data)
    train_split, val_split = (load_split(args.data, split, wnids) for split in ("train", "val"))
    model = ARCHITECTURES[args.arch](len(names), batch_norm=True).to(device, memory_format=torch.channels_last)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.999), use_buffers=True)
    optimizer = optimizer_for(model, args)
    parts, first, curve = {"model": model, "average": average, "optimizer": optimizer}, 0, []

    if state := resumed(args.run, parts, device):
        first, curve = state["epoch"], state["curve"]
        print(f"resuming after epoch {first}", flush=True)

    for epoch in range(first, args.epochs):
        start = time.time()
        row = {"epoch": epoch + 1} | train_epoch(epoch, model, average, optimizer, train_split, args)
        top1, top5 = accuracy(average, *val_split, device)
        row |= {"val_top1": round(top1, 4), "val_top5": round(top5, 4), "seconds": round(time.time() - start)}
        print(row, flush=True)
        curve.append(row)
        keep(args.run, parts, epoch=epoch + 1, curve=curve)
    return average.module.cpu().folded(), curve


# --- export and evaluation ------------------------------------------------------------------------------------------


def export(arch: str, model: nn.Module, names: list[str], input_size: int) -> None:
    """Write data/<arch>.safetensors: the weights in fp16, and what `models.load` needs as JSON in its metadata."""
    facts = {"classes": names, "mean": MEAN, "std": STD, "input_size": input_size, "min_size": 64}
    tensors = {key: value.half().contiguous() for key, value in model.state_dict().items()}
    save_file(tensors, DATA / f"{arch}.safetensors", {key: json.dumps(value) for key, value in facts.items()})


@torch.inference_mode()
def score(net: Network, batches: Iterable[Tensor], labels: Tensor) -> dict[str, float]:
    """Top-1 and top-5 accuracy of the exported network on batches of images in [0, 1]."""
    top1, top5 = top_k(torch.cat([net(batch.to(net.device)).cpu() for batch in batches]), labels)
    return {"top1": round(top1, 4), "top5": round(top5, 4)}


def score_photos(net: Network, folder: Path, wnids: list[str]) -> tuple[int, dict]:
    """The shorter side in pixels at which a network knows the photos in a folder best, and its scores at each side."""
    files = [path for path in sorted(folder.iterdir()) if path.name.split("_")[0] in wnids]
    labels = torch.tensor([wnids.index(path.name.split("_")[0]) for path in files])
    photos = [images.load(path) for path in files]
    sides = {side: score(net, (images.prepare(p, side) for p in photos), labels) for side in PHOTO_SIDES}
    best = max(sides, key=lambda side: (sides[side]["top1"], sides[side]["top5"]))
    return best, {"photos": len(files), "shorter_sides": sides}


def evaluate(args: argparse.Namespace) -> dict:
    """Score data/<arch>.safetensors as it ships: on the validation images, and on photos at several sizes."""
    wnids, names = class_names(args.data)
    net = models.load(args.arch)
    val_images, val_labels = load_split(args.data, "val", wnids)
    report: dict = {"parameters": sum(p.numel() for p in net.parameters())}
    report["tiny_imagenet_val"] = {"images": len(val_images), "side": 64}
    report["tiny_imagenet_val"] |= score(net, (batch.float() / 255 for batch in val_images.split(100)), val_labels)

    best, report["imagenet_photos"] = score_photos(net, args.photos, wnids)
    report["input_size"] = best

    for name in ("chelsea", "coffee"):
        answers = net.predict(images.prepare(images.load(name), best).to(net.device))[0]
        report[name] = {answer.name: round(answer.probability, 4) for answer in answers}
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the unzipped tiny-imagenet-200 folder")
    parser.add_argument(
        "--photos", type=Path, required=True, help="folder of <wnid>_<label>.JPEG photos to evaluate on"
    )
    parser.add_argument("--arch", choices=ARCHITECTURES, default="minivgg")
    parser.add_argument("--run", type=Path, help="where the checkpoint is kept (default: runs/<arch>)")
    parser.add_argument("--epochs", type=int, default=34)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--lr", type=float, default=0.15, help="peak learning rate")
    parser.add_argument("--weight-decay", type=float, default=5e-4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fp32", action="store_true", help="do not use bf16 (for processors without support for it)")
    parser.add_argument("--evaluate", action="store_true", help="do not train; score the network that is in data/")
    args = parser.parse_args()
    args.run = args.run or Path("runs") / args.arch
    _, names = class_names(args.data)
    if not args.evaluate:
        model, curve = train(args)
        export(args.arch, model, names, input_size=64)
        with open(DATA / f"{args.arch}_curve.csv", "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, curve[0])
            writer.writeheader()
            writer.writerows(curve)
    report = evaluate(args)
    if not args.evaluate:
        export(args.arch, model, names, report["input_size"])
        settings = ("epochs", "batch", "lr", "weight_decay", "seed")
        report["training"] = {key: getattr(args, key) for key in settings}
        (DATA / f"{args.arch}.json").write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
