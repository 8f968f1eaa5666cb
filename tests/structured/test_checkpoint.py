"""checkpoint: same values and derivatives under every policy, and only what the policy says is kept."""

from __future__ import annotations

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax.ad_checkpoint import checkpoint_name
from minijax.api.checkpointing import saved_residuals

POLICIES = mj.checkpoint_policies
X = np.linspace(-1.0, 1.0, 3, dtype=np.float32)
W = np.linspace(-0.5, 0.8, 9, dtype=np.float32).reshape(3, 3)


def body(x, w):
    return mnp.sin(checkpoint_name(mnp.sin(w @ x), "hidden")) ** 2


def loss(f):
    return lambda x, w: f(x, w).sum()


CHOICES = {
    "default": None,
    "everything": POLICIES.everything_saveable,
    "nothing": POLICIES.nothing_saveable,
    "dots": POLICIES.dots_saveable,
    "no batch": POLICIES.dots_with_no_batch_dims_saveable,
    "names": POLICIES.save_only_these_names("hidden"),
    "any name but": POLICIES.save_any_names_but_these("hidden"),
    "anything except": POLICIES.save_anything_except_these_names("hidden"),
    "both": POLICIES.save_from_both_policies(POLICIES.dots_saveable, POLICIES.save_only_these_names("hidden")),
    "offload": POLICIES.save_and_offload_only_these_names(
        names_which_can_be_saved=["hidden"],
        names_which_can_be_offloaded=[],
        offload_src="device",
        offload_dst="pinned_host",
    ),
}
TRANSFORMED = {
    "value": lambda f: f(X, W),
    "grad": lambda f: mj.grad(f, (0, 1))(X, W),
    "jit of grad": lambda f: mj.jit(mj.grad(f, (0, 1)))(X, W),
    "grad of jit": lambda f: mj.grad(mj.jit(f), (0, 1))(X, W),
    "jvp": lambda f: mj.jvp(f, (X, W), (X, W)),
    "linearize": lambda f: mj.linearize(f, X, W)[1](X, W),
    "hessian": lambda f: mj.hessian(f)(X, W),
    "reverse twice": lambda f: mj.jacrev(mj.grad(f))(X, W),
    "vmap of grad": lambda f: mj.vmap(mj.grad(f, (0, 1)), (0, None))(np.stack([X, 2 * X]), W),
    "grad of vmap": lambda f: mj.grad(lambda w: mj.vmap(f, (0, None))(np.stack([X, 2 * X]), w).sum())(W),
    "nested": lambda f: mj.grad(mj.checkpoint(lambda x: mj.checkpoint(f)(mnp.sin(x), W)))(X),
}


@pytest.mark.parametrize("policy", CHOICES)
@pytest.mark.parametrize("name", TRANSFORMED)
def test_values_and_derivatives_stay(name, policy):
    found = TRANSFORMED[name](loss(mj.checkpoint(body, policy=CHOICES[policy])))
    expected = TRANSFORMED[name](loss(body))
    mj.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-5), found, expected)


def recomputed(policy):
    """How often each primitive runs in the backward part of the gradient of the checkpointed body."""
    program = mj.make_jaxpr(mj.grad(loss(mj.checkpoint(body, policy=policy))))(X, W)
    mj.ir.check_jaxpr(program)
    backward = [eqn for eqn in program.eqns if eqn.primitive.name == "checkpoint"]
    assert [eqn.params["differentiated"] for eqn in backward] == [True]
    return mj.ir.histogram(backward[0].params["jaxpr"])


def test_what_is_computed_again():
    nothing = recomputed(None)
    assert nothing["sin"] >= 1
    assert nothing["dot_general"] == 2  # once more, and once for the cotangent
    assert recomputed(POLICIES.nothing_saveable) == nothing
    assert recomputed(POLICIES.dots_saveable)["dot_general"] == 1
    assert recomputed(POLICIES.dots_saveable)["sin"] >= 1
    everything = recomputed(POLICIES.everything_saveable)
    assert "sin" not in everything
    assert "cos" not in everything
    assert recomputed(POLICIES.save_only_these_names("other")) == nothing


def kept(fun):
    """Elements that the linearized function holds on to."""
    _, linear = mj.vjp(fun, mnp.asarray(X))
    arrays = {}
    for cell in linear.__closure__:
        program = cell.cell_contents
        if isinstance(program, mj.ir.ClosedJaxpr):
            arrays.update({id(c): c.size for c in program.consts})
    return sum(arrays.values())


def test_a_chain_keeps_its_inputs_only():
    def chain(x):
        for _ in range(10):
            x = mnp.sin(x)
        return x

    assert kept(chain) >= 10 * X.size
    assert kept(mj.checkpoint(chain)) == X.size
    half = mj.checkpoint(chain)
    assert kept(lambda x: half(half(x))) == 2 * X.size


def test_decorator_with_options_and_static_arguments():
    @mj.remat(static_argnums=(1,), prevent_cse=False)
    def f(x, square, *, scale=1.0):
        return scale * (x * x if square else x)

    assert float(mj.grad(f)(3.0, True)) == 6.0
    assert float(mj.grad(f)(3.0, False)) == 1.0
    assert float(mj.grad(lambda x: f(x, True, scale=2.0))(3.0)) == 12.0


def test_closures_are_differentiated():
    assert float(mj.grad(lambda c: mj.checkpoint(lambda x: mnp.sin(c) * x)(2.0))(0.0)) == 2.0


def test_python_branches_inside():
    f = mj.checkpoint(lambda x: mnp.sin(x) if x > 0 else x * x)
    assert float(mj.grad(f)(-3.0)) == -6.0
    assert float(mj.grad(f)(0.5)) == pytest.approx(np.cos(0.5), rel=1e-6)


def test_custom_rules_inside():
    clip = mj.custom_vjp(lambda x: x)
    clip.defvjp(lambda x: (x, None), lambda saved, ct: (7.0 * ct,))
    assert float(mj.grad(mj.checkpoint(lambda x: clip(x) * 2.0))(1.0)) == 14.0


def test_effects_happen_once(capsys):
    def f(x):
        y = mnp.sin(x)
        mj.debug.print("y = {:.1f}", y)
        return mnp.sin(y)

    mj.grad(mj.checkpoint(f))(0.0)
    assert capsys.readouterr().out == "y = 0.0\n"


def test_the_name_is_the_identity():
    tree = checkpoint_name({"a": X, "b": 2.0}, "n")
    np.testing.assert_array_equal(tree["a"], X)
    assert float(mj.grad(lambda x: mj.vmap(lambda y: checkpoint_name(y, "n") ** 2)(x).sum())(X)[2]) == 2.0
    assert "name[name=n]" in str(mj.make_jaxpr(lambda x: checkpoint_name(x, "n"))(1.0))


@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        (mj.ad_checkpoint.Saveable, True),
        (mj.ad_checkpoint.Offloadable("device", "pinned_host"), True),
        (np.True_, True),
        (mj.ad_checkpoint.Recompute, False),
    ],
)
def test_answers_of_a_policy(answer, kept):
    found = recomputed(lambda primitive, *avals, **params: answer)
    assert ("sin" not in found) is kept
    assert repr(mj.ad_checkpoint.Recompute) == "Recompute"


def test_a_policy_must_answer():
    with pytest.raises(TypeError) as caught:
        mj.grad(loss(mj.checkpoint(body, policy=lambda primitive, *avals, **params: "yes")))(X, W)
    lines = str(caught.value).splitlines()
    assert lines[0] == (
        "Value returned by a remat policy should be a bool or `ad_checkpoint.Recompute`, `ad_checkpoint.Saveable` or "
        "`ad_checkpoint.Offloadable(...)`. Got 'yes' of type <class 'str'>."
    )
    assert "return mnp.sin(checkpoint_name(mnp.sin(w @ x)" in lines[1]


def test_offloading_is_keeping():
    offload = POLICIES.offload_dot_with_no_batch_dims("device", "pinned_host")
    assert recomputed(offload) == recomputed(POLICIES.dots_with_no_batch_dims_saveable)
    names = POLICIES.save_and_offload_only_these_names(
        names_which_can_be_saved=["other"],
        names_which_can_be_offloaded=["hidden"],
        offload_src="device",
        offload_dst="pinned_host",
    )
    assert recomputed(names) == recomputed(POLICIES.save_only_these_names("hidden"))


def test_policies_that_do_not_go_together():
    with pytest.raises(ValueError, match=r"should not intersect in .* both have \['a'\]"):
        POLICIES.save_and_offload_only_these_names(
            names_which_can_be_saved=["a"],
            names_which_can_be_offloaded=["a", "b"],
            offload_src="device",
            offload_dst="pinned_host",
        )
    offload = POLICIES.offload_dot_with_no_batch_dims("device", "pinned_host")
    both = POLICIES.save_from_both_policies(POLICIES.dots_saveable, offload)
    with pytest.raises(ValueError, match=r"should be a boolean\. Got: (True|False) and (Recompute|Offloadable)"):
        mj.grad(loss(mj.checkpoint(body, policy=both)))(X, W)


def test_static_arguments_are_checked():
    with pytest.raises(ValueError, match=r"but got \(2,\), while `len\(args\)` = 1") as caught:
        mj.checkpoint(lambda x, y=1: x, static_argnums=2)(1.0)
    assert "static_argnames" in str(caught.value)
    with pytest.raises(TypeError, match="must be an int or a tuple of ints, got 'x'"):
        mj.checkpoint(lambda x: x, static_argnums="x")
    with pytest.raises(TypeError, match="prevent_cse must be a bool or tuple of bools, got 'no'"):
        mj.checkpoint(lambda x: x, prevent_cse="no")
    with pytest.raises(NotImplementedError, match="static_argnums"):
        mj.checkpoint(lambda x: x, concrete=True)
    f = mj.checkpoint(lambda x, n, mode="a": x**n if mode == "a" else x, static_argnums=-1, static_argnames="mode")
    assert float(mj.grad(f)(2.0, 3)) == 12.0
    assert float(mj.grad(lambda x: f(x, 3, mode="b"))(2.0)) == 1.0


def shown_residuals(f, *args, capsys):
    mj.ad_checkpoint.print_saved_residuals(f, *args)
    return capsys.readouterr().out.splitlines()


def test_saved_residuals_are_shown_with_their_lines(capsys):
    def f(x, w):
        return mnp.sin(checkpoint_name(mnp.sin(w @ x), "hidden") * 2.0)

    here = f"{__file__}:{f.__code__.co_firstlineno + 1}:"
    plain = shown_residuals(f, X, W, capsys=capsys)
    assert plain[0] == "f32[3] from the argument x"
    assert plain[1] == "f32[3,3] from the argument w"
    assert [line.split(" from ")[0] for line in plain[2:]] == ["f32[3] output of cos"] * 2
    assert all(here in line and line.endswith("(f)") for line in plain[2:])
    assert shown_residuals(mj.checkpoint(f), X, W, capsys=capsys) == plain[:2]
    named = shown_residuals(mj.checkpoint(f, policy=POLICIES.save_only_these_names("hidden")), X, W, capsys=capsys)
    assert named[:2] == plain[:2]
    assert len(named) == 3
    assert named[2].startswith(f"f32[3] named 'hidden' from {here}")
    table = mnp.arange(3.0)
    (constant,) = shown_residuals(lambda x: x * table, X, capsys=capsys)
    assert constant == "f32[3] from a constant"


def test_checkpoint_in_loops_and_branches_keeps_the_carry_only():
    def step(carry, _):
        return mj.checkpoint(lambda v: mnp.sin(mnp.sin(mnp.sin(v))))(carry), None

    plain = lambda x: mj.lax.scan(lambda c, _: (mnp.sin(mnp.sin(mnp.sin(c))), None), x, None, length=4)[0]
    saved = lambda x: mj.lax.scan(step, x, None, length=4)[0]
    np.testing.assert_allclose(mj.grad(saved)(0.5), mj.grad(plain)(0.5), rtol=1e-6)
    np.testing.assert_allclose(mj.hessian(saved)(0.5), mj.hessian(plain)(0.5), rtol=1e-5)
    sizes = [sum(aval.size for aval, _ in saved_residuals(f, mnp.float32(0.5))) for f in (plain, saved)]
    assert sizes == [12, 4]
    branch = mj.checkpoint(lambda x: mj.lax.cond(x > 0, lambda v: mnp.sin(mnp.sin(v)), lambda v: v * v, x))
    assert float(mj.grad(branch)(-3.0)) == -6.0
    assert float(mj.vmap(mj.grad(branch))(mnp.array([-3.0, 0.0]))[1]) == 0.0
