"""Changing an image step by step: the optimisation loop, its steps and knobs, and what the image is made of.

The functions to minimise and to maximise, and those that keep an image natural, are in the modules `losses`,
`objectives`, `regularizers` and `transforms`.
"""

from vizlib.optimize.loop import Diverged, Losses, minimize
from vizlib.optimize.objectives import Activations, Objective
from vizlib.optimize.optimizers import Adam
from vizlib.optimize.parametrizations import Parametrization, Pixels, Spectrum
from vizlib.optimize.steps import Knobs, OptimizerKnobs, Partial, Step, expect, finite, last, stage

__all__ = [
    "Activations",
    "Adam",
    "Diverged",
    "Knobs",
    "Losses",
    "Objective",
    "OptimizerKnobs",
    "Parametrization",
    "Partial",
    "Pixels",
    "Spectrum",
    "Step",
    "expect",
    "finite",
    "last",
    "minimize",
    "stage",
]
