"""Segmenting an object without training on masks: saliency says where to look, and GrabCut finds the edges.

As in Simonyan et al. 2014, section 3.2, the most salient pixels are taken as the object and the least salient ones as
the background. Two colour models are fitted to them, and a graph cut labels all other pixels (Rother et al. 2004).
"""

from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from vizlib.images import to_array

SURE_BACKGROUND, SURE_OBJECT, MAYBE_BACKGROUND, MAYBE_OBJECT = cv2.GC_BGD, cv2.GC_FGD, cv2.GC_PR_BGD, cv2.GC_PR_FGD
_FEWEST = 5  # the pixels that GrabCut needs of each kind, one for each of the five components of its colour models


class Segmentation(NamedTuple):
    """The result of a segmentation.

    Attributes:
        mask: The pixels of the object, booleans `(H, W)`.
        seeds: The labels that GrabCut started from, `(H, W)` uint8; see `seeds`.
        cut: Whether GrabCut could run. If not, there were too few pixels of one kind, and the mask is the seeds' guess.
    """

    mask: Tensor
    seeds: Tensor
    cut: bool


def seeds(saliency: Tensor, sure: float = 0.1, background: float = 0.2, smooth: float = 0.06) -> Tensor:
    """The label that a saliency map gives each pixel, before GrabCut looks at the colours.

    Args:
        saliency: `(H, W)`, larger where a pixel matters more.
        sure: The share of the pixels, the most salient ones, that are certain to be the object.
        background: The share of the pixels, the least salient ones, that are certain to be background.
        smooth: The standard deviation of the Gaussian that first blurs the map, as a fraction of its shorter side.

    Returns:
        `(H, W)` uint8: SURE_OBJECT or SURE_BACKGROUND, and in between MAYBE_OBJECT above the mean and
        MAYBE_BACKGROUND below it. A constant map is MAYBE_BACKGROUND everywhere.

    Raises:
        ValueError: The map does not have two dimensions, holds values that are not finite, or a share or `smooth` is
            out of range.
    """
    from scipy import ndimage  # not with the module: it takes half a second

    if saliency.ndim != 2:
        raise ValueError(f"saliency: expected one map (H, W), got shape {tuple(saliency.shape)}")
    if not saliency.isfinite().all():
        raise ValueError("saliency holds NaN or infinite values: check what the map was computed from")
    if not (sure > 0 and background > 0 and sure + background <= 1 and smooth >= 0):
        raise ValueError(
            f"sure = {sure}, background = {background}, smooth = {smooth}: expected shares above 0 that add up to at "
            "most 1, and smooth of at least 0"
        )
    smoothed = ndimage.gaussian_filter(saliency.detach().cpu().double().numpy(), smooth * min(saliency.shape))
    labels = np.where(smoothed > smoothed.mean(), MAYBE_OBJECT, MAYBE_BACKGROUND)
    if np.ptp(smoothed) > 1e-9 * np.abs(smoothed).max():
        labels[smoothed <= np.quantile(smoothed, background)] = SURE_BACKGROUND
        labels[smoothed >= np.quantile(smoothed, 1 - sure)] = SURE_OBJECT
    return torch.from_numpy(labels.astype(np.uint8))


def grabcut(image: Tensor, labels: Tensor, iterations: int = 5, seed: int = 0) -> Segmentation:
    """The object found by GrabCut: the largest connected piece of its result.

    Args:
        image: `(1, 3, H, W)` in [0, 1].
        labels: `(H, W)` uint8, from `seeds`.
        iterations: How many times the colour models are fitted and the graph is cut, in turn.
        seed: The seed of the clustering that initialises the colour models.

    Raises:
        ValueError: The labels do not have the size of the image.
    """
    if labels.shape != image.shape[2:]:
        raise ValueError(
            f"labels have shape {tuple(labels.shape)} and the image is {tuple(image.shape[2:])}: resize one of them"
        )
    marks = labels.numpy().copy()
    likely = (marks == SURE_OBJECT) | (marks == MAYBE_OBJECT)
    cut = min(likely.sum(), (~likely).sum()) >= _FEWEST
    if cut:
        cv2.setRNGSeed(seed)
        models = np.zeros((1, 65)), np.zeros((1, 65))
        cv2.grabCut(to_array(image), marks, None, *models, iterations, cv2.GC_INIT_WITH_MASK)
        found = (marks == SURE_OBJECT) | (marks == MAYBE_OBJECT)
    return Segmentation(torch.from_numpy(largest_piece(found if cut else likely)), labels, bool(cut))


def segment(image: Tensor, saliency: Tensor, sure: float = 0.1, background: float = 0.2) -> Segmentation:
    """The object that a saliency map `(H, W)` points to in its image `(1, 3, H, W)`: `seeds`, then `grabcut`."""
    return grabcut(image, seeds(saliency, sure, background))


def largest_piece(mask: np.ndarray) -> np.ndarray:
    """The largest connected piece of a boolean mask `(H, W)`; pixels connect along sides, not at corners."""
    from scipy import ndimage

    pieces, count = ndimage.label(mask)
    return mask if count < 2 else pieces == np.bincount(pieces[mask]).argmax()
