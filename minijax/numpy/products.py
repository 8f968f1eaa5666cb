"""Products of arrays: dot, matmul, einsum, tensordot, inner, outer, kron, cross, convolve.

In: arrays of any dtypes, promoted. Out: arrays. All contractions are one primitive, `dot_general`; the order in which
`einsum` contracts is found by opt_einsum (Smith & Gray 2018).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..array import Array
from ..dtypes import to_inexact_dtype
from ..ir import Tracer
from ..primitives import p
from ._promotion import (
    as_array,
    as_dtype,
    broadcast_value,
    canonical_axis,
    checked,
    common_dtype,
    literal,
    promoted,
    user_dtype,
)
from .manipulation import expand_dims, moveaxis, ravel, reshape, transpose

__all__ = [
    "convolve",
    "correlate",
    "cross",
    "dot",
    "einsum",
    "einsum_path",
    "inner",
    "kron",
    "matmul",
    "matvec",
    "outer",
    "tensordot",
    "vdot",
    "vecdot",
    "vecmat",
]


def _operands(name: str, *args: Any) -> list[Any]:
    """Arrays of one dtype; shapes as they are."""
    values = checked(name, *args)
    dtype, weak = common_dtype(values)
    return [as_dtype(x, dtype, weak) for x in values]


def contract(x: Any, y: Any, contracting: Any, batch: Any = ((), ()), wanted: Any = None) -> Any:
    """`dot_general` of operands of one dtype."""
    return p.dot_general(
        x,
        y,
        dimension_numbers=(tuple(map(tuple, contracting)), tuple(map(tuple, batch))),
        precision=None,
        preferred_element_type=x.aval.dtype if wanted is None else wanted,
    )


def dot(
    a: Any, b: Any, *, precision: Any = None, preferred_element_type: Any = None, out_sharding: Any = None
) -> Any:
    """Product of vectors and matrices: over the last axis of `a` and the last but one of `b`.

    Args:
        a, b: arrays; a scalar multiplies.
        precision: accepted.
        preferred_element_type: dtype of the result.

    Raises:
        TypeError: the contracted axes differ.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.dot(mnp.array([1.0, 2.0]), mnp.array([3.0, 4.0]))
        Array(11., dtype=float32)
    """
    wanted = user_dtype(preferred_element_type, "dot")
    x, y = _operands("dot", a, b)
    if not x.aval.ndim or not y.aval.ndim:
        out = p.mul(x, y)
        return out if wanted is None else as_dtype(out, wanted)
    last = max(y.aval.ndim - 2, 0)
    return contract(x, y, ((x.aval.ndim - 1,), (last,)), wanted=wanted)


def matmul(
    a: Any, b: Any, *, precision: Any = None, preferred_element_type: Any = None, out_sharding: Any = None
) -> Any:
    """Matrix product of the last two axes; the others broadcast.

    Args:
        a: (..., m, k) or (k,).
        b: (..., k, n) or (k,).
        precision: accepted.
        preferred_element_type: dtype of the result.

    Raises:
        ValueError: a scalar.
        TypeError: the inner sizes differ.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.matmul(mnp.ones((2, 3)), mnp.ones(3))
        Array([3., 3.], dtype=float32)
    """
    wanted = None if preferred_element_type is None else user_dtype(preferred_element_type, "matmul")
    kinds = type(a), type(b)
    if kinds[0] in _ARRAYS and kinds[1] in _ARRAYS and a.aval.dtype is b.aval.dtype:
        x, y = a, b
    else:
        x, y = _operands("matmul", a, b)
    m, n = x.aval.ndim, y.aval.ndim
    if not m or not n:
        raise ValueError(f"matmul input operand {0 if not m else 1} must have ndim at least 1, but it has ndim 0")
    if n <= 2:
        return contract(x, y, ((m - 1,), (max(n - 2, 0),)), wanted=wanted)
    if m == 1:
        return contract(x, y, ((0,), (n - 2,)), wanted=wanted)
    return _batched_matmul(x, y, wanted)


_ARRAYS = (Array, Tracer)


def _batched_matmul(x: Any, y: Any, wanted: Any) -> Any:
    x_batch, y_batch = x.aval.shape[:-2], y.aval.shape[:-2]
    if x_batch != y_batch:
        if not any(n != 1 for n in x_batch):
            x = reshape(x, x.aval.shape[-2:])
            out = contract(x, y, ((1,), (y.aval.ndim - 2,)), wanted=wanted)
            out = moveaxis(out, 0, -2)
            extra = max(len(x_batch) - len(y_batch), 0)
            return expand_dims(out, tuple(range(extra))) if extra else out
        try:
            batch = np.broadcast_shapes(x_batch, y_batch)
        except ValueError:
            raise ValueError(
                f"Incompatible shapes for broadcasting: shapes={[x_batch, y_batch]} of the batch axes of matmul"
            ) from None
        x = broadcast_value(x, (*batch, *x.aval.shape[-2:]))
        y = broadcast_value(y, (*batch, *y.aval.shape[-2:]))
    axes = tuple(range(x.aval.ndim - 2))
    return contract(x, y, ((x.aval.ndim - 1,), (y.aval.ndim - 2,)), (axes, axes), wanted)


def matvec(x1: Any, x2: Any, /) -> Any:
    """Products of matrices (..., m, n) and vectors (..., n)."""
    x2 = as_array("matvec", x2, 1)
    out = matmul(x1, expand_dims(x2, -1))
    return p.squeeze(out, dimensions=(out.aval.ndim - 1,))


def vecmat(x1: Any, x2: Any, /) -> Any:
    """Products of (conjugated) vectors (..., m) and matrices (..., m, n)."""
    out = matmul(expand_dims(_conjugated(as_array("vecmat", x1)), -2), x2)
    return p.squeeze(out, dimensions=(out.aval.ndim - 2,))


def _conjugated(x: Any) -> Any:
    return p.conj(x) if x.aval.dtype.kind == "c" else x


def vdot(a: Any, b: Any, *, precision: Any = None, preferred_element_type: Any = None) -> Any:
    """Dot product of flattened arrays, the first one conjugated."""
    return dot(ravel(_conjugated(as_array("vdot", a))), ravel(b), preferred_element_type=preferred_element_type)


def vecdot(x1: Any, x2: Any, /, *, axis: int = -1, precision: Any = None, preferred_element_type: Any = None) -> Any:
    """Dot products along `axis`, the first operand conjugated; the other axes broadcast."""
    x, y = (as_array("vecdot", v, i) for i, v in enumerate((x1, x2)))
    x, y = moveaxis(x, axis, -1), moveaxis(y, axis, -1)
    if x.aval.shape[-1] != y.aval.shape[-1]:
        raise ValueError(
            f"vecdot requires equal sizes along axis {axis}, got {x.aval.shape[-1]} and {y.aval.shape[-1]}"
        )
    out = matmul(expand_dims(_conjugated(x), -2), expand_dims(y, -1), preferred_element_type=preferred_element_type)
    return p.squeeze(out, dimensions=(out.aval.ndim - 2, out.aval.ndim - 1))


def inner(a: Any, b: Any, *, precision: Any = None, preferred_element_type: Any = None) -> Any:
    """Sums of products over the last axes of both."""
    x, y = _operands("inner", a, b)
    if not x.aval.ndim or not y.aval.ndim:
        return p.mul(x, y)
    return contract(
        x, y, ((x.aval.ndim - 1,), (y.aval.ndim - 1,)), wanted=user_dtype(preferred_element_type, "inner")
    )


def outer(a: Any, b: Any, out: None = None) -> Any:
    """Products of every element of `a` with every one of `b`: (size of a, size of b)."""
    if out is not None:
        raise NotImplementedError("The 'out' argument to jnp.outer is not supported.")
    x, y = _operands("outer", a, b)
    x, y = ravel(x), ravel(y)
    shape = (x.aval.size, y.aval.size)
    product = p.and_ if x.aval.dtype.kind == "b" else p.mul
    return product(
        p.broadcast_in_dim(x, shape=shape, broadcast_dimensions=(0,)),
        p.broadcast_in_dim(y, shape=shape, broadcast_dimensions=(1,)),
    )


def tensordot(
    a: Any,
    b: Any,
    axes: Any = 2,
    *,
    precision: Any = None,
    preferred_element_type: Any = None,
    out_sharding: Any = None,
) -> Any:
    """Sums of products over several axes.

    Args:
        a, b: arrays.
        axes: a number n (the last n axes of `a` with the first n of `b`) or a pair of axes or sequences of axes.
    """
    x, y = _operands("tensordot", a, b)
    if isinstance(axes, (tuple, list)):
        left, right = (tuple(i) if isinstance(i, (tuple, list)) else (i,) for i in axes)
    else:
        n = int(axes)
        if n > min(x.aval.ndim, y.aval.ndim):
            raise TypeError(f"tensordot axes={n} exceeds the ranks of shapes {x.aval.shape} and {y.aval.shape}")
        left, right = tuple(range(x.aval.ndim - n, x.aval.ndim)), tuple(range(n))
    if len(left) != len(right):
        raise TypeError(f"tensordot requires axes lists to have equal length, got {left} and {right}.")
    left = tuple(canonical_axis(i, x.aval.ndim) for i in left)
    right = tuple(canonical_axis(i, y.aval.ndim) for i in right)
    return contract(x, y, (left, right), wanted=user_dtype(preferred_element_type, "tensordot"))


def kron(a: Any, b: Any) -> Any:
    """Kronecker product."""
    x, y = promoted_pair("kron", a, b)
    ndim = max(x.aval.ndim, y.aval.ndim)
    x, y = (expand_dims(v, tuple(range(ndim - v.aval.ndim))) for v in (x, y))
    shape = tuple(n for pair in zip(x.aval.shape, y.aval.shape) for n in pair)
    wide_x = p.broadcast_in_dim(x, shape=shape, broadcast_dimensions=tuple(range(0, 2 * ndim, 2)))
    wide_y = p.broadcast_in_dim(y, shape=shape, broadcast_dimensions=tuple(range(1, 2 * ndim, 2)))
    return reshape(p.mul(wide_x, wide_y), tuple(m * n for m, n in zip(x.aval.shape, y.aval.shape)))


def promoted_pair(name: str, a: Any, b: Any) -> list[Any]:
    """Two arrays of one dtype."""
    return [as_array(name, v) for v in _operands(name, a, b)]


def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Any:
    """Cross products of vectors of three (or two) components.

    Args:
        a, b: arrays with 2 or 3 components along `axisa`, `axisb`.
        axisc: where the components of the result are.
        axis: for all three.
    """
    if axis is not None:
        axisa = axisb = axisc = axis
    x, y = promoted_pair("cross", a, b)
    x, y = moveaxis(x, axisa, -1), moveaxis(y, axisb, -1)
    sizes = x.aval.shape[-1], y.aval.shape[-1]
    if any(n not in (2, 3) for n in sizes):
        raise ValueError(f"Dimension must be either 2 or 3 for cross product, got {sizes}")
    u, v = (_components(w) for w in (x, y))
    third = _difference(u[0], v[1], u[1], v[0])
    if sizes == (2, 2):
        return third
    first, second = _difference(u[1], v[2], u[2], v[1]), _difference(u[2], v[0], u[0], v[2])
    parts = promoted("cross", first, second, third)
    out = p.concatenate(*[expand_dims(as_array("cross", w), -1) for w in parts], dimension=parts[0].aval.ndim)
    return moveaxis(out, -1, axisc)


def _components(x: Any) -> list[Any]:
    n = x.aval.shape[-1]
    last = x.aval.ndim - 1
    parts = [p.squeeze(part, dimensions=(last,)) for part in p.split(x, sizes=(1,) * n, axis=last)]
    if n == 2:
        parts.append(p.mul(parts[0], literal(0, x.aval.dtype)))
    return parts


def _difference(a: Any, b: Any, c: Any, d: Any) -> Any:
    return p.sub(p.mul(*promoted("cross", a, b)), p.mul(*promoted("cross", c, d)))


def einsum(
    subscripts: Any,
    /,
    *operands: Any,
    out: None = None,
    optimize: Any = "auto",
    precision: Any = None,
    preferred_element_type: Any = None,
    _dot_general: Any = None,
    out_sharding: Any = None,
) -> Any:
    """Sums of products in Einstein's notation.

    Args:
        subscripts: such as "ij,jk->ik"; "..." broadcasts.
        *operands: arrays.
        out: not supported.
        optimize: how opt_einsum searches for the order: "auto", "optimal", "greedy", False, or a path.
        precision: accepted.
        preferred_element_type: dtype of the result.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.einsum("ij->i", mnp.ones((2, 3)))
        Array([3., 3.], dtype=float32)
    """
    if out is not None:
        raise NotImplementedError("The 'out' argument to jnp.einsum is not supported.")
    terms, result, arrays = _einsum_input(subscripts, operands)
    values = [as_array("einsum", v) for v in _operands("einsum", *arrays)]
    names = terms.split(",")
    sizes: dict[str, int] = {}
    for term, value in zip(names, values, strict=True):
        if len(term) != value.aval.ndim:
            raise ValueError(
                f"einsum: operand of shape {value.aval.shape} has {value.aval.ndim} axes, but subscripts {term!r}"
            )
        for name, n in zip(term, value.aval.shape, strict=True):
            if sizes.setdefault(name, n) != n:
                if 1 not in (sizes[name], n):
                    raise ValueError(f"einsum: sizes {sizes[name]} and {n} of subscript {name!r} do not agree")
                sizes[name] = max(sizes[name], n)
    for index, (term, value) in enumerate(zip(names, values, strict=True)):
        names[index], values[index] = _traced_out(term, value, sizes)
    final = _contract_all(names, values, result, sizes, optimize)
    wanted = user_dtype(preferred_element_type, "einsum")
    return final if wanted is None else as_dtype(final, wanted)


def _einsum_input(subscripts: Any, operands: Sequence[Any]) -> tuple[str, str, Sequence[Any]]:
    """(terms, result, arrays). The plain case, "ij,jk->ik", is seen here: importing opt_einsum takes 15 ms."""
    if isinstance(subscripts, str):
        terms, arrow, result = subscripts.replace(" ", "").partition("->")
        plain = f"a{terms}{result}".replace(",", "").isalpha() and "," not in result
        if arrow and plain and len(set(result)) == len(result) and terms.count(",") == len(operands) - 1:
            return terms, result, operands
    import opt_einsum  # heavy: only for what is not plain

    return opt_einsum.parser.parse_einsum_input((subscripts, *operands), shapes=False)  # type: ignore[no-any-return]


def _traced_out(term: str, value: Any, sizes: dict[str, int]) -> tuple[str, Any]:
    """Take diagonals of repeated subscripts, drop axes of size 1 that broadcast."""
    keep = [i for i, name in enumerate(term) if value.aval.shape[i] == sizes[name]]
    if len(keep) < len(term):
        value = p.squeeze(value, dimensions=tuple(i for i in range(len(term)) if i not in keep))
        term = "".join(term[i] for i in keep)
    while len(set(term)) < len(term):
        name = next(n for n in term if term.count(n) > 1)
        i, j = term.index(name), term.index(name, term.index(name) + 1)
        mask = p.eq(*[p.iota(dtype=np.dtype(np.int32), shape=value.aval.shape, dimension=d) for d in (i, j)])
        value = p.reduce_sum(p.select_n(mask, literal(0, value.aval.dtype, value.aval.weak_type), value), axes=(j,))
        term = term[:j] + term[j + 1 :]
    return term, value


def _contract_all(names: list[str], values: list[Any], result: str, sizes: dict[str, int], optimize: Any) -> Any:
    if optimize is False:
        path: Any = [(0, 1)] * (len(values) - 1)
    elif isinstance(optimize, (list, tuple)):
        path = [step for step in optimize if not isinstance(step, str)]
    elif len(values) <= 2:
        path = [tuple(range(len(values)))]
    else:
        import opt_einsum  # heavy: only when there is an order to find

        shapes = [tuple(sizes[n] for n in term) for term in names]
        how = "auto" if optimize is True else optimize
        path, _ = opt_einsum.contract_path(",".join(names) + "->" + result, *shapes, shapes=True, optimize=how)
    for step in path:
        chosen = [(names.pop(i), values.pop(i)) for i in sorted(step, reverse=True)][::-1]
        while len(chosen) > 1:  # a step of more than two operands goes pair by pair
            left, right = chosen.pop(0), chosen.pop(0)
            needed = set(result).union(*names, *[term for term, _ in chosen])
            chosen.insert(0, _contract_pair(left, right, needed))
        names.append(chosen[0][0])
        values.append(chosen[0][1])
    term, value = names[0], values[0]
    summed = tuple(i for i, name in enumerate(term) if name not in result)
    if summed:
        value = p.reduce_sum(value, axes=summed)
        term = "".join(name for name in term if name in result)
    if len(term) < len(result):
        raise ValueError(
            f"einsum: output subscript {next(n for n in result if n not in term)!r} is not among the inputs"
        )
    return transpose(value, [term.index(name) for name in result])


def _contract_pair(left: tuple[str, Any], right: tuple[str, Any], needed: set[str]) -> tuple[str, Any]:
    (a, x), (b, y) = left, right
    x, a = _summed_alone(a, x, set(b) | needed)
    y, b = _summed_alone(b, y, set(a) | needed)
    shared = [name for name in a if name in b]
    batch = [name for name in shared if name in needed]
    summed = [name for name in shared if name not in needed]
    out = contract(
        x,
        y,
        ([a.index(n) for n in summed], [b.index(n) for n in summed]),
        ([a.index(n) for n in batch], [b.index(n) for n in batch]),
    )
    return "".join([*batch, *(n for n in a if n not in shared), *(n for n in b if n not in shared)]), out


def _summed_alone(term: str, value: Any, needed: set[str]) -> tuple[Any, str]:
    """Sum over the axes that nothing else refers to."""
    axes = tuple(i for i, name in enumerate(term) if name not in needed)
    if not axes:
        return value, term
    return p.reduce_sum(value, axes=axes), "".join(name for name in term if name in needed)


def einsum_path(subscripts: Any, /, *operands: Any, optimize: Any = "greedy") -> Any:
    """The order of contraction that opt_einsum finds, and its description."""
    import opt_einsum  # heavy: only when an order is asked for

    arrays = [np.empty(v.shape, v.dtype) if hasattr(v, "shape") else v for v in operands]
    path, info = opt_einsum.contract_path(subscripts, *arrays, optimize=True if optimize is True else optimize)
    return ["einsum_path", *path], str(info)


def _sliding(name: str, a: Any, v: Any, mode: str, flip: bool) -> Any:
    """Sliding products of vectors: windows of the longer, padded, times the shorter."""
    values = _operands(name, a, v)
    dtype = to_inexact_dtype(values[0].aval.dtype)
    x, y = (as_array(name, as_dtype(w, dtype)) for w in values)
    if x.aval.ndim != 1 or y.aval.ndim != 1:
        raise ValueError(f"{name}() only support 1-dimensional inputs.")
    if not x.aval.size or not y.aval.size:
        raise ValueError(f"{name}: inputs cannot be empty, got shapes {x.aval.shape} and {y.aval.shape}.")
    reverse_result = False
    if x.aval.size < y.aval.size:  # the longer one is cut into windows; a correlation then comes out backwards
        x, y, reverse_result = (y, x, False) if flip else (_conjugated(y), x, True)
    elif not flip:
        y = _conjugated(y)
    if flip:
        y = p.rev(y, dimensions=(0,))
    n, m = x.aval.size, y.aval.size
    low, high = {"full": (m - 1, m - 1), "same": (m // 2, m - m // 2 - 1), "valid": (0, 0)}.get(mode, (None, None))
    if low is None or high is None:
        raise ValueError("mode must be one of ['full', 'same', 'valid']")
    padded = p.pad(x, literal(0, dtype), padding_config=((low, high, 0),))
    count = n + low + high - m + 1
    windows = _windows(padded, count, m)
    out = contract(windows, y, ((1,), (0,)))
    return p.rev(out, dimensions=(0,)) if reverse_result else out


def _windows(x: Any, count: int, width: int) -> Any:
    """Row i is x[i : i + width]."""
    columns = [p.slice(x, start_indices=(k,), limit_indices=(k + count,), strides=None) for k in range(width)]
    return p.concatenate(*[expand_dims(c, 1) for c in columns], dimension=1)


def convolve(a: Any, v: Any, mode: str = "full", *, precision: Any = None, preferred_element_type: Any = None) -> Any:
    """Convolution of two vectors.

    Args:
        a, v: vectors (n,), (m,); integers become floats.
        mode: "full" (n + m - 1), "same" (the longer one's size) or "valid" (complete overlap).
    """
    return _sliding("convolve", a, v, mode, True)


def correlate(
    a: Any, v: Any, mode: str = "valid", *, precision: Any = None, preferred_element_type: Any = None
) -> Any:
    """Correlation of two vectors: c[k] = sum_n a[n + k] conj(v[n])."""
    return _sliding("correlate", a, v, mode, False)
