"""A number that Python takes out of a differentiated function is a constant: the user is told, once per line, and only then."""

from __future__ import annotations

import inspect
import math
import pickle
import warnings

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax import lax
from minijax.errors import GradientStopsWarning


def told(f, *args):
    """The warnings that a call gives, each as text."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        f(*args)
    assert all(issubclass(w.category, GradientStopsWarning) for w in caught)
    return [str(w.message) for w in caught]


TAKEN = {
    "float": lambda x: float(x) * x,
    "complex": lambda x: complex(x).real * x,
    "math": lambda x: math.sin(x) * x,
    "item": lambda x: x.item() * x,
    "tolist": lambda x: x.tolist() * x,
    "asarray": lambda x: np.asarray(x) * x,
    "array of two": lambda x: np.array([x, x]).sum() * x,
    "assignment": lambda x: assigned(x) * x,
    "arange": lambda x: mnp.arange(x, 5.0).sum(),
    "after other operations": lambda x: float(mnp.sin(x) + 1.0) * x,
    "inside a nested jit's neighbour": lambda x: float(mj.jit(mnp.sin)(x)) * x,
}


def assigned(x):
    a = np.zeros(2)
    a[0] = x
    return a.sum()


@pytest.mark.parametrize("how", TAKEN)
@pytest.mark.parametrize(
    "derivative",
    [
        mj.grad,
        mj.value_and_grad,
        mj.jacfwd,
        mj.jacrev,
        mj.hessian,
        lambda f: lambda x: mj.jvp(f, (x,), (1.0,)),
        lambda f: lambda x: mj.vjp(f, x),
        lambda f: lambda x: mj.linearize(f, x),
        lambda f: mj.grad(mj.grad(f)),
    ],
    ids=["grad", "value_and_grad", "jacfwd", "jacrev", "hessian", "jvp", "vjp", "linearize", "grad of grad"],
)
def test_a_derivative_that_stops_is_reported(how, derivative):
    messages = told(derivative(TAKEN[how]), 2.5)
    assert len(messages) == 1
    assert "the gradient stops here" in messages[0]


def test_the_message_names_the_line_the_reason_and_the_rewrite():
    def loss(x):
        return float(x) * x  # the place

    (message,) = told(mj.grad(loss), 2.5)
    first, place, why, rewrite = message.split("\n")
    line = inspect.getsourcelines(loss)[1] + 1
    assert first == "float() of a traced value (f32[]): the gradient stops here"
    assert place == f"  at {__file__}:{line} in `loss`:   return float(x) * x  # the place"
    assert "loss is traced for grad" in why
    assert "minijax.numpy" in rewrite
    assert "minijax.lax.stop_gradient(x)" in rewrite


def test_python_places_the_warning_at_the_users_line():
    with pytest.warns(GradientStopsWarning) as caught:
        mj.grad(TAKEN["math"])(1.0)
    assert caught[0].filename == __file__


def test_a_line_is_reported_once_however_often_it_runs():
    def loss(x):
        total = 0.0
        for _ in range(5):
            total = total + float(x) * x
        return total

    assert len(told(mj.grad(loss), 1.0)) == 1
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            mj.grad(loss)(1.0)
    assert len(caught) == 1


def test_two_lines_are_reported_each():
    def loss(x):
        a = float(x)
        b = x.item()
        return (a + b) * x

    assert len(told(mj.grad(loss), 1.0)) == 2


SILENT = {
    "stop_gradient": lambda x: float(lax.stop_gradient(x)) * x,
    "behind stop_gradient": lambda x: float(mnp.sin(lax.stop_gradient(x))) * x,
    "a step function": lambda x: float(mnp.floor(x)) * x,
    "a constant": lambda x: float(mnp.sin(mnp.ones(()))) * x,
    "an integer": lambda x: x.astype(int).item() * x,
    "int": lambda x: int(x) * x,
    "a predicate": lambda x: (x > 0).item() * x,
    "bool": lambda x: x if x > 0 else -x,
    "a shape": lambda x: float(mnp.stack([x, x]).shape[0]) * x,
    "repr": lambda x: repr(x) and x,
    "str": lambda x: str(x) and x,
    "format": lambda x: f"{x:.3f}" and x,
    "f-string": lambda x: f"{x}" and x,
    "NumPy on a tracer": lambda x: np.sin(x),
    "the selecting operand": lambda x: mnp.where(mnp.floor(x) > 0, 2.0, 1.0).item() * x,
}


@pytest.mark.parametrize("how", SILENT)
def test_what_has_no_derivative_or_is_only_shown_is_not_reported(how):
    assert told(mj.grad(SILENT[how]), 2.5) == []


def test_arguments_that_are_not_differentiated_are_not_reported():
    assert told(mj.grad(lambda x, y: float(y) * x), 1.0, 2.0) == []
    assert len(told(mj.grad(lambda x, y: float(y) * x, argnums=(0, 1)), 1.0, 2.0)) == 1


def test_evaluation_alone_is_not_reported():
    f = lambda x: float(x) * 2.0
    assert told(f, mnp.ones(())) == []
    assert told(mj.vmap(lambda y, x: y * float(x), in_axes=(0, None)), mnp.ones(3), 2.0) == []


def test_an_unmapped_value_inside_vmap_is_reported_for_the_derivative_around_it():
    f = lambda x: mj.vmap(lambda y: y * float(x))(mnp.ones(3)).sum()
    assert len(told(mj.grad(f), 2.0)) == 1


def test_an_outer_derivative_is_reported_where_an_inner_one_is_not_concerned():
    f = lambda x: mj.grad(lambda y: y * y * float(x))(1.0)
    assert len(told(mj.grad(f), 2.0)) == 1


def test_the_warning_can_be_made_an_error_and_pickled():
    with warnings.catch_warnings():
        warnings.simplefilter("error", GradientStopsWarning)
        with pytest.raises(GradientStopsWarning, match="the gradient stops here") as caught:
            mj.grad(TAKEN["float"])(1.0)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GradientStopsWarning)
        assert mj.grad(TAKEN["float"])(3.0) == 3.0


def test_a_program_of_the_user_that_has_no_file_is_reported_too():
    scope: dict = {"mj": mj}
    exec("def f(x):\n    return float(x) * x\n", scope)
    (message,) = told(mj.grad(scope["f"]), 1.0)
    assert "<string>:2" in message
