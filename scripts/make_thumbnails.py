"""Make data/thumbnails/*.png, the small pictures in notebook 00's map of the lecture, with the lecture's techniques.

    python scripts/make_thumbnails.py            all of them, in about a minute on one core
    python scripts/make_thumbnails.py 04_activations 12_deepdream

Each one is a real result: one function per section applies its technique in a few lines, with the bundled network and
photos, and returns an image `(1, 3, 96, 96)` in [0, 1]. Run the script again when data/minivgg.safetensors has changed;
a test fails until you do.
"""

import argparse
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib import colormaps
from PIL import Image, ImageDraw
from sklearn.datasets import load_digits
from sklearn.manifold import TSNE
from torch import Tensor
from torchvision.utils import make_grid

from vizlib import hooks, images, models
from vizlib.analysis.activations import strongest_in_region
from vizlib.analysis.filters import as_images, filters
from vizlib.models import Network

SIDE = 96  # pixels
TRUE_COLOR = 7_500  # bytes; a larger PNG gets a palette of 128 colours instead, which saves two thirds
FOLDER = Path(__file__).resolve().parent.parent / "data" / "thumbnails"


# --- what the sections share: pictures ------------------------------------------------------------------------------


def photo(name: str, side: int = SIDE) -> Tensor:
    """A centre crop of a bundled photo, `(1, 3, side, side)`."""
    return images.prepare(images.load(name), side)


def tiles(pictures: Tensor, columns: int, gap: int) -> Tensor:
    """Pictures `(N, 3, h, w)` in a grid, with white gaps."""
    return images.center_crop(make_grid(pictures, columns, gap, pad_value=1)[None], SIDE)


def inset(picture: Tensor, small: Tensor, side: int = 40) -> Tensor:
    """The picture with a small one in its lower right corner, framed in white."""
    picture = picture.clone()
    picture[:, :, -side - 2 :, -side - 2 :] = 1
    picture[:, :, -side:, -side:] = images.resize(small, side)
    return picture


def colored(heat: Tensor, colors: str = "magma") -> Tensor:
    """A map `(h, w)`, from its smallest value to its 99th percentile, in a colour map, as an image `(1, 3, h, w)`."""
    low, high = heat.min(), heat.quantile(0.99)
    levels = ((heat - low) / (high - low).clamp(min=1e-12)).clamp(0, 1)
    return images.load(colormaps[colors](levels.numpy()))


# --- what the sections share: the network ---------------------------------------------------------------------------


def features(net: Network, image: Tensor, layer: str) -> Tensor:
    """The activations of one layer, with the graph back to the image."""
    return hooks.read(net, image, [layer], grad=True)[layer]


def first_answer(net: Network, image: Tensor) -> Callable[[Tensor], Tensor]:
    """A function that gives the log-probability of the class that the network sees in `image`."""
    index = net.predict(image, 1)[0][0].index
    return lambda batch: net(batch).log_softmax(1)[:, index]


def gradient(score: Callable[[Tensor], Tensor], image: Tensor) -> Tensor:
    """The gradient of the summed scores with respect to the image or images."""
    image = image.clone().requires_grad_()
    return torch.autograd.grad(score(image).sum(), image)[0]


def ascend(
    score: Callable[[Tensor], Tensor],
    start: Tensor,
    steps: int,
    rate: float = 0.1,
    jitter: int = 0,
    scales: tuple[int, ...] = (1, 2, 4, 8, 16),
) -> Tensor:
    """The image after `steps` of Adam on `score`, which sees it shifted by up to `jitter` pixels at every step.

    What is learnt is a change at each of several scales (2 means blocks of two pixels), so that coarse shapes form as
    fast as fine ones; leaving out 1 keeps the network's favourite, pixel-sized noise, out of the image.
    """
    generator, size = torch.Generator().manual_seed(0), start.shape[2:]
    changes = [torch.zeros(1, 3, *(side // scale for side in size), requires_grad=True) for scale in scales]
    adam = torch.optim.Adam(changes, rate)

    def image() -> Tensor:
        change = sum(F.interpolate(change, size, mode="bicubic") for change in changes)
        return (start.clamp(0.02, 0.98).logit() + change).sigmoid()

    for _ in range(steps):
        shift = torch.randint(-jitter, jitter + 1, (2,), generator=generator).tolist()
        adam.zero_grad()
        (-score(image().roll(shift, (2, 3)))).backward()
        adam.step()
    return image().detach()


def noise(side: int) -> Tensor:
    """A grey image with a little noise, `(1, 3, side, side)`."""
    return (0.5 + 0.1 * torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(0))).clamp(0, 1)


def total_variation(image: Tensor) -> Tensor:
    """The roughness of an image: the mean absolute difference between neighbouring pixels, down plus across."""
    return image.diff(dim=2).abs().mean() + image.diff(dim=3).abs().mean()


def contrast(image: Tensor) -> Tensor:
    """The mean squared difference from mid-grey."""
    return (image - 0.5).square().mean()


def distance(this: Tensor, that: Tensor) -> Tensor:
    """The squared distance between two tensors, relative to the squared norm of `that`."""
    return (this - that).square().sum() / that.square().sum()


def style_distance(net: Network, sample: Tensor) -> Callable[[Tensor], Tensor]:
    """A function that tells how far an image's Gram matrices (of its pixels and five layers) are from the sample's."""
    layers = ["relu1", "relu2", "relu3", "relu4", "relu5"]

    def grams(image: Tensor) -> list[Tensor]:
        flat = [maps.flatten(2) for maps in (image, *hooks.read(net, image, layers, grad=True).values())]
        return [maps @ maps.mT / maps.shape[2] for maps in flat]

    wanted = grams(sample)
    return lambda image: sum(distance(gram, want) for gram, want in zip(grams(image), wanted, strict=True))


# --- looking --------------------------------------------------------------------------------------------------------


def start_here(net: Network) -> Tensor:
    """A photo, with bars for its three most probable classes."""
    coffee = images.resize(images.load("coffee"), SIDE)
    answers = net.predict(images.prepare(coffee, SIDE), 3)[0]
    canvas = Image.new("RGB", (SIDE, SIDE), "white")
    canvas.paste(images.to_pil(images.center_crop(coffee, (60, SIDE))))
    draw = ImageDraw.Draw(canvas)
    for row, answer in enumerate(answers):
        top = 63 + 11 * row
        draw.rectangle((0, top, 95 * answer.probability / answers[0].probability, top + 9), fill="#8fb8e8")
        draw.text((2, top - 1), answer.name, fill="black", font_size=9)
    return images.load(canvas)


def first_filters(net: Network) -> Tensor:
    """The first 36 filters of conv1, each weight two pixels wide."""
    return tiles(images.resize(as_images(filters(net)[:36]), 14, "nearest"), columns=6, gap=2)


def neighbours(net: Network) -> Tensor:
    """A photo, and the five crops of bundled photos that are nearest to it in the space of the last features."""
    scaled = [images.resize(images.load(name), side) for name in images.photos() for side in (96, 160)]
    crops = torch.cat([F.unfold(image, 64, stride=32)[0].T.reshape(-1, 3, 64, 64) for image in scaled])
    query = photo("china", 64)
    vectors = hooks.read(net, torch.cat([query, crops]), ["avgpool"])["avgpool"].flatten(1)
    nearest = F.cosine_similarity(vectors[1:], vectors[:1]).topk(5).indices.tolist()
    board = torch.ones(1, 3, SIDE, SIDE)
    board[:, :, :63, :63] = images.resize(query, 63)
    for index, (top, left) in zip(nearest, [(0, 66), (33, 66), (66, 66), (66, 33), (66, 0)], strict=True):
        board[:, :, top : top + 30, left : left + 30] = images.resize(crops[index : index + 1], 30)
    return board


def digits_embedded(net: Network) -> Tensor:
    """t-SNE of the pixels of scikit-learn's 1,797 digits, with one colour for each digit."""
    digits = load_digits()
    points = TSNE(random_state=0).fit_transform(digits.data)
    points = 12 + 360 * (points - points.min(0)) / np.ptp(points, axis=0)
    canvas = Image.new("RGB", (4 * SIDE, 4 * SIDE), "white")
    draw = ImageDraw.Draw(canvas)
    for (x, y), digit in zip(points, digits.target, strict=True):
        draw.ellipse((x - 5, y - 5, x + 5, y + 5), tuple(round(255 * level) for level in colormaps["tab10"](digit)[:3]))
    return images.resize(images.load(canvas), SIDE)


def activation_maps(net: Network) -> Tensor:
    """A photo, and in each of three layers the map of the channel that responds most to the cat's left eye."""
    cat = photo("chelsea", 188)
    pictures = [images.resize(cat, 47)]
    for maps in hooks.read(net, cat, ["relu2", "relu3", "relu5"]).values():
        channel = strongest_in_region(maps, (0.28, 0.5, 0.25, 0.45), 1)[0].channel
        pictures.append(images.resize(colored(maps[0, channel], "viridis"), 47))
    return tiles(torch.cat(pictures), columns=2, gap=2)


def cells(net: Network, name: str) -> tuple[Tensor, Tensor, Tensor]:
    """The N cells of relu5 that see nothing beyond the photo: their activations, two peaks per channel, what they see.

    These are `(N, C)`, `(N, C)` with zeros outside the peaks, and `(N, 3, 49, 49)`: each cell of relu5 sees 49 pixels,
    and the next cell's view begins 8 pixels further on.
    """
    image = images.resize(images.load(name), 160)
    maps = hooks.read(net, image, ["relu5"])["relu5"][0, :, 3:-3, 3:-3]
    peaks = (maps * (maps == F.max_pool2d(maps, 7, 1, 3))).flatten(1).T
    seen = image[0, :, 3:, 3:].unfold(1, 49, 8).unfold(2, 49, 8)[:, : maps.shape[1], : maps.shape[2]]
    return maps.flatten(1).T, peaks * (peaks >= peaks.topk(2, dim=0).values[1]), seen.flatten(1, 2).transpose(0, 1)


def maximal_patches(net: Network) -> Tensor:
    """The nine patches, at most two from each photo, that excite a channel of relu5 most.

    Of the channels that respond to the cat's eye, it is the one whose nine patches look most alike to the network.
    """
    found = [cells(net, name) for name in images.photos()]
    vectors, peaks, seen = (torch.cat(parts) for parts in zip(*found, strict=True))
    directions = F.normalize(vectors - vectors.mean(0))
    cat = features(net, images.resize(images.load("chelsea"), 160), "relu5")
    to_the_eye = [answer.channel for answer in strongest_in_region(cat, (0.28, 0.5, 0.35, 0.5), 32)]
    tops = [peaks[:, channel].topk(9).indices for channel in to_the_eye]
    alike = max(tops, key=lambda top: directions[top].sum(0).square().sum().item())
    return tiles(images.resize(seen[alike].contiguous(), 30), columns=3, gap=3)


def occlusion(net: Network) -> Tensor:
    """A photo with the grey square that lowers the top class most, and the map of the drop for every position."""
    coffee, square, step = photo("coffee"), 24, 6
    covered = coffee.repeat((SIDE // step) ** 2, 1, 1, 1)
    for index, image in enumerate(covered):
        top, left = (step * place + (step - square) // 2 for place in divmod(index, SIDE // step))
        image[:, max(top, 0) : top + square, max(left, 0) : left + square] = 0.5
    score = first_answer(net, coffee)
    with torch.no_grad():
        scores = torch.cat([score(batch) for batch in covered.split(32)])
    losses = (scores.max() - scores).view(SIDE // step, SIDE // step)
    return inset(covered[scores.argmin(), None], colored(losses))


def saliency(net: Network) -> Tensor:
    """How much each pixel matters to the top class: the mean square gradient over 16 noisy copies (SmoothGrad)."""
    coffee = photo("coffee", 2 * SIDE)
    copies = coffee + 0.15 * torch.randn(16, *coffee.shape[1:], generator=torch.Generator().manual_seed(0))
    slopes = gradient(first_answer(net, photo("coffee")), copies.clamp(0, 1)).square().amax(1)
    return inset(colored(F.avg_pool2d(slopes.mean(0, keepdim=True), 2)[0]), coffee, 36)


def guided_backprop(net: Network) -> Tensor:
    """The gradient of the top class where every ReLU passes back only what is positive; grey is zero."""
    cat = photo("chelsea")
    with hooks.relu_rule(net, "guided"):
        slopes = gradient(first_answer(net, cat), cat)
    return (0.5 + 0.5 * slopes / slopes.abs().quantile(0.99)).clamp(0, 1)


# --- making ---------------------------------------------------------------------------------------------------------


def gradient_ascent(net: Network) -> Tensor:
    """An image that excites the network's monarch butterfly neuron, starting from noise."""
    neuron = net.class_index("monarch")

    def score(image: Tensor) -> Tensor:
        return net(image)[0, neuron] - 60 * contrast(image) - 10 * total_variation(image)

    return ascend(score, noise(SIDE), steps=100, jitter=8, scales=(2, 4, 8, 16))


def adversarial_example(net: Network) -> Tensor:
    """A photo, and the change of at most 4 grey levels of 255 that costs it its class, amplified 25 times."""
    rocket = photo("rocket")
    score, changed = first_answer(net, rocket), rocket
    for _ in range(8):
        changed = changed - 1 / 255 * gradient(score, changed).sign()
        changed = (rocket + (changed - rocket).clamp(-4 / 255, 4 / 255)).clamp(0, 1)
    halves = rocket, (0.5 + 25 * (changed - rocket)).clamp(0, 1)
    return tiles(torch.cat([images.center_crop(half, (SIDE, 47)) for half in halves]), columns=2, gap=2)


def inverted(net: Network, image: Tensor, layer: str) -> Tensor:
    """What a layer remembers of an image: a plain picture, made from noise, that gives the same features there."""
    wanted = features(net, image, layer)

    def score(guess: Tensor) -> Tensor:
        return -distance(features(net, guess, layer), wanted) - 4 * contrast(guess) - total_variation(guess)

    return ascend(score, noise(SIDE), steps=80)


def feature_inversion(net: Network) -> Tensor:
    """A cat, reconstructed from the features of four layers, each deeper than the one before."""
    cats = [inverted(net, photo("chelsea"), layer) for layer in ("relu2", "relu4", "relu6", "relu7")]
    return tiles(images.resize(torch.cat(cats), 47), columns=2, gap=2)


def deepdream(net: Network) -> Tensor:
    """A photo in which everything that relu6 sees has been amplified."""
    start = photo("china", 2 * SIDE)

    def score(image: Tensor) -> Tensor:
        strength = features(net, image, "relu6").square().mean().log()
        return strength - 4 * (image - start).square().mean() - 2 * total_variation(image)

    return images.resize(ascend(score, start, steps=60, rate=0.05, jitter=16, scales=(2, 4, 8, 16)), SIDE)


def texture(net: Network) -> Tensor:
    """A sample of petals, and the same texture over four times the area, synthesised from noise by Gram matrices."""
    petals = photo("flower", 300)[:, :, 102:198, 102:198]
    away = style_distance(net, petals)
    made = ascend(lambda image: -away(image) - 0.1 * total_variation(image), noise(2 * SIDE), steps=100)
    return inset(images.resize(made, SIDE), petals, SIDE // 2)


def swirls() -> Tensor:
    """A picture whose style can be copied: brush strokes around five whirls, `(1, 3, 192, 192)`."""
    random = np.random.default_rng(0)
    colors = ["#0b1f5c", "#1d4fa3", "#3f87c9", "#8fc7e8", "#f2d16b", "#f0a830"]
    centers, spins = random.uniform(0, 384, (5, 2)), random.choice([-1, 1], (5, 1))
    canvas = Image.new("RGB", (384, 384), colors[0])
    for point in random.uniform(-20, 404, (2500, 2)):
        ring = np.hypot(*(point - centers).T).min() / 14 + random.normal(0, 0.4)
        stroke = [point]
        for _ in range(8):
            arms = stroke[-1] - centers
            flow = (spins * arms[:, ::-1] * [-1, 1] / (np.square(arms).sum(1, keepdims=True) + 100)).sum(0)
            stroke.append(stroke[-1] + 4 * flow / np.hypot(*flow))
        ImageDraw.Draw(canvas).line([tuple(p) for p in stroke], colors[int(ring) % 6], 7, "curve")
    return images.resize(images.load(canvas), 2 * SIDE)


def stylized(net: Network, content: Tensor, style: Tensor) -> Tensor:
    """The content, changed so that its Gram matrices come close to the style's while relu3 changes little."""
    away, wanted = style_distance(net, style), features(net, content, "relu3")

    def score(image: Tensor) -> Tensor:
        return -away(image) - distance(features(net, image, "relu3"), wanted) - 0.1 * total_variation(image)

    return ascend(score, content, steps=60, rate=0.05)


def style_transfer(net: Network) -> Tensor:
    """A cat in the style of the swirls."""
    style = swirls()
    return inset(images.resize(stylized(net, photo("chelsea", 2 * SIDE), style), SIDE), style, 36)


def fast_style_transfer(net: Network) -> Tensor:
    """A photo, with one half in the style of a flower.

    It is painted by optimisation, which shows what a style network does in one pass.
    """
    pavilion = images.resize(images.load("china")[:, :, :, 30:457], 2 * SIDE)
    picture = stylized(net, pavilion, images.center_crop(images.resize(images.load("flower"), 400), 2 * SIDE))
    picture[:, :, :, :SIDE] = pavilion[:, :, :, :SIDE]
    picture[:, :, :, SIDE - 2 : SIDE + 2] = 1
    return images.resize(picture, SIDE)


THUMBNAILS: dict[str, Callable[[Network], Tensor]] = {
    "00_start_here": start_here,
    "01_filters": first_filters,
    "02_nearest_neighbours": neighbours,
    "03_pca_and_tsne": digits_embedded,
    "04_activations": activation_maps,
    "05_maximal_patches": maximal_patches,
    "06_occlusion": occlusion,
    "07_saliency": saliency,
    "08_guided_backprop": guided_backprop,
    "09_gradient_ascent": gradient_ascent,
    "10_adversarial_examples": adversarial_example,
    "11_feature_inversion": feature_inversion,
    "12_deepdream": deepdream,
    "13_texture_synthesis": texture,
    "14_style_transfer": style_transfer,
    "15_fast_style_transfer": fast_style_transfer,
}


def as_png(picture: Tensor) -> bytes:
    """The picture as a PNG file."""
    exact, small = io.BytesIO(), io.BytesIO()
    images.to_pil(picture).save(exact, "png", optimize=True)
    images.to_pil(picture).quantize(128, kmeans=1).save(small, "png", optimize=True)
    return (exact if exact.tell() <= TRUE_COLOR else small).getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("slugs", nargs="*", metavar="slug", help=f"{', '.join(THUMBNAILS)}; default: all")
    slugs = parser.parse_args().slugs or list(THUMBNAILS)
    if unknown := [slug for slug in slugs if slug not in THUMBNAILS]:
        parser.error(f"no thumbnail is called {unknown[0]!r}; there are {', '.join(THUMBNAILS)}")
    torch.set_num_threads(1)  # with more threads, sums are taken in another order and the pictures drift apart
    net = models.load("minivgg", device="cpu")
    FOLDER.mkdir(parents=True, exist_ok=True)
    for slug in slugs:
        content = as_png(THUMBNAILS[slug](net))
        (FOLDER / f"{slug}.png").write_bytes(content)
        print(f"{slug}: {len(content)} bytes")


if __name__ == "__main__":
    main()
