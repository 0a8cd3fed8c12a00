"""Labelled collections of images that several notebooks share.

`patches()` and `digits()` are there offline, `imagenette()` and `cifar10()` are downloaded when asked for,
`folder(path)` holds a user's own photos, and `stack(images, labels, names)` whatever else. All keep one contract,
`Gallery`.
"""

from vizlib.images.galleries.downloads import cifar10, imagenette
from vizlib.images.galleries.folder import folder
from vizlib.images.galleries.gallery import Gallery, digits, stack
from vizlib.images.galleries.photo_patches import overlapping, patches

__all__ = ["Gallery", "cifar10", "digits", "folder", "imagenette", "overlapping", "patches", "stack"]
