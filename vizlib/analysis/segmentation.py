"""Cutting an object out without ever having seen a mask: saliency says where to look, GrabCut finds the edges.

Simonyan et al. 2014, section 3.2: the most salient pixels are taken for the object and the least salient for the
background; two colour models learn from them, and a graph cut decides about all the rest (Rother et al. 2004).
"""

from typing import NamedTuple

import cv2
import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from vizlib.images import to_array

SURE_BACKGROUND, SURE_OBJECT, MAYBE_BACKGROUND, MAYBE_OBJECT = cv2.GC_BGD, cv2.GC_FGD, cv2.GC_PR_BGD, cv2.GC_PR_FGD
_FEWEST = 5  # pixels that GrabCut needs of each kind: one for each of the five colours of its models


class Segmentation(NamedTuple):
    """A mask `(H, W)` of the object, and the seeds `(H, W)` that it grew from: 0 to 3, as GrabCut numbers them.

    `cut` is False where GrabCut had nothing to go by, and the mask holds the seeds' own guess.
    """

    mask: Tensor
    seeds: Tensor
    cut: bool


def seeds(saliency: Tensor, sure: float = 0.1, background: float = 0.2, smooth: float = 0.06) -> Tensor:
    """What a saliency map says about every pixel before the colours are looked at.

    Args:
        saliency: `(H, W)`, larger where it matters more.
        sure: The share of pixels, the most salient ones, that are the object for certain.
        background: The share, the least salient ones, that are background for certain.
        smooth: The width of the Gaussian that joins the map's dots first, as a fraction of its shorter side.

    Returns:
        `(H, W)` uint8: SURE_OBJECT, SURE_BACKGROUND, and between the two MAYBE_OBJECT above the mean and
        MAYBE_BACKGROUND below. A map that is the same everywhere is MAYBE_BACKGROUND everywhere.
    """
    if saliency.ndim != 2:
        raise ValueError(f"saliency: expected one map (H, W), got shape {tuple(saliency.shape)}")
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
    """The object's mask by GrabCut: the largest piece of what it finds.

    Args:
        image: `(1, 3, H, W)` in [0, 1].
        labels: `(H, W)` uint8, as `seeds` gives them.
        iterations: How often the colour models and the cut take turns.
        seed: Of the clustering that the colour models begin with.
    """
    if labels.shape != image.shape[2:]:
        raise ValueError(f"labels have shape {tuple(labels.shape)} and the image is {tuple(image.shape[2:])}: resize")
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
    """The object that a saliency map `(H, W)` points at in its image `(1, 3, H, W)`: `seeds`, then `grabcut`."""
    return grabcut(image, seeds(saliency, sure, background))


def largest_piece(mask: np.ndarray) -> np.ndarray:
    """The largest connected piece of a boolean mask `(H, W)`; sides connect, corners do not."""
    pieces, count = ndimage.label(mask)
    return mask if count < 2 else pieces == np.bincount(pieces[mask]).argmax()
