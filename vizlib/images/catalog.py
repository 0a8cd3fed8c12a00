"""The pictures that have a name: where each is stored, what it shows, and who made it. `images.load` opens them."""

from collections.abc import Sequence
from typing import NamedTuple

from vizlib.assets import did_you_mean
from vizlib.images.box import Box
from vizlib.images.contract import ImageError


class Photo(NamedTuple):
    """A photo, or a part of one, that comes with another package.

    Attributes:
        package: The name under which the package is imported.
        file: The path inside the package.
        description: What the photo shows, who took it, and its licence.
        box: Which part of it, (top, bottom, left, right) in pixels, or None for the whole photo.
    """

    package: str
    file: str
    description: str
    box: Box | None = None


PHOTOS = {
    "chelsea": Photo(
        "skimage", "data/chelsea.png", "The face of Chelsea, a tabby cat. Photo: Stefan van der Walt, CC0"
    ),
    "coffee": Photo(
        "skimage",
        "data/coffee.png",
        "An espresso in a red cup on a wooden table. Photo: Rachel Michetti, courtesy of Pikolo Espresso Bar, CC0",
    ),
    "astronaut": Photo(
        "skimage",
        "data/astronaut.png",
        "Astronaut Eileen Collins in an orange suit, a flag and a model shuttle behind her. Photo: NASA, public domain",
    ),
    "rocket": Photo(
        "skimage", "data/rocket.jpg", "A Falcon 9 rocket on its launch pad at dusk. Photo: SpaceX, public domain"
    ),
    "motorcycle": Photo(
        "skimage",
        "data/motorcycle_left.png",
        "A red motorcycle in a garage. Photo: Middlebury 2014 stereo benchmark, D. Scharstein et al.",
    ),
    "china": Photo(
        "sklearn",
        "datasets/images/china.jpg",
        "A Chinese pavilion with green roofs above a lake. Photo: danielbuechele on Flickr, CC BY 2.0",
    ),
    "flower": Photo(
        "sklearn",
        "datasets/images/flower.jpg",
        "An orange dahlia against dark leaves. Photo: vultilion on Flickr, CC BY 2.0",
    ),
    "hubble_deep_field": Photo(
        "skimage",
        "data/hubble_deep_field.jpg",
        "Thousands of distant galaxies on black, the Hubble eXtreme Deep Field. Photo: NASA, public domain",
    ),
    "retina": Photo(
        "skimage",
        "data/retina.jpg",
        "The back of a human eye with its blood vessels. Photo: Mikael Häggström, CC0",
    ),
    "immunohistochemistry": Photo(
        "skimage",
        "data/ihc.png",
        "Colon glands stained brown among blue cells, under a microscope. Photo: Center for Microscopy and Molecular "
        "Imaging, no known copyright",
    ),
}

# 512x512, painted by scripts/paint_styles.py for this project, MIT; in data/styles/.
STYLES = {
    "whirls": "Oil strokes that circle around glowing stars in a night of blues. Painting: by vizlib, MIT",
    "meadow": "Poppies under a summer sky, in short dabs of oil. Painting: by vizlib, MIT",
    "mosaic": "Small square stones in rings around two suns, gold, turquoise and brick. Painting: by vizlib, MIT",
    "glass": "Stained glass: panes of jewel colours in black lead. Painting: by vizlib, MIT",
    "ink_waves": "Overlapping waves of indigo ink on rice paper. Painting: by vizlib, MIT",
    "dots": "A sunset over water, in points of pure colour. Painting: by vizlib, MIT",
    "weave": "A woven carpet of zigzags and diamonds in madder, indigo and ochre. Painting: by vizlib, MIT",
    "marble": "Marbled paper: inks drawn out into feathers by a comb. Painting: by vizlib, MIT",
    "woodcut": "Curved cuts in wood, printed in orange, red and black. Painting: by vizlib, MIT",
}

TEXTURES = {
    "brick": Photo("skimage", "data/brick.png", "A brick wall, grey. Photo: CC0Textures, CC0"),
    "grass": Photo("skimage", "data/grass.png", "Grass, grey. Photo: linolafett, CC0"),
    "gravel": Photo("skimage", "data/gravel.png", "Gravel, grey. Photo: CC0Textures, CC0"),
    "petals": Photo(
        "sklearn",
        "datasets/images/flower.jpg",
        "Petals of an orange dahlia. Photo: vultilion on Flickr, CC BY 2.0, a part of it",
        Box(124, 300, 222, 398),
    ),
    "leaves": Photo(
        "sklearn",
        "datasets/images/china.jpg",
        "Treetops from above. Photo: danielbuechele on Flickr, CC BY 2.0, a part of it",
        Box(331, 427, 380, 476),
    ),
    "galaxies": Photo(
        "skimage",
        "data/hubble_deep_field.jpg",
        "Galaxies on black, from the Hubble eXtreme Deep Field. Photo: NASA, public domain, a part of it",
        Box(300, 620, 300, 620),
    ),
}

# `vizlib.assets.fetch` downloads these once; their addresses are there.
PAINTINGS = {
    "starry_night": "The Starry Night: a swirling night sky over a village. Painting: Vincent van Gogh, 1889",
    "wave": "The Great Wave off Kanagawa: a wave over boats, Mount Fuji behind. Woodblock print: Hokusai, about 1831",
    "the_scream": "The Scream: a screaming figure on a bridge under a red sky. Painting: Edvard Munch, 1893",
    "composition_vii": "Composition VII: abstract shapes in many colours. Painting: Wassily Kandinsky, 1913",
}
DOWNLOADED_PHOTOS = {
    "chicago": "The skyline of Chicago by the lake. Photo: from jcjohnson/fast-neural-style",
    "cat_dog": "A bulldog sitting behind a lying tabby cat. Photo: from utkuozbulak/pytorch-cnn-visualizations",
}


def photos() -> list[str]:
    """The names of the colour photos that need no download: they come with scikit-image and scikit-learn."""
    return list(PHOTOS)


def paintings() -> list[str]:
    """The names of the paintings that are downloaded at their first use."""
    return list(PAINTINGS)


def styles() -> list[str]:
    """The names of the style images that need no download: they come with vizlib."""
    return list(STYLES)


def textures() -> list[str]:
    """The names of the texture samples that need no download: photos, or parts of photos, from other packages."""
    return list(TEXTURES)


def names() -> list[str]:
    """Every name that `load` knows: photos, styles, textures, paintings and the photos that are downloaded."""
    return [*PHOTOS, *STYLES, *TEXTURES, *PAINTINGS, *DOWNLOADED_PHOTOS]


def describe(name: str) -> str:
    """What a named picture shows and who made it, in one line that can serve as alt text.

    Raises:
        ImageError: The name is unknown; the message suggests the nearest.
    """
    bundled = PHOTOS | TEXTURES
    if name in bundled:
        return bundled[name].description
    return (STYLES | PAINTINGS | DOWNLOADED_PHOTOS)[one_of(names(), name, "a picture")]


def one_of(known: Sequence[str], name: str, what: str) -> str:
    """The name, unchanged, if it is a known one.

    Args:
        what: What the message says the name should be of, such as 'a picture'.

    Raises:
        ImageError: The name is unknown; the message suggests the nearest.
    """
    if name not in known:
        raise ImageError(f"{name!r} is not the name of {what}{suggestion(name, known)}")
    return name


def suggestion(name: str, known: Sequence[str]) -> str:
    """The end of a message about an unknown picture: the nearest names, or all the known ones if none is close."""
    return did_you_mean(name, known) or f"; expected one of {', '.join(known)}"
