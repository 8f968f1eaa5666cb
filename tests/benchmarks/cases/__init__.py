"""Every case by name; importing a peer's module adds that library to the cases it can run."""

from . import arrays, loops, models, networks, small
from .case import CASES, Case

__all__ = ["CASES", "Case", "arrays", "loops", "models", "networks", "small"]
