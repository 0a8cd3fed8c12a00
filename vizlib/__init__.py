"""A hands-on companion to the lecture "Visualizing and Understanding" convolutional networks."""

from vizlib.compute import limit_threads

__version__ = "0.1.0"

limit_threads()
