"""Paint the pictures in data/styles/: styles that anybody may use, each made from one seed.

python scripts/paint_styles.py [name ...]
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from brushes import (
    SIDE,
    Array,
    Random,
    around,
    blend,
    grid,
    lit,
    noise,
    palette,
    sample,
    smoothstep,
    strokes,
)
from PIL import Image
from scipy.ndimage import distance_transform_edt, gaussian_filter

FOLDER = Path(__file__).resolve().parent.parent / "data" / "styles"
SEED = 2014


def whirls(random: Random) -> Array:
    """Oil strokes that circle glowing stars in a night of blues."""
    y, x = grid()
    down, across = np.full((SIDE, SIDE), 0.1), np.full((SIDE, SIDE), 1.0)
    glow = np.full((SIDE, SIDE), -0.2)
    centers = [(110, 120, 1), (90, 400, -1), (265, 255, 1), (390, 95, -1), (400, 420, 1), (215, 20, -1), (235, 480, 1)]
    for row, column, spin in centers:
        dy, dx = y - row, x - column
        distance = np.hypot(dy, dx)
        pull = spin * 9 * np.exp(-((distance / 75) ** 2))
        down, across = down + pull * dx / (distance + 8), across - pull * dy / (distance + 8)
        size = random.uniform(0.7, 1.25)
        glow = np.maximum(glow, 1.15 * np.exp(-((distance / (48 * size)) ** 1.1)))
    flow = np.arctan2(down, across) + 0.25 * noise(random, 40)
    night = palette("0a1238 12245e 1c3f8f 2f66b5 5b97cf 9cc8dd e9e3a8 f7cf4d fff3b0")
    bands = 0.10 * np.sin(sum(np.hypot(y - row, x - column) for row, column, _ in centers[:3]) / 14)
    colors = blend(night, np.clip(0.28 + 0.72 * glow + bands + 0.08 * noise(random, 25), 0, 1))
    canvas, relief = colors * 0.6, np.zeros((SIDE, SIDE))
    strokes(canvas, relief, flow, colors, 17, 60, random)
    strokes(canvas, relief, flow, np.clip(colors * 1.1, 0, 1), 8, 44, random)
    return lit(canvas, relief, 0.35)


def meadow(random: Random) -> Array:
    """Short dabs, coarse to fine: poppies under a summer sky."""
    scene, ground = _meadow_scene(random)
    down, across = np.gradient(gaussian_filter(scene.mean(2), 5))
    along = np.arctan2(across, -down)  # strokes run along edges, not across them
    along = np.where(np.hypot(down, across) < 0.004, np.where(ground, -1.25, 0.15), along)
    flow = along + 0.35 * noise(random, 18)
    canvas, relief = np.full((SIDE, SIDE, 3), 0.55), np.zeros((SIDE, SIDE))
    for width, blur in ((30, 12), (16, 5), (9, 1.5)):
        colors = gaussian_filter(scene, (blur, blur, 0))
        strokes(canvas, relief, flow, colors, width, 2.6 * width, random)
    return lit(canvas, relief, 0.35)


def _meadow_scene(random: Random) -> tuple[Array, Array]:
    """The scene to be painted, before any brush touches it: its colours, and where the ground is."""
    y, x = grid()
    height = y / SIDE
    scene = blend(palette("4f86c6 86b5df c9def0 f6ead2"), np.clip(height / 0.42, 0, 1))
    cloud = smoothstep(0.2, 1.2, noise(random, 30) + 0.4 * noise(random, 9))[..., None]
    scene += 0.8 * cloud * (np.array([1.0, 0.97, 0.92]) - scene)
    hills = 0.40 + 0.03 * np.sin(x / 60) + 0.02 * np.sin(x / 23 + 2)
    far = blend(palette("3b5d6e 5f8d8a 7aa27c"), smoothstep(0, 0.12, height - hills))
    scene = np.where((height > hills)[..., None], far, scene)
    ground = height > 0.5 + 0.03 * np.sin(x / 90 + 1)
    grass = blend(palette("2c4a1e 4d7a2a 8aa83a d2c65a"), np.clip(0.45 + 0.25 * noise(random, 8), 0, 1))
    scene = np.where(ground[..., None], grass, scene)
    for _ in range(190):
        row = SIDE * (0.52 + 0.5 * random.uniform() ** 0.8)
        column, size = random.uniform(0, SIDE), 4 + 13 * (row / SIDE - 0.5) * 2
        flower = ((y - row) ** 2 * 1.6 + (x - column) ** 2 < size**2)[..., None]
        scene = np.where(flower, palette("c8102e e0301e f2542d 9d1030 f3a3b5 5a3e9b")[random.integers(6)], scene)
    for column, size in ((90, 62), (430, 80), (352, 38)):
        crown = (y - 215) ** 2 * 0.7 + (x - column - 6 * np.sin(y / 9)) ** 2 < size**2
        leaves = blend(palette("142c1c 24502a 4d7f35 94a94a"), np.clip(0.4 - (x - column) / size / 3, 0, 1))
        scene = np.where(crown[..., None], leaves, scene)
    return scene, ground


def mosaic(random: Random) -> Array:
    """Small square stones in rings around two suns, gold, turquoise and brick, with sand between them."""
    y, x = grid()
    suns = [(165, 170), (400, 430)]
    distances = np.stack([np.hypot(y - row, x - column) for row, column in suns])
    nearest = distances.argmin(0)
    distance = distances.min(0)
    angle = np.arctan2(*[np.choose(nearest, [axis - sun[i] for sun in suns]) for i, axis in enumerate((y, x))])
    centers = random.uniform(0, SIDE, (1750, 2))
    for _ in range(14):
        label, edge = _square_cells(centers, angle)
        counts = np.maximum(np.bincount(label.ravel(), minlength=len(centers)), 1)
        centers = np.stack([np.bincount(label.ravel(), axis.ravel(), len(centers)) / counts for axis in (y, x)], 1)
    ring = distance / 19 + 0.35 * np.sin(6 * angle) * smoothstep(30, 90, distance)
    colors = palette("f4c430 e08e1b b5432a 7a1f1f f1e3c2 1f8a8a 0f4c5c 2bb5a0 f1e3c2 d9a441 b5432a 14345c 4fa3c7")
    rows, columns = np.clip(centers.round().astype(int), 0, SIDE - 1).T
    stones = colors[np.floor(ring[rows, columns]).astype(int) % len(colors)]
    stones = np.clip(stones * random.normal(1, 0.13, (len(stones), 1)) + random.normal(0, 0.03, stones.shape), 0, 1)
    inside = np.minimum(distance_transform_edt(~edge), 4.0)
    sand = palette("6b5d4f")[0] * (1 + 0.10 * noise(random, 0.8)[..., None])
    cover = smoothstep(0.8, 2.0, inside)[..., None]
    canvas = sand + cover * (stones[label] * (1 + 0.05 * noise(random, 1.5)[..., None]) - sand)
    return lit(canvas, gaussian_filter(inside, 0.8), 0.3)


def _square_cells(centers: Array, angle: Array) -> tuple[Array, Array]:
    """The nearest centre to each pixel, by squares turned by the angle at the centre, and where the cells meet."""
    best, label = np.full((SIDE, SIDE), np.inf), np.zeros((SIDE, SIDE), int)
    for index, (row, column) in enumerate(centers):
        window, dy, dx = around(row, column, 22)
        turn = angle[min(int(row), SIDE - 1), min(int(column), SIDE - 1)]
        sine, cosine = np.sin(turn), np.cos(turn)
        size = np.maximum(np.abs(cosine * dx + sine * dy), np.abs(cosine * dy - sine * dx))
        closer = size < best[window]
        best[window] = np.where(closer, size, best[window])
        label[window] = np.where(closer, index, label[window])
    edge = np.zeros((SIDE, SIDE), bool)
    edge[1:] |= label[1:] != label[:-1]
    edge[:, 1:] |= label[:, 1:] != label[:, :-1]
    return label, edge


def glass(random: Random) -> Array:
    """Stained glass: panes of jewel colours, streaked and glowing, in black lead."""
    y, x = grid()
    bend_y, bend_x = y + 11 * noise(random, 26), x + 11 * noise(random, 26)
    places = (np.stack(np.meshgrid(*[np.arange(-1, 13)] * 2), -1).reshape(-1, 2) + 0.5) * 43
    places = places + random.uniform(-17, 17, places.shape)
    first, second, label = np.full((SIDE, SIDE), np.inf), np.full((SIDE, SIDE), np.inf), np.zeros((SIDE, SIDE), int)
    for index, (row, column) in enumerate(places):
        distance = np.hypot(bend_y - row, bend_x - column)
        second = np.minimum(second, np.maximum(first, distance))
        label = np.where(distance < first, index, label)
        first = np.minimum(first, distance)
    jewels = palette("b3122a e23b2e f28c1e f7c531 1f8f4d 0e5f4a 1b4fa8 12277a 5a2a8c 35a7d6 f2e3b3 d94f87")
    panes = jewels[random.integers(len(jewels), size=len(places))][label]
    streaks = sample(noise(random, 5), y * 0.25 + 14 * noise(random, 40), x + label * 37.0)
    light = 0.62 + 0.40 * smoothstep(0, 34, second - first) + 0.10 * streaks + 0.06 * noise(random, 2)
    canvas = np.clip(panes * light[..., None], 0, 1)
    canvas += 0.25 * smoothstep(0.9, 1.25, light)[..., None] * (1 - canvas)
    lead = smoothstep(4.5, 7.0, second - first)
    relief = gaussian_filter(2.5 * (1 - lead), 1.2)
    return lit(np.array([0.07, 0.07, 0.09]) * (1 - lead[..., None]) + canvas * lead[..., None], relief, 0.5)


def ink_waves(random: Random) -> Array:
    """Overlapping waves of indigo ink on rice paper, drawn by a slightly unsteady hand."""
    y, x = grid()
    y, x = y + 5 * noise(random, 30) + 0.7 * noise(random, 3), x + 5 * noise(random, 30) + 0.7 * noise(random, 3)
    paper = palette("f3e7cf")[0] * (1 + 0.025 * noise(random, 1.5) + 0.03 * noise(random, 40))[..., None]
    inks = palette("14204a 1f3a6e 2f5d92 5b8db3 a9c6cf f3e7cf c8452d")
    canvas, radius = paper.copy(), 47.0
    for row in range(-1, 26):
        middle = row * radius / 2
        for column in range(-1, 8):
            center = (column + row % 2 / 2) * radius * 1.75
            size = radius * random.uniform(0.95, 1.12)
            distance = np.hypot(y - middle - radius, x - center) / size
            inside = smoothstep(0.012, -0.012, distance - 1)[..., None]
            order = [1, 5, 0, 5, 2, 5, 3] if random.uniform() < 0.92 else [6, 5, 6, 5, 6, 5, 6]
            if random.uniform() < 0.3:
                order = [0, 1, 5, 3, 5, 2, 5]
            band = np.clip((1 - distance) * 7.6, 0, 6.999)
            ink = inks[np.array(order)[band.astype(int)]]
            canvas = canvas + inside * (ink - canvas)
    washed = gaussian_filter(canvas, (0.7, 0.7, 0))
    dryness = np.clip(0.10 + 0.09 * noise(random, 1.2) + 0.07 * noise(random, 14), 0, 0.5)[..., None]
    return np.clip(washed + dryness * (paper - washed), 0, 1)


def dots(random: Random) -> Array:
    """Dots of pure colour that mix in the eye: a sunset over water."""
    y, x = grid()
    height = y / SIDE
    sky = blend(palette("27408b 6a5acd d96aa7 ff8c42 ffd23f"), np.clip(height / 0.55, 0, 1))
    shimmer = np.clip(1.15 - height + 0.08 * np.sin(x / 17 + 5 * noise(random, 30)), 0, 1)
    sea = blend(palette("0b1f4b 1b4f8a 2a8ca8 e88a5a ffd23f"), shimmer * 0.9)
    scene = np.where((height > 0.55)[..., None], sea, sky)
    sun = np.hypot(y - 235, x - 330)
    scene += smoothstep(150, 30, sun)[..., None] * 0.55 * (palette("fff2a8")[0] - scene)
    path = smoothstep(60, 5, np.abs(x - 330) - 25 * height * np.sin(y / 7)) * (height > 0.55) * 0.8
    scene += path[..., None] * (palette("ffdf6b")[0] - scene)
    shore = height > 0.86 + 0.05 * np.sin(x / 70)
    scene = np.where(shore[..., None], blend(palette("123524 2f6b3a 7a9b3a"), 0.5 + 0.2 * noise(random, 10)), scene)
    pure = palette("10204f 1f4fa0 2c7fc0 3fb8c8 1e7a4a 7cb342 f7e04b ffb020 ff7a2a e8402e d84a9a 7a4fc0 ffffff 30204a")
    canvas = np.clip(scene * 0.85 + 0.1, 0, 1)
    for radius, count in ((6.5, 3500), (4.5, 7500), (3.2, 5000)):
        for row, column in random.uniform(-4, SIDE + 4, (count, 2)):
            wanted = scene[tuple(np.clip([int(row), int(column)], 0, SIDE - 1))] + random.normal(0, 0.16, 3)
            color = pure[np.square(pure - wanted).sum(1).argmin()]
            size = radius * random.uniform(0.75, 1.1)
            window, dy, dx = around(row, column, size + 1)
            cover = 0.92 * smoothstep(size + 0.6, size - 0.6, np.hypot(dy, dx))[..., None]
            shade = 1 - 0.02 * (dy + dx)[..., None]
            canvas[window] += cover * (color * shade - canvas[window])
    return np.clip(canvas, 0, 1)


def weave(random: Random) -> Array:
    """A woven carpet: thick threads over and under one another, zigzags and diamonds in madder, indigo and ochre."""
    y, x = grid()
    y, x = y + 1.6 * noise(random, 22), x + 1.6 * noise(random, 22)
    pitch = 8.0
    row, column = np.floor(y / pitch), np.floor(x / pitch)
    dyes = palette("8c1c2b c8452d e0a030 f0dfb8 1f3b63 2f7a7a 4b2a3a")
    zigzag = np.floor((row + np.abs(column % 16 - 8)) / 2).astype(int)
    diamond = np.floor((np.abs(row % 16 - 8) + np.abs(column % 16 - 8)) / 2).astype(int)
    motif = np.where((row // 16) % 2 == 0, zigzag % 7, np.array([3, 0, 2, 4, 5, 3, 6, 1])[diamond % 8])
    over = (row + column) % 2 == 0
    weft, warp = y / pitch % 1 - 0.5, x / pitch % 1 - 0.5
    profile = np.where(over, np.cos(np.pi * weft) * (0.75 + 0.25 * np.cos(np.pi * warp)), 0)
    profile = np.where(over, profile, np.cos(np.pi * warp) * (0.75 + 0.25 * np.cos(np.pi * weft)))
    shade = np.clip(random.normal(1, 0.09, (SIDE, SIDE)), 0.7, 1.3)[row.astype(int) % SIDE, column.astype(int) % SIDE]
    twist = np.where(over, np.sin(2.4 * (x + 2 * y)), np.sin(2.4 * (y - 2 * x)))
    tone = (0.30 + 0.72 * np.clip(profile, 0, 1) ** 0.6) * shade * (1 + 0.10 * twist)
    dye = dyes[motif]
    dye = np.where(over[..., None], dye, dye * 0.88 + 0.03)
    return lit(np.clip(dye * tone[..., None], 0, 1), 3 * profile, 0.15)


def marble(random: Random) -> Array:
    """Marbled paper: drops of ink push each other aside on water, and combs draw them out.

    The painting is worked out backwards: for each pixel, where was its ink before the last comb, the comb before that,
    and the last drop?
    """
    y, x = np.mgrid[:SIDE:0.5, :SIDE:0.5]  # four samples for each pixel, because the threads of ink are fine
    y, x = y + 2 * sample(noise(random, 12), y, x), x + 2 * sample(noise(random, 12), y, x)
    x = x + 14 * np.sin(y / 37 + 1) + 5 * sample(noise(random, 30), y, x)
    y = y + 44 * 0.87 ** np.abs((x + 22) % 44 - 22) - 44 * 0.87 ** np.abs(x % 44 - 22)
    x = x + 60 * 0.93 ** np.abs(y % 88 - 44) - 60 * 0.93 ** np.abs((y + 44) % 88 - 44)
    inks = palette("f4e4c1 14405c c8432d e9a23b 1a1a2e 2d6a6a 7a1f2b f4e4c1 e9a23b 14405c")
    canvas, open_water = np.tile(inks[4], (*y.shape, 1)), np.ones(y.shape, bool)
    for drop in range(230):
        center_y, center_x, radius = *random.uniform(-60, SIDE + 60, 2), random.gamma(5, 5.0)
        dy, dx = y - center_y, x - center_x
        squared = np.maximum(dy**2 + dx**2, 1e-9)
        hit = open_water & (squared < radius**2)
        canvas[hit] = inks[drop % len(inks)] * random.uniform(0.9, 1.06)
        open_water &= ~hit
        before = np.sqrt(np.maximum(1 - radius**2 / squared, 0))
        y, x = center_y + dy * before, center_x + dx * before
    canvas = canvas.reshape(SIDE, 2, SIDE, 2, 3).mean((1, 3))
    return np.clip(canvas * (1 + 0.025 * noise(random, 1.5) + 0.03 * noise(random, 30))[..., None], 0, 1)


def woodcut(random: Random) -> Array:
    """A woodcut printed in three colours: line integral convolution of noise along a flow."""
    y, x = grid()
    flow = np.pi / 2 + 1.2 * noise(random, 55) + 0.3 * noise(random, 20)
    grain = noise(random, 1.9)
    carved = grain.copy()
    for sign in (-1, 1):
        here_y, here_x = y, x
        for _ in range(26):
            angle = flow[here_y.astype(int) % SIDE, here_x.astype(int) % SIDE]
            here_y, here_x = here_y + sign * np.sin(angle), here_x + sign * np.cos(angle)
            carved = carved + sample(grain, here_y % SIDE, here_x % SIDE)
    carved = carved / carved.std()
    tone = 0.9 * noise(random, 45)
    inks = palette("f4e6c8 e8722a b3261e 1d1a26")
    canvas = np.broadcast_to(inks[0], (SIDE, SIDE, 3)).copy()
    for ink, threshold in ((inks[1], -0.7), (inks[2], 0.1), (inks[3], 0.75)):
        cover = smoothstep(-0.12, 0.12, carved + tone - threshold)[..., None]
        canvas = canvas + cover * (ink - canvas)
    return np.clip(canvas * (1 + 0.03 * noise(random, 1.2)[..., None]), 0, 1)


STYLES: dict[str, Callable[[Random], Array]] = {
    "whirls": whirls,
    "meadow": meadow,
    "mosaic": mosaic,
    "glass": glass,
    "ink_waves": ink_waves,
    "dots": dots,
    "weave": weave,
    "marble": marble,
    "woodcut": woodcut,
}


def paint(name: str) -> Image.Image:
    """The picture of this name, 512x512, the same at every call."""
    canvas = STYLES[name](np.random.default_rng(SEED))
    return Image.fromarray((255 * canvas).round().astype(np.uint8))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="name", help=f"{', '.join(STYLES)}; default: all")
    names = parser.parse_args().names or list(STYLES)
    if unknown := [name for name in names if name not in STYLES]:
        parser.error(f"no style is called {unknown[0]!r}; there are {', '.join(STYLES)}")
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in names:
        path = FOLDER / f"{name}.jpg"
        paint(name).save(path, quality=90, optimize=True)
        print(f"{name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
