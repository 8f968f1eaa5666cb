"""`custom_linear_solve`, `custom_root`: solutions of equations by solvers of the user, differentiated implicitly.

In: an equation (a linear map, or a function whose root is sought) and a function that solves it in any way whatever. Out: its
solution. The derivative is that of the equation, not that of the solver's steps: neither are they differentiated nor kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ..api._calls import check_callable, flatten_values, function_name
from ..array import finished
from ..errors import teach
from ..interpreters._zeros import instantiate
from ..interpreters.eval import eval_closed
from ..interpreters.linearize import linearize_values
from ..ir import ClosedJaxpr, ShapedArray, aval_like
from ..structured._bodies import retyped
from ..structured.linear_solve import custom_linear_solve as linear_solve_primitive, transposed_program
from ..structured.root import custom_root as root_primitive
from ..tree import PyTreeDef, tree_unflatten
from ._tracing import Body, described, difference, literals, over_all_captured, trace_body, type_difference

__all__ = ["custom_linear_solve", "custom_root"]


class _Unknown(NamedTuple):
    """What is solved for: where the solver starts (or the right-hand side), its structure, and the argument that says so."""

    values: list[Any]
    tree: PyTreeDef
    name: str

    @property
    def avals(self) -> tuple[ShapedArray, ...]:
        """Its types."""
        return tuple(aval_like(x) for x in self.values)

    def strong(self) -> _Unknown:
        """The same, not weakly typed."""
        return self._replace(values=[retyped(x, aval_like(x).strong()) for x in self.values])


def custom_linear_solve(
    matvec: Callable[[Any], Any],
    b: Any,
    solve: Callable[[Callable[[Any], Any], Any], Any],
    transpose_solve: Callable[[Callable[[Any], Any], Any], Any] | None = None,
    symmetric: bool = False,
    has_aux: bool = False,
) -> Any:
    """Solve the linear system matvec(x) = b with a solver that is not differentiated.

    Args:
        matvec: linear function, from trees like `b` to trees like `b`.
        b: the right-hand side, a tree of arrays.
        solve: `solve(matvec, b) -> x`.
        transpose_solve: `transpose_solve(vecmat, b) -> x`, for the transposed system; reverse mode needs it.
        symmetric: the map is its own transpose; then `solve` serves for both.
        has_aux: `solve` and `transpose_solve` return (x, aux); aux has no derivative.

    Returns:
        x, or (x, aux).

    Raises:
        TypeError: a function gives another structure or other types than `b`; or, in reverse mode, `transpose_solve` is missing.

    Note:
        With matvec(x) = A x: dx = A^-1 (db - dA x), and the cotangent of b is A^-T ct.

    Example:
        >>> import minijax as mj, minijax.numpy as mnp
        >>> from minijax import lax
        >>> def halve(a, b):
        ...     return lax.custom_linear_solve(lambda x: a * x, b, lambda f, b: b / f(1.0), symmetric=True)
        >>> float(halve(2.0, 3.0)), float(mj.grad(halve)(2.0, 3.0))
        (1.5, -0.75)
    """
    for function in (matvec, solve, *([] if transpose_solve is None else [transpose_solve])):
        check_callable(function)
    unknown, product, solver = _equation_and_solver(
        matvec, "matvec", solve, _Unknown(*flatten_values(b), "b"), has_aux
    )
    bodies = {"jaxpr": solver, "matvec": product}
    if symmetric:
        bodies["vecmat"] = product
    elif transpose_solve is not None:
        program = transposed_program(product.closed, len(product.captured))
        bodies["vecmat"] = Body(program, product.captured, unknown.tree)
    if transpose_solve is not None:
        vecmat = _as_function(bodies["vecmat"])
        back = transpose_solve
        bodies["transpose_solve"] = _traced(
            lambda rhs: back(vecmat, rhs), transpose_solve, unknown, "transpose_solve", has_aux
        )
    elif symmetric:
        bodies["transpose_solve"] = solver
    captured, programs = over_all_captured(list(bodies.values()))
    params: dict[str, Any] = {"vecmat": None, "transpose_solve": None, **dict(zip(bodies, programs, strict=True))}
    outs = linear_solve_primitive.bind(*captured, *literals(unknown.values), num_consts=len(captured), **params)
    return tree_unflatten(solver.out_tree, [finished(x) for x in outs])


def custom_root(
    f: Callable[[Any], Any],
    initial_guess: Any,
    solve: Callable[[Callable[[Any], Any], Any], Any],
    tangent_solve: Callable[[Callable[[Any], Any], Any], Any],
    has_aux: bool = False,
) -> Any:
    """Find x with f(x) = 0 by a solver that is not differentiated.

    Args:
        f: function from trees like `initial_guess` to trees like `initial_guess`; it may close over what x depends on.
        initial_guess: where the solver starts, a tree of arrays; has no derivative.
        solve: `solve(f, initial_guess) -> x`.
        tangent_solve: `tangent_solve(g, y) -> v` with g(v) = y, g being f linearized at the root: `lambda g, y: y / g(1.0)`
            for a scalar. Reverse mode transposes it.
        has_aux: `solve` returns (x, aux); aux has no derivative.

    Returns:
        x, or (x, aux).

    Raises:
        TypeError: a function gives another structure or other types than `initial_guess`.

    Note:
        dx = -(d_x f)^-1 (d_c f) dc, whatever f closes over being c. That f(x) is 0 is not checked.

    Example:
        >>> import minijax as mj, minijax.numpy as mnp
        >>> from minijax import lax
        >>> def newton(f, x):
        ...     return lax.fori_loop(0, 6, lambda _, x: x - f(x) / mj.grad(f)(x), x)
        >>> def root_of(a):
        ...     return lax.custom_root(lambda x: x**2 - a, 1.0, newton, lambda g, y: y / g(1.0))
        >>> float(root_of(4.0)), float(mj.grad(root_of)(4.0))
        (2.0, 0.25)
    """
    for function in (f, solve, tangent_solve):
        check_callable(function)
    guess = _Unknown(*flatten_values(initial_guess), "initial_guess")
    unknown, body, solver = _equation_and_solver(f, "f", solve, guess, has_aux)

    def solve_linearized(x: Any, y: Any) -> Any:
        return tangent_solve(_linearized(body, flatten_values(x)[0], unknown), y)

    tangent = _traced(solve_linearized, tangent_solve, unknown, "tangent_solve", False, arguments=2)
    captured, (f_program, solver_program, tangent_program) = over_all_captured([body, solver, tangent])
    outs = root_primitive.bind(
        *captured,
        *literals(unknown.values),
        jaxpr=solver_program,
        f=f_program,
        tangent_solve=tangent_program,
        num_consts=len(captured),
    )
    return tree_unflatten(solver.out_tree, [finished(x) for x in outs])


def _equation_and_solver(
    equation: Callable[[Any], Any], name: str, solve: Callable[..., Any], unknown: _Unknown, has_aux: bool
) -> tuple[_Unknown, Body, Body]:
    """(the unknown, the program of the equation, that of the solver); weakly typed where all of these are."""
    results: list[ShapedArray] = []

    def solved(x: Any) -> Any:
        result = solve(equation, x)
        found = result[0] if has_aux and isinstance(result, (tuple, list)) and result else result
        results[:] = [aval_like(leaf) for leaf in flatten_values(found)[0]]
        return result

    body = _traced(equation, equation, unknown, name, False)
    solver = _traced(solved, solve, unknown, "solve", has_aux)
    if any(a.weak_type and not b.weak_type for a, b in zip(unknown.avals, results, strict=True)):
        unknown = unknown.strong()
        body = _traced(equation, equation, unknown, name, False)
        solver = _traced(solved, solve, unknown, "solve", has_aux)
    return unknown, body, solver


def _traced(
    function: Callable[..., Any],
    user: Callable[..., Any],
    unknown: _Unknown,
    name: str,
    has_aux: bool,
    arguments: int = 1,
) -> Body:
    """The program of a function of trees like the unknown, its result being another (and aux)."""

    def checked(*args: Any) -> Any:
        result = function(*args)
        if not has_aux:
            return _like_unknown(result, user, unknown, name)
        if not isinstance(result, (tuple, list)) or len(result) != 2:
            raise TypeError(
                teach(
                    f"{name}: has_aux=True, so it must return a pair (solution, aux), got {type(result)}.",
                    at=described(user),
                )
            )
        return _like_unknown(result[0], user, unknown, name), result[1]

    checked.__name__ = function_name(user)
    return trace_body(checked, [unknown.tree] * arguments, unknown.avals * arguments, f"{name} of a solver")


def _like_unknown(result: Any, user: Callable[..., Any], unknown: _Unknown, name: str) -> Any:
    """The result of a function, checked and given exactly the types of the unknown."""
    leaves, tree = flatten_values(result)
    if tree != unknown.tree:
        shown = difference(unknown.tree, tree, unknown.name, f"the output of {name}")
        raise TypeError(
            teach(f"{name} must return the structure of {unknown.name}, but they differ: {shown}", at=described(user))
        )
    for leaf, aval in zip(leaves, unknown.avals, strict=True):
        found = aval_like(leaf)
        if (found.shape, found.dtype) != (aval.shape, aval.dtype):
            raise TypeError(
                teach(
                    f"{name} must return the types of {unknown.name}: {unknown.name} has type {aval.str_short()}, the output "
                    f"of {name} has type {found.str_short()}{type_difference(aval, found)}.",
                    at=described(user),
                    why="the equation and its solution live in one space, or the linearized system has no unique solution",
                )
            )
    typed = [retyped(leaf, aval) for leaf, aval in zip(leaves, unknown.avals, strict=True)]
    return tree_unflatten(tree, typed)


def _as_function(body: Body) -> Callable[[Any], Any]:
    """A traced function of one tree, to be called again."""

    def call(x: Any) -> Any:
        return _run(body.closed, body.captured, x, body.out_tree)

    return call


def _run(program: ClosedJaxpr, leading: Sequence[Any], x: Any, out_tree: PyTreeDef) -> Any:
    leaves = _cast(flatten_values(x)[0], program.in_avals[len(leading) :])
    return tree_unflatten(out_tree, [finished(y) for y in eval_closed(program, *leading, *leaves)])


def _cast(leaves: Sequence[Any], avals: Sequence[ShapedArray]) -> list[Any]:
    """Arguments of a linear function: Python numbers get the dtype that it is written for."""
    return [
        retyped(leaf, aval) if aval_like(leaf).dtype == aval.dtype else finished(leaf).astype(aval.dtype)
        for leaf, aval in zip(leaves, avals, strict=True)
    ]


def _linearized(body: Body, x: Sequence[Any], unknown: _Unknown) -> Callable[[Any], Any]:
    """The derivative of a traced function at x, as a function of trees."""
    constants = [False] * len(body.captured)
    point = [*body.captured, *x]
    flags = [*constants, *[True] * len(x)]
    _, linear, nonzero = linearize_values(body.closed.jaxpr, body.closed.consts, point, flags)

    def apply(v: Any) -> Any:
        found = iter(eval_closed(linear, *_cast(flatten_values(v)[0], linear.in_avals)))
        outs = [
            next(found) if flag else instantiate(None, aval)
            for flag, aval in zip(nonzero, unknown.avals, strict=True)
        ]
        return tree_unflatten(unknown.tree, [finished(y) for y in outs])

    return apply
