"""Every equation that holds a Jaxpr has every rule, or is listed here with the reason why it cannot."""

from __future__ import annotations

import pytest

from minijax.ir import Kind, all_primitives

STRUCTURED = [q for q in all_primitives() if q.kind is Kind.STRUCTURED and not hasattr(q, "test_only")]
WITHOUT = {
    ("while", "transpose"): "its derivative is a scan or a deferred_jvp, which have one",
    ("custom_vjp_call", "transpose"): "its derivative is custom_vjp_linear",
    ("custom_root", "transpose"): "its derivative is a custom_linear_solve, which has one",
}


@pytest.mark.parametrize("primitive", STRUCTURED, ids=lambda q: q.name)
@pytest.mark.parametrize("rule", ["evaluate", "jvp", "transpose", "batch"])
def test_every_rule_is_there(primitive, rule):
    found = getattr(primitive, rule)
    if (primitive.name, rule) in WITHOUT:
        assert found is None
    else:
        assert found is not None and found != "missing"


@pytest.mark.parametrize("primitive", STRUCTURED, ids=lambda q: q.name)
def test_the_documentation_says_what_goes_in_and_out_and_what_the_derivative_is(primitive):
    text = primitive.doc.lower()
    assert "operands" in text and "results" in text
    assert any(word in text for word in ("derivative", "d f", "d cond", "transpose", "reverse", "tangents", "jvp"))
