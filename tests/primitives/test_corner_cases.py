"""Every check of the registry's test, on the rows of `corner_cases.py`."""

from __future__ import annotations

import pytest

import minijax as mj
from tests import test_registry as registry
from tests.primitives.corner_cases import CORNERS

CHECKS = [
    registry.test_results_have_the_types_that_the_abstract_rule_promises,
    registry.test_forward_mode_equals_finite_differences,
    registry.test_reverse_mode_is_the_transpose_of_forward_mode,
    registry.test_second_derivatives_agree_in_both_orders_and_with_finite_differences,
    registry.test_jit_equals_eager_and_the_program_prints_parses_and_checks,
    registry.test_batching_equals_a_loop,
    registry.test_transposes_are_adjoint_in_each_operand_alone,
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("test_")[:24])
@pytest.mark.parametrize("case", CORNERS, ids=[f"{case.primitive}-{index}" for index, case in enumerate(CORNERS)])
def test_corner(case, check):
    with mj.enable_x64():
        check(case)
