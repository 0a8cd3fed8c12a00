"""The painting tools of scripts/paint_styles.py: smooth noise, palettes, brush strokes and light.

A canvas is a float array `(H, W, 3)` in [0, 1]; a flow is an angle in radians for each pixel, `(H, W)`.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_filter1d, map_coordinates

SIDE = 512
Array = NDArray[np.float64]
Random = np.random.Generator


def grid() -> tuple[Array, Array]:
    """The row and the column of each pixel, `(SIDE, SIDE)` each."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(float)
    return y, x


def around(row: float, column: float, reach: float) -> tuple[tuple[slice, slice], Array, Array]:
    """The part of the canvas within `reach` of a point, and how far below and to the right of it each pixel is."""
    top, left = max(0, int(row - reach)), max(0, int(column - reach))
    bottom, right = min(SIDE, int(row + reach) + 2), min(SIDE, int(column + reach) + 2)
    down, across = np.mgrid[top : max(top, bottom), left : max(left, right)].astype(float)
    return np.s_[top : max(top, bottom), left : max(left, right)], down - row, across - column


def noise(random: Random, scale: float, height: int = SIDE, width: int = SIDE) -> Array:
    """Smooth noise `(height, width)` of mean 0 and standard deviation 1, with blobs about `scale` pixels wide."""
    field = gaussian_filter(random.normal(size=(height, width)), scale, mode="wrap")
    return (field - field.mean()) / field.std()


def palette(colors: str) -> Array:
    """The colours in a string such as 'ff8800 112233', as rows of RGB in [0, 1]."""
    return np.array([[int(color[i : i + 2], 16) for i in (0, 2, 4)] for color in colors.split()]) / 255


def blend(colors: Array, place: Array) -> Array:
    """The colour at each `place` on a gradient whose colours are spread evenly over [0, 1]."""
    knots = np.linspace(0, 1, len(colors))
    return np.stack([np.interp(place, knots, channel) for channel in colors.T], -1)


def sample(field: Array, y: Array, x: Array) -> Array:
    """The field `(H, W)` or `(H, W, 3)`, interpolated between its pixels and repeated beyond its borders."""
    if field.ndim == 3:
        return np.stack([sample(channel, y, x) for channel in np.moveaxis(field, 2, 0)], -1)
    return map_coordinates(field, [y, x], order=1, mode="grid-wrap")


def smoothstep(low: float, high: float, value: Array) -> Array:
    """0 below `low`, 1 above `high`, and a smooth rise in between."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def lit(canvas: Array, height: Array, strength: float) -> Array:
    """The canvas as a relief of this height, in pixels, lit from the upper left."""
    down, across = np.gradient(height)
    shade = 1 - strength * (down + across) / np.sqrt(1 + down**2 + across**2)
    return np.clip(canvas * shade[..., None], 0, 1)


# --- strokes --------------------------------------------------------------------------------------------------------


def streamline(flow: Array, y: float, x: float, length: float, step: float = 4.0) -> Array:
    """A path through `(y, x)` that follows the flow in both directions, as points `(k, 2)`."""
    halves = []
    for sign in (-1, 1):
        here, path = np.array([y, x]), []
        for _ in range(max(1, round(length / 2 / step))):
            row, column = np.clip(here.astype(int), 0, SIDE - 1)
            angle = flow[row, column]
            here = here + sign * step * np.array([np.sin(angle), np.cos(angle)])
            path.append(here)
        halves.append(path)
    return np.array([*halves[0][::-1], [y, x], *halves[1]])


def across_and_along(path: Array, rows: Array, columns: Array) -> tuple[Array, Array]:
    """How far each pixel is from a path, negative on its left, and how far along it the nearest point is, in [0, 1].

    Args:
        path: Its corners `(k, 2)`.
        rows, columns: Of the pixels, `(h, 1)` and `(1, w)`; both results are `(h, w)`.
    """
    legs = np.diff(path, axis=0)
    lengths = np.maximum(np.hypot(*legs.T), 1e-9)
    starts = np.cumsum(lengths) - lengths
    nearest = np.full((rows.size, columns.size), np.inf)
    side, along = np.zeros(nearest.shape), np.zeros(nearest.shape)
    for (y, x), (down, right), length, start in zip(path, legs / lengths[:, None], lengths, starts, strict=False):
        dy, dx = rows - y, columns - x
        passed = dy * down + dx * right
        t = np.minimum(np.maximum(passed, 0), length)
        squared = dy**2 + dx**2 - t * (2 * passed - t)
        closer = squared < nearest
        np.copyto(nearest, squared, where=closer)
        np.copyto(side, dy * right - dx * down, where=closer)
        np.copyto(along, start + t, where=closer)
    return np.sqrt(np.maximum(nearest, 0)) * np.where(side < 0, -1, 1), along / lengths.sum()


def stroke(canvas: Array, relief: Array, path: Array, width: float, color: Array, random: Random) -> None:
    """Paint one stroke of a bristle brush along a path: streaks of lighter and darker paint, and a raised ridge."""
    top, left = np.maximum(np.floor(path.min(0) - width).astype(int), 0)
    bottom, right = np.minimum(np.ceil(path.max(0) + width).astype(int) + 1, SIDE)
    if top >= bottom or left >= right:
        return
    rows, columns = (axis.astype(float) for axis in np.ogrid[top:bottom, left:right])
    across, along = across_and_along(path, rows, columns)
    bristles = gaussian_filter1d(random.normal(size=64), 1.2, mode="wrap")
    streak = np.interp(across / width * 40, np.arange(-32, 32), bristles)
    half = width / 2 * np.sqrt(np.clip(1.05 - np.abs(2 * along - 1) ** 4, 0.05, 1)) * (1 + 0.15 * streak)
    cover = smoothstep(-0.7, 0.7, half - np.abs(across))
    window = np.s_[top:bottom, left:right]
    paint = np.clip(color * (1 + 0.12 * streak[..., None]), 0, 1)
    canvas[window] += cover[..., None] * (paint - canvas[window])
    ridge = 1 + 0.5 * streak + 0.4 * (np.abs(across) / width * 2) ** 2
    relief[window] += cover * (ridge - 0.7 * relief[window])


def strokes(
    canvas: Array, relief: Array, flow: Array, colors: Array, width: float, length: float, random: Random
) -> None:
    """Cover the canvas with strokes that follow the flow, each in the colour that `colors` `(H, W, 3)` has there."""
    spacing = width * 0.85
    places = np.stack(np.meshgrid(*[np.arange(-width, SIDE + width, spacing)] * 2), -1).reshape(-1, 2)
    for y, x in random.permutation(places + random.uniform(-spacing, spacing, places.shape)):
        path = streamline(flow, y, x, length * random.uniform(0.6, 1.3))
        row, column = np.clip([int(y), int(x)], 0, SIDE - 1)
        color = np.clip(colors[row, column] + random.normal(0, 0.035, 3) + random.normal(0, 0.03), 0, 1)
        stroke(canvas, relief, path, width * random.uniform(0.7, 1.2), color, random)
