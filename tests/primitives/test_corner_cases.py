"""Every check of the registry's test, on the rows of `corner_cases.py`."""

from __future__ import annotations

import numpy as np
import pytest

import minijax as mj
from minijax.array import wrap
from minijax.ir import lookup
from tests import test_registry as registry
from tests.primitives.case_table import CASES
from tests.primitives.corner_cases import CORNERS

CHECKS = [
    registry.test_results_have_the_types_that_the_abstract_rule_promises,
    registry.test_forward_mode_equals_finite_differences,
    registry.test_reverse_mode_is_the_transpose_of_forward_mode,
    registry.test_second_derivatives_agree_in_both_orders_and_with_finite_differences,
    registry.test_second_derivatives_are_the_same_compiled_and_batched,
    registry.test_holomorphic_gradients_are_complex_derivatives,
    registry.test_jit_equals_eager_and_the_program_prints_parses_and_checks,
    registry.test_batching_equals_a_loop,
    registry.test_transposes_are_adjoint_in_each_operand_alone,
]


ROWS = [
    pytest.param(check, case, id=f"{case.primitive}-{index}-{check.__name__.removeprefix('test_')[:24]}")
    for index, case in enumerate(CORNERS)
    for check in CHECKS
    if registry.applies(check, case)
]


@pytest.mark.parametrize(("check", "case"), ROWS)
def test_corner(check, case):
    with mj.enable_x64():
        check(case)


def test_what_takes_complex_numbers_is_checked_with_them():
    rows = (*CASES, *CORNERS)
    complex_rows = {case.primitive for case in rows if any(np.iscomplexobj(x) for x in case.operands)}
    for case in rows:
        primitive = lookup(case.primitive)
        if primitive.jvp in registry.NOT_DIFFERENTIABLE or case.primitive in complex_rows:
            continue
        operands = [np.asarray(x) for x in case.operands]
        if any(x.dtype.kind == "f" for x in operands):
            as_complex = [wrap(x.astype(complex) if x.dtype.kind == "f" else x).aval for x in operands]
            with pytest.raises(TypeError):
                primitive.abstract(*as_complex, **case.params)
