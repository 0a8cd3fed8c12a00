"""Scans of a gallery that a panel begins when a network is chosen, and goes on with where it left off."""

from collections.abc import Callable, Iterator

from vizlib.analysis import activations, patches
from vizlib.analysis.patches import TopPatches
from vizlib.images.galleries import Gallery
from vizlib.models import Network


def scans(
    gallery: Gallery, k: int, side: int = 0, known: TopPatches | None = None, net: Network | None = None
) -> Callable[[Network], Iterator[TopPatches]]:
    """A function that yields better and better top patches of a network's layers; what is done is not done again.

    Args:
        gallery: Where the patches are taken from.
        k: How many patches of each channel are kept.
        side: The side of the images in pixels, where the network does not need larger ones.
        known: A complete scan of `net`, if there is one.
    """
    found: dict[Network, TopPatches] = {}
    going: dict[Network, Iterator[TopPatches]] = {}
    if known is not None and net is not None:
        found[net], going[net] = known, iter(())

    def scanned(net: Network) -> Iterator[TopPatches]:
        if net not in going:
            larger = max(side, net.input_size)
            going[net] = patches.scanning(net, gallery, list(activations.map_shapes(net)), k=k, side=larger)
        if net in found:
            yield found[net]
        for top in going[net]:
            found[net] = top
            yield top

    return scanned
