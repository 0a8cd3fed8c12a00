"""Labelled collections of images that several notebooks share.

`patches()` and `digits()` work offline, `imagenette()` and `cifar10()` are downloaded at their first use;
`preferred()` gives one of the latter where it is in the cache already. `folder(path)` opens a user's own photos, and
`stack(pictures, labels, names)` takes images that are already in memory. All of them return a `Gallery`.
"""

from vizlib.images.galleries.downloads import COLLECTIONS, cifar10, fetching, imagenette, is_here, preferred
from vizlib.images.galleries.folder import folder
from vizlib.images.galleries.gallery import Gallery, digits, stack
from vizlib.images.galleries.photo_patches import overlapping, patches

__all__ = [
    "COLLECTIONS",
    "Gallery",
    "cifar10",
    "digits",
    "fetching",
    "folder",
    "imagenette",
    "is_here",
    "overlapping",
    "patches",
    "preferred",
    "stack",
]
