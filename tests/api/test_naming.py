"""named_scope and named_call change nothing but are checked."""

from __future__ import annotations

import pytest

import minijax as mj
import minijax.numpy as mnp


def test_a_named_function_differentiates_and_keeps_its_name():
    @mj.named_scope("layer")
    def layer(x):
        with mj.named_scope("inner"):
            return mnp.square(x)

    assert mj.grad(mj.named_call(layer, name="outer"))(3.0) == 6
    assert mj.named_call(layer).__name__ == "layer"
    assert mj.jit(mj.named_call(layer))(2.0) == 4


def test_a_scope_has_a_string_for_a_name():
    with pytest.raises(TypeError, match="must be a string; got 3"), mj.named_scope(3):
        pass
