"""The networks: bundled ones that need no internet, torchvision's zoo, and the user's own, all as a `Network`."""

from vizlib.models.network import Network, Prediction, Target
from vizlib.models.zoo import cached, download, load, names, wrap

__all__ = ["Network", "Prediction", "Target", "cached", "download", "load", "names", "wrap"]
