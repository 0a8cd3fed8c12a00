"""Climb to the classes of MiniVGG in several ways, ask a second network what it sees, and write data/ascent.json.

    python scripts/measure_ascent.py

One thing is changed at a time: every way has the same number of steps, optimiser, learning rate and size, and the same
noise at its start. For each way and class the file has the probability that the network which climbed gives to the
class, and the one that the judge gives, MiniResNet, which was trained on the same photos and took no part. Every fourth
class takes about five minutes of one core, all 200 take twenty; a run that was cut off goes on after its last way.
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

from torch import Tensor, cat

from vizlib import images, models
from vizlib.models import Network
from vizlib.optimize import last
from vizlib.synthesis import ascent
from vizlib.synthesis.ascent import PRESETS, AscentKnobs, ascend, blank

SIDE, STEPS, BATCH, SEED = 64, 40, 10, 0
FILE = Path(__file__).resolve().parent.parent / "data" / "ascent.json"
OLAH = "transforms and Fourier (Olah 2017)"
WAYS = {name: (knobs, name == OLAH) for name, knobs in PRESETS.items()}
WAYS |= {
    "transforms alone": (PRESETS[OLAH], False),
    "Fourier alone": (PRESETS["no regulariser"], True),
}


def climbed(net: Network, targets: list[int], knobs: AscentKnobs, fourier: bool) -> Tensor:
    """An image `(N, 3, SIDE, SIDE)` for each class."""
    start = blank(net, len(targets), SIDE, contrast=0.1, fourier=fourier, seed=SEED)
    return last(ascend(net, start, ascent.logit(net, targets), replace(knobs, steps=STEPS), SEED)).image


def measure(name: str, classes: list[int]) -> dict[str, list[float]]:
    """The probabilities of each class, 'own' by the network that climbed and 'judge' by the other."""
    knobs, fourier = WAYS[name]
    net, judge = models.load("minivgg"), models.load("miniresnet")
    own, other = [], []
    for begin in range(0, len(classes), BATCH):
        targets = classes[begin : begin + BATCH]
        made = climbed(net, targets, knobs, fourier)
        own.append(ascent.verdict(net, made, targets).probability)
        seen = images.resize(made, judge.input_size)
        other.append(ascent.verdict(judge, seen, [net.classes[target] for target in targets]).probability)
    return {"own": _rounded(own), "judge": _rounded(other)}


def _rounded(parts: list[Tensor]) -> list[float]:
    return [round(value, 3) for value in cat(parts).tolist()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, help="only every N-th class")
    parser.add_argument("--again", nargs="*", default=[], help="ways to measure anew")
    options = parser.parse_args()
    found = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    setting = {"side": SIDE, "steps": STEPS, "seed": SEED, "judge": "miniresnet", "every": options.every}
    classes = list(range(0, len(models.load("minivgg").classes), options.every))
    ways = found.get("ways", {}) if found.get("setting") == setting else {}
    for name in WAYS:
        if name not in ways or name in options.again:
            begin = time.perf_counter()
            ways[name] = measure(name, classes)
            mean = sum(ways[name]["judge"]) / len(classes)
            print(f"{name}: the judge gives {mean:.1%} on average, {time.perf_counter() - begin:.0f} s", flush=True)
            content = {"setting": setting, "ways": {key: ways[key] for key in WAYS if key in ways}}
            FILE.write_text(json.dumps(content) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
