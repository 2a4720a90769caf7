"""Degradations: how a noisy image is made from a clean one, as pure functions; images and batches of tensors alike.

A degradation is written `kind:value` or `kind:name=value,name=value`, and several of them, one after
another, with `+` between: `gaussian:25+jpeg:50`. A bare number means Gaussian noise of that standard
deviation on the 0-255 scale. A parameter may be a range, `gaussian:0-55`: each image then has its own
value, drawn uniformly. `pairs` takes the noisy images that a dataset has of its own.
"""

from bench.degradation.batch import degrade_batch
from bench.degradation.degrade import Degraded, degrade
from bench.degradation.kinds import KINDS
from bench.degradation.parsing import GROUPS, PAIRS, Degradation, Step, parse

__all__ = ["GROUPS", "KINDS", "PAIRS", "Degradation", "Degraded", "Step", "degrade", "degrade_batch", "parse"]
