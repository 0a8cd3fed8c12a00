"""Labelled collections of images that several notebooks share.

`patches()` and `digits()` work offline, `imagenette()` and `cifar10()` are downloaded at their first use,
`folder(path)` opens a user's own photos, and `stack(pictures, labels, names)` takes images that are already in memory.
All of them return a `Gallery`.
"""

from vizlib.images.galleries.downloads import cifar10, imagenette
from vizlib.images.galleries.folder import folder
from vizlib.images.galleries.gallery import Gallery, digits, stack
from vizlib.images.galleries.photo_patches import overlapping, patches

__all__ = ["Gallery", "cifar10", "digits", "folder", "imagenette", "overlapping", "patches", "stack"]
