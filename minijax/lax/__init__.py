"""`minijax.lax`: functions that are one primitive each, without NumPy's promotion and broadcasting.

Operands have equal dtypes and equal shapes (scalars and Python numbers broadcast). `minijax.numpy` is written for
users; this is what it is written in.
"""

from __future__ import annotations

from ..primitives.collectives import axis_size as axis_size
from . import conditionals, elementwise, linalg as linalg, loops, mapping, parallel, reductions, solvers, structural
from .fft import FftType as FftType, fft as fft

for _room in (elementwise, structural, reductions, conditionals, loops, mapping, solvers, parallel):
    globals().update({_name: getattr(_room, _name) for _name in _room.__all__})
