"""minijax.random: keys, and arrays of random numbers that are functions of a key.

In: a key, a shape, parameters of a distribution. Out: arrays. The bits come from `primitives/random_bits.py`;
what is made of them follows JAX 0.10, so that equal seeds give equal numbers there and here. Samples are
differentiable in the parameters wherever the formula is (reparametrisation).

A key is a uint32 array (2,), whether made by `key` or by `PRNGKey`: what prints in JAX as `key<fry>[]` has
shape (2,) here, and `key_data` is the identity.
"""

from __future__ import annotations

from .distributions import (
    bernoulli as bernoulli,
    cauchy as cauchy,
    exponential as exponential,
    geometric as geometric,
    gumbel as gumbel,
    laplace as laplace,
    logistic as logistic,
    lognormal as lognormal,
    maxwell as maxwell,
    multivariate_normal as multivariate_normal,
    normal as normal,
    orthogonal as orthogonal,
    pareto as pareto,
    rademacher as rademacher,
    rayleigh as rayleigh,
    triangular as triangular,
    truncated_normal as truncated_normal,
    weibull_min as weibull_min,
)
from .keys import (
    PRNGKey as PRNGKey,
    clone as clone,
    fold_in as fold_in,
    key as key,
    key_data as key_data,
    key_impl as key_impl,
    split as split,
    wrap_key_data as wrap_key_data,
)
from .selections import (
    categorical as categorical,
    choice as choice,
    permutation as permutation,
)
from .uniforms import (
    bits as bits,
    randint as randint,
    uniform as uniform,
)
