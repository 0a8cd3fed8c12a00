"""The networks: the bundled ones, which need no download, torchvision's, and the user's own, each as a `Network`."""

from vizlib.models.network import Network, Prediction, Target
from vizlib.models.zoo import cached, download, load, names, wrap

__all__ = ["Network", "Prediction", "Target", "cached", "download", "load", "names", "wrap"]
