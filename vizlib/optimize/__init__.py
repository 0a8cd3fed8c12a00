"""Changing an image step by step: the loop, its steps and knobs, what is made small and what is made large.

`losses`, `objectives`, `regularizers` and `transforms` are modules of their own.
"""

from vizlib.optimize.loop import Diverged, Losses, minimize
from vizlib.optimize.objectives import Activations, Objective
from vizlib.optimize.parametrizations import Parametrization, Pixels, Spectrum
from vizlib.optimize.steps import Knobs, OptimizerKnobs, Partial, Step, expect, finite, last, stage

__all__ = [
    "Activations",
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
