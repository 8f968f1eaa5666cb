"""turn_products: a matrix product that is only wanted transposed is computed that way round.

In: a ClosedJaxpr. Out: one that computes the same: transpose(a . b) is b . a with the operands exchanged, if the transpose moves
the axes of b before those of a and leaves each group in order. Transposed rules and hoisted sums make such pairs; the array
between them is never written.
"""

from __future__ import annotations

from collections import Counter

from ..ir import ClosedJaxpr, Eqn, Var

__all__ = ["turn_products"]


def turn_products(closed: ClosedJaxpr) -> ClosedJaxpr:
    """`closed` without transposes of products that nothing else reads; the products left unused are for dce."""
    jaxpr = closed.jaxpr
    uses = Counter(x for eqn in jaxpr.eqns for x in eqn.invars if type(x) is Var)
    uses.update(x for x in jaxpr.outvars if type(x) is Var)
    products = {eqn.outvars[0]: eqn for eqn in jaxpr.eqns if eqn.primitive.name == "dot_general"}
    eqns = []
    for eqn in jaxpr.eqns:
        product = products.get(eqn.invars[0]) if eqn.primitive.name == "transpose" else None  # type: ignore[arg-type]
        if product is not None and uses[product.outvars[0]] == 1 and _exchanges(eqn, product):
            eqn = _turned(product, eqn.outvars[0])
        eqns.append(eqn)
    if all(new is old for new, old in zip(eqns, jaxpr.eqns, strict=True)):
        return closed
    return ClosedJaxpr(jaxpr.replace(eqns=eqns), closed.consts)


def _exchanges(transpose: Eqn, product: Eqn) -> bool:
    (contract, _), (batch, _) = product.params["dimension_numbers"]
    first = product.invars[0].aval.ndim - len(contract) - len(batch)  # axes of the left operand in the product
    ndim = product.outvars[0].aval.ndim
    kept = range(len(batch))
    left, right = range(len(batch), len(batch) + first), range(len(batch) + first, ndim)
    return tuple(transpose.params["permutation"]) == (*kept, *right, *left)


def _turned(product: Eqn, out: Var) -> Eqn:
    (left, right), (left_batch, right_batch) = product.params["dimension_numbers"]
    params = product.params | {"dimension_numbers": ((right, left), (right_batch, left_batch))}
    return Eqn(product.primitive, product.invars[::-1], [out], params, product.source)
