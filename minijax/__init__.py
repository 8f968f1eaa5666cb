"""minijax: automatic differentiation for Python and NumPy users, with JAX's API, on the CPU.

    >>> import minijax as mj
    >>> import minijax.numpy as mnp
    >>> float(mj.grad(lambda x: mnp.sin(x) ** 2)(0.5))  # doctest: +ELLIPSIS
    0.841...

How it works, in one screen:

    user function --trace (ir/trace.py)--> Jaxpr --+-- eval        interpreters/eval.py
                                                   +-- jvp         forward mode
                                                   +-- linearize   run what is known, record what is linear
                                                   +-- transpose   run a linear Jaxpr backwards: vjp, grad, jacrev
                                                   +-- batch       vmap
                                                   +-- draw        viz/

Read `ir/jaxpr.py` first, then `ir/trace.py`, then the interpreters: each is a loop over equations.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ._collection import resume as _resume

# isort: split
# NumPy next, and from here: imported in the depth of our own imports NumPy took 15 ms longer, as calls of its many small functions
# then crossed a boundary of the interpreter's stack of frames, which is allocated and freed each time (CPython 3.11).
import numpy as _numpy  # noqa: F401

from . import (
    ad_checkpoint as ad_checkpoint,
    custom_batching as custom_batching,
    custom_derivatives as custom_derivatives,
    custom_transpose as custom_transpose,
    dtypes as dtypes,
    errors as errors,
    ir as ir,
    lax as lax,
    numpy as numpy,
    tree as tree,
    tree_util as tree_util,
)
from .api.autodiff import (
    grad as grad,
    jvp as jvp,
    linear_transpose as linear_transpose,
    linearize as linearize,
    value_and_grad as value_and_grad,
    vjp as vjp,
)
from .api.callbacks import pure_callback as pure_callback
from .api.checkpoint_policies import checkpoint_policies as checkpoint_policies
from .api.checkpointing import checkpoint as checkpoint, remat as remat
from .api.compile import clear_caches as clear_caches, jit as jit
from .api.custom_jvp import custom_jvp as custom_jvp
from .api.custom_vjp import custom_gradient as custom_gradient, custom_vjp as custom_vjp
from .api.devices import (
    Device as Device,
    block_until_ready as block_until_ready,
    default_backend as default_backend,
    device_count as device_count,
    device_get as device_get,
    device_put as device_put,
    devices as devices,
    effects_barrier as effects_barrier,
    local_device_count as local_device_count,
    local_devices as local_devices,
    process_count as process_count,
    process_index as process_index,
)
from .api.jacobians import hessian as hessian, jacfwd as jacfwd, jacobian as jacobian, jacrev as jacrev
from .api.naming import named_call as named_call, named_scope as named_scope
from .api.stage import (
    ShapeDtypeStruct as ShapeDtypeStruct,
    closure_convert as closure_convert,
    ensure_compile_time_eval as ensure_compile_time_eval,
    eval_shape as eval_shape,
    make_jaxpr as make_jaxpr,
    typeof as typeof,
)
from .api.vectorize import vmap as vmap
from .array import Array as Array
from .config import (
    check_tracer_leaks as check_tracer_leaks,
    checking_leaks as checking_leaks,
    config as config,
    debug_infs as debug_infs,
    debug_nans as debug_nans,
    default_matmul_precision as default_matmul_precision,
    disable_jit as disable_jit,
    enable_checks as enable_checks,
    enable_x64 as enable_x64,
    log_compiles as log_compiles,
    numpy_dtype_promotion as numpy_dtype_promotion,
    numpy_rank_promotion as numpy_rank_promotion,
)
from .dtypes import float0 as float0

_resume()
__version__ = "0.1.0"

_ROOMS = frozenset(
    ("core", "debug", "experimental", "flatten_util", "nn", "random", "scipy", "test_util", "typing", "viz")
)


def __getattr__(name: str) -> Any:
    """Rooms that are imported when they are first asked for: `minijax.nn`, `minijax.random`, `minijax.viz`, ..."""
    if name in _ROOMS:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module 'minijax' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_ROOMS})


__all__ = [name for name in __dir__() if name[0] != "_" and name not in ("Any", "annotations", "import_module")]
