"""Equations that hold Jaxprs: each file declares one primitive with all its rules.

A rule of a structured primitive lifts a Jaxpr-to-Jaxpr function (`jvp_jaxpr`, `linearize_jaxpr`, `transpose_jaxpr`,
`batch_jaxpr`) through the bodies and rewires the operands.
"""

from __future__ import annotations

from . import (
    callback as callback,
    check as check,
    checkpoint as checkpoint,
    cond as cond,
    custom_jvp as custom_jvp,
    custom_vjp as custom_vjp,
    custom_vmap as custom_vmap,
    deferred as deferred,
    jit as jit,
    linear_call as linear_call,
    linear_solve as linear_solve,
    root as root,
    scan as scan,
    while_ as while_,
)
