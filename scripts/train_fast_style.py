"""Train the feed-forward style nets and write data/<name>.safetensors and data/<name>.json.

    python scripts/train_fast_style.py --name one_style --styles whirls \\
        --photos path/to/photos --squeezenet path/to/squeezenet1_0-imagenet.safetensors
    python scripts/train_fast_style.py --name many_styles --styles whirls,mosaic,glass,path/to/wave.jpg --photos … …

--styles takes names of bundled style images or paths of image files. --photos is any folder of photos; nothing else is
needed, because no picture serves as the right answer. The bundled network judges content and style, and so does an
ImageNet SqueezeNet if --squeezenet has its weights. --begin goes on from a net of the same styles, and --only lets
nothing learn but the scales and shifts of some of them: they change, and the other styles paint as before. Checkpoints
are kept in the folder --run; the same command resumes from the latest one as if it had never been stopped.
"""

import argparse
import csv
import json
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from torchvision.utils import make_grid

from vizlib import images, models
from vizlib.synthesis.fast_style import StyleNet, StyleNorm, load, stylize
from vizlib.synthesis.style_training import Draw, Judge, TrainingKnobs, crops, judge, train

DATA = Path(__file__).resolve().parent.parent / "data"
LAYERS = {
    "minivgg": ("relu5", ["relu1", "relu2", "relu3", "relu4", "relu5"]),
    "squeezenet1_0": ("fire5", ["relu1", "fire2", "fire3", "fire4", "fire5", "fire6"]),
}
LOOK_AT = ("chelsea", "coffee", "china")  # photos that the contact sheet shows


# --- what the net learns from ---------------------------------------------------------------------------------------


class Photos(Sequence):
    """All photos of a folder as uint8 `(1, 3, H, W)`, resized to this shorter side; each is read when it is needed."""

    def __init__(self, folder: Path, shorter: int):
        files = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
        if not files:
            raise SystemExit(f"no .jpg, .jpeg or .png files in {folder}: --photos takes a folder of photos")
        self._files, self._shorter, self._kept = files, shorter, {}

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, i: int) -> Tensor:
        if i not in self._kept:
            photo = images.resize(images.load(self._files[i]), self._shorter)
            self._kept[i] = (photo * 255).round().byte()
        return self._kept[i]


def style_names(given: str) -> dict[str, str | Path]:
    """The names of styles such as 'wave,pictures/dots.jpg', and what to load for each."""
    named = {Path(style).stem: style if style in images.styles() else Path(style) for style in given.split(",")}
    if len(named) < len(given.split(",")):
        raise SystemExit(f"--styles {given}: two styles have one name, expected different ones: rename a file")
    return named


def emphasis(given: str, names: Sequence[str]) -> list[float]:
    """How many times each style's loss counts, from a string such as 'wave=3,the_scream=2'; the others count once."""
    counts = dict.fromkeys(names, 1.0)
    for part in filter(None, given.split(",")):
        name, _, count = part.partition("=")
        if name not in counts or not count.replace(".", "", 1).isdigit():
            raise SystemExit(f"--emphasis {part}: expected a style and a number, such as {names[0]}=2")
        counts[name] = float(count)
    return list(counts.values())


def judges(args: argparse.Namespace, styles: list[Tensor], counts: Sequence[float] | None = None) -> list[Judge]:
    """The networks that judge how good a picture is."""
    weights = {"minivgg": "trained"} | ({"squeezenet1_0": args.squeezenet} if args.squeezenet else {})
    chosen = {name: source for name, source in weights.items() if name in args.judges.split(",")}
    if not chosen:
        raise SystemExit(f"--judges {args.judges}: none of them is there; squeezenet1_0 needs --squeezenet")
    return [judge(models.load(name, "cpu", source), styles, *LAYERS[name], counts) for name, source in chosen.items()]


# --- training -------------------------------------------------------------------------------------------------------


def stage(step: int, steps: int, side: int, small: float = 0.75) -> int:
    """The side of the crops: half of `side` for the first share `small` of the steps, which is far quicker."""
    return side // 2 if step <= small * steps else side


def learning_rate(step: int, steps: int, peak: float) -> float:
    """A linear rise over the first twentieth of the steps, then a cosine fall to a fiftieth of `peak`."""
    t = step / steps
    return peak * min(1.0, t / 0.05) * (0.02 + 0.49 * (1 + math.cos(math.pi * t)))


def draw_for(args: argparse.Namespace, photos: Sequence[Tensor], styles: Sequence[str]) -> Draw:
    """The batches of both stages: large crops come half as many at a time, because each has four times the pixels."""
    learnt = torch.eye(len(styles))[[styles.index(name) for name in only(args.only, styles)]]
    small = crops(photos, len(learnt), args.batch, args.size // 2, args.seed)
    large = crops(photos, len(learnt), max(1, args.batch // 2), args.size, args.seed)

    def draw(step: int) -> tuple[Tensor, Tensor]:
        squares, which = (small if stage(step, args.steps, args.size, args.small) < args.size else large)(step)
        return squares, which @ learnt

    return draw


def only(given: str, names: Sequence[str]) -> list[str]:
    """The styles that learn, from a string such as 'wave,the_scream'; an empty one means all."""
    chosen = [name for name in given.split(",") if name] or list(names)
    if unknown := set(chosen) - set(names):
        raise SystemExit(f"--only {given}: {', '.join(sorted(unknown))} not among the styles {', '.join(names)}")
    return chosen


def freeze_shared(net: StyleNet) -> None:
    """Let only the scales and shifts learn, which each style has of its own: the other styles stay as they are."""
    own = {id(parameter) for part in net.modules() if isinstance(part, StyleNorm) for parameter in part.parameters()}
    for parameter in net.parameters():
        parameter.requires_grad_(id(parameter) in own)


def begun_with(path: Path, net: StyleNet) -> StyleNet:
    """The net with the weights of one that was trained before, for the same styles in the same order."""
    trained = load(str(path), "cpu")
    if trained.config != net.config:
        raise SystemExit(f"--begin {path}: it was built as {trained.config}, and this run asks for {net.config}")
    net.load_state_dict(trained.state_dict())
    return net


def training(args: argparse.Namespace) -> Iterator[tuple[StyleNet, list[dict]]]:
    """The network and its curve, one row per `--every` steps, yielded whenever a checkpoint has been written."""
    torch.manual_seed(args.seed)
    sources = style_names(args.styles)
    styles = [images.resize(images.load(source), args.style_size) for source in sources.values()]
    net = StyleNet(list(sources), args.width, args.blocks, "batch" if args.batch_norm else "instance")
    if args.begin:
        net = begun_with(args.begin, net)
    if args.only:
        freeze_shared(net)
    optimizer = torch.optim.Adam([parameter for parameter in net.parameters() if parameter.requires_grad], args.lr)
    parts, done, curve = {"net": net, "optimizer": optimizer}, 0, []
    args.run.mkdir(parents=True, exist_ok=True)
    checkpoint = args.run / "checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        for name, part in parts.items():
            part.load_state_dict(state[name])
        done, curve = state["done"], state["curve"]
        print(f"resuming after step {done}", flush=True)
    if done >= args.steps:
        yield net, curve  # the training is complete: only the results are left to write

    knobs = TrainingKnobs(args.steps, args.content_weight, args.style_weight, args.tv, bf16=not args.fp32)
    knobs.learning_rate = learning_rate(done + 1, args.steps, args.lr)
    draw, sums, begun = draw_for(args, Photos(args.photos, args.size), list(sources)), {}, time.time()
    looks = judges(args, styles, emphasis(args.emphasis, list(sources)))
    for step in train(net, looks, draw, knobs, None, optimizer, done):
        knobs.learning_rate = learning_rate(step.iteration + 1, args.steps, args.lr)
        sums = {name: sums.get(name, 0) + value for name, value in step.losses.items()}
        if step.iteration % args.every and step.iteration < args.steps:
            continue
        count = step.iteration - (curve[-1]["step"] if curve else 0)
        row = {"step": step.iteration, "side": step.image.shape[3], "style_weight": args.style_weight}
        row |= {name: round(value / count, 4) for name, value in sums.items()} | {"seconds": round(time.time() - begun)}
        print(row, flush=True)
        curve, sums, begun = [*curve, row], {}, time.time()
        state = {name: part.state_dict() for name, part in parts.items()} | {"done": step.iteration, "curve": curve}
        torch.save(state, checkpoint.with_suffix(".part"))
        checkpoint.with_suffix(".part").replace(checkpoint)
        yield net, curve


# --- the results ----------------------------------------------------------------------------------------------------


def sheet(net: StyleNet, path: Path) -> None:
    """Save three photos in every style, to look at."""
    photos = [images.prepare(images.load(name), 256) for name in LOOK_AT]
    net.eval()
    rows = [stylize(net, photo, style) for style in net.styles for photo in photos]
    images.save(make_grid(torch.cat(rows), nrow=len(photos))[None], path)


def export(net: StyleNet, path: Path, facts: dict) -> None:
    """Write the weights in fp16, and what `fast_style.load` needs as JSON in the file's metadata."""
    tensors = {key: value.half().contiguous() for key, value in net.state_dict().items() if value.is_floating_point()}
    save_file(tensors, path, {key: json.dumps(value) for key, value in {"config": net.config, **facts}.items()})


@torch.no_grad()
def scores(net: StyleNet, args: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Content and style loss per style, of the exported net and of the photos themselves, averaged over photos."""
    photos = torch.cat([images.prepare(images.load(name), args.size) for name in images.photos()[:7]])
    found = {}
    for name, source in style_names(args.styles).items():
        looks = judges(args, [images.resize(images.load(source), args.style_size)])
        one = torch.ones(len(photos), 1)
        for what, pictures in (("net", stylize(net, photos, name)), ("photo", photos)):
            content, style = torch.tensor([look.losses(pictures, photos, one) for look in looks]).mean(0).tolist()
            row = {f"{what}_content": round(content, 4), f"{what}_style": round(style, 4)}
            found[name] = found.get(name, {}) | row
    return found


def run(args: argparse.Namespace) -> None:
    """Train, then write the network, its report and its curve to `args.out`."""
    args.run = args.run or Path("runs") / args.name
    for net, curve in training(args):
        sheet(net, args.run / "sheet.png")
        rows = curve
    settings = ("steps", "size", "style_size", "batch", "small", "content_weight", "style_weight", "emphasis", "tv")
    settings += ("lr", "seed", "judges", "only")
    report = {"styles": net.styles, "training": {key: getattr(args, key) for key in settings}}
    if args.begin:
        facts = load(str(args.begin), "cpu").facts
        report["before"] = [*facts.get("before", []), facts["training"]]
    path = args.out / f"{args.name}.safetensors"
    export(net, path, report)
    report |= {"parameters": sum(p.numel() for p in net.parameters()), "scores": scores(load(str(path), "cpu"), args)}
    (args.out / f"{args.name}.json").write_text(json.dumps(report, indent=2) + "\n")
    with open(args.out / f"{args.name}_curve.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The options of the command line, or those given as a list."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", required=True, help="name of the net: one_style, many_styles, …")
    parser.add_argument("--styles", required=True, help="names of bundled styles or image files, separated by commas")
    parser.add_argument("--photos", type=Path, required=True, help="a folder of photos to learn from")
    parser.add_argument("--squeezenet", type=Path, help="weights of an ImageNet SqueezeNet 1.0, as a second judge")
    parser.add_argument("--judges", default="minivgg,squeezenet1_0", help="which judges to use, if available")
    parser.add_argument("--run", type=Path, help="folder for the checkpoint (default: runs/<name>)")
    parser.add_argument("--out", type=Path, default=DATA, help="folder for the network, its report and its curve")
    parser.add_argument("--steps", type=int, default=2400)
    parser.add_argument("--every", type=int, default=50, help="steps between checkpoints")
    parser.add_argument("--size", type=int, default=192, help="shorter side of the photos, in pixels")
    parser.add_argument("--style-size", type=int, default=384, help="of the style images; larger for broader strokes")
    parser.add_argument("--batch", type=int, default=4, help="crops per step while they are small")
    parser.add_argument("--small", type=float, default=0.75, help="share of the steps that crops of half the size take")
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--blocks", type=int, default=5)
    parser.add_argument("--batch-norm", action="store_true", help="use batch norm instead of instance norm")
    parser.add_argument("--content-weight", type=float, default=1.0)
    parser.add_argument("--style-weight", type=float, default=2.0)
    parser.add_argument("--emphasis", default="", help="styles that count more, such as wave=3,the_scream=2")
    parser.add_argument("--begin", type=Path, help="a net of the same styles that was trained before, to train on")
    parser.add_argument("--only", default="", help="styles that learn; the weights that all share stay as they are")
    parser.add_argument("--tv", type=float, default=3.0)
    parser.add_argument("--lr", type=float, default=3e-3, help="peak learning rate")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fp32", action="store_true", help="do not use bf16 (for processors without support for it)")
    return parser.parse_args(given)


if __name__ == "__main__":
    run(arguments())
