"""First-order primitives, each declared once with all its rules. Importing this module declares them all."""

from __future__ import annotations

from . import (
    arithmetic as arithmetic,
    cast as cast,
    collectives as collectives,
    complex as complex,
    contraction as contraction,
    convolution as convolution,
    cumulative as cumulative,
    fft as fft,
    gather as gather,
    linalg_eigen as linalg_eigen,
    linalg_factor as linalg_factor,
    linalg_solve as linalg_solve,
    logical as logical,
    movement as movement,
    random_bits as random_bits,
    reductions as reductions,
    scatter as scatter,
    slicing as slicing,
    sorting as sorting,
    special as special,
    transcendental as transcendental,
    windows as windows,
)
from ._ops import p as p
