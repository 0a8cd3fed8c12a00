"""A hands-on companion to a lecture on visualising and understanding convolutional networks."""

from vizlib.compute import limit_threads

__version__ = "0.1.0"

limit_threads()
