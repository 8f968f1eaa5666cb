"""Nests that work row by row share the loop over rows: softmax, layer norm and their gradients walk through memory once.

In: the steps of a program. Out: the same steps, where neighbouring kernels whose outermost loop is the same, and none of which
needs a row that another one writes later or wrote before, are one kernel with a *stage* for each: a row that one stage has
read is in the cache when the next one reads it.

Two stages may touch a buffer that is written only if each access to row `i` lies in an interval that moves by more than its
length from row to row: then rows are disjoint.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from ..ir import Var
from .nests import STATIC, Affine, Apply, Load, Reduce, Stage, Value, mapped, mapped_index, parts, split
from .steps import Call, Fused, Step, assembled

__all__ = ["by_rows", "is_divisible"]

SHORTEST, LONGEST = (
    64,
    1 << 15,
)  # elements of a row: below, starting loops costs more; above, it does not stay in the cache
LARGEST = 500  # operations in one kernel
_BACK = 6  # runs that a kernel may join


def by_rows(steps: Sequence[Step]) -> list[Step]:
    """The steps with kernels joined that follow each other, or are kept apart only by steps that neither of them needs."""
    runs: list[list[Step]] = []
    for step in steps:
        run = _run_for(step, runs) if type(step) is Fused else None
        if run is None:
            runs.append([step])
        else:
            run.append(step)
    return [step for run in runs for step in (_closed(run) if len(run) > 1 else run)]  # type: ignore[arg-type]


def _run_for(step: Fused, runs: Sequence[list[Step]]) -> list[Step] | None:
    """The run that a kernel can join: the latest that it depends on, among the last few."""
    for run in runs[: -_BACK - 1 : -1]:
        if all(type(x) is Fused for x in run) and _in_rows([*run, step]):  # type: ignore[list-item]
            return run
        if any(_depends(step, x) for x in run):
            return None
    return None


def _depends(later: Fused, earlier: Step) -> bool:
    """Whether the order of two steps matters."""
    if type(earlier) is Call:
        return bool({x for x in (*earlier.eqn.invars, *earlier.outs) if type(x) is Var} & set(later.variables))
    both = (*zip(earlier.variables, earlier.written, strict=True), *zip(later.variables, later.written, strict=True))  # type: ignore[union-attr]
    written = {var for var, is_written in both if is_written}
    return bool(written & set(earlier.variables) & set(later.variables))  # type: ignore[union-attr]


def _closed(run: list[Fused]) -> list[Step]:
    """The kernels of a run as one; those at its end that have no loop inside the rows are better off by themselves."""
    for length in range(len(run), 1, -1):
        stages = _in_rows(run[:length])
        if stages and len(stages[-1].extents) > 1:
            variables = _variables(run[:length])
            inner = [Stage(stage.extents[1:], stage.roots) for stage in stages]
            return [assembled(stages[0].extents[:1], inner, variables), *run[length:]]
    return [*run]


def _variables(run: Sequence[Fused]) -> list[Var]:
    return list(dict.fromkeys(var for kernel in run for var in kernel.variables))


def _in_rows(run: Sequence[Fused]) -> list[Stage]:
    """The nests of a run with the same outermost loop, their buffers numbered in common; nothing if that is wrong or no gain."""
    *before, last = run
    if not set(last.variables) & {var for kernel in before for var in kernel.variables}:
        return []
    variables = _variables(run)
    stages = [_renumbered(k.kernel.stages[0], [variables.index(var) for var in k.variables]) for k in run]
    if not all(stage.extents for stage in stages):
        return []
    for count in dict.fromkeys(stage.extents[0] for stage in stages if stage.extents[0] > 1):
        cut = [stage if stage.extents[0] == count else split(stage, count) for stage in stages]
        if all(cut) and _pays(cut) and _disjoint(cut):  # type: ignore[arg-type]
            return cut  # type: ignore[return-value]
    return []


def _renumbered(stage: Stage, numbers: Sequence[int]) -> Stage:
    memo: dict[int, object] = {}

    def part(value: Value) -> Value | None:
        return value._replace(buffer=numbers[value.buffer]) if type(value) is Load else None

    return Stage(
        stage.extents,
        tuple(
            [
                root._replace(
                    buffer=numbers[root.buffer],
                    index=mapped_index(root.index, part, memo),
                    value=mapped(root.value, part, memo),
                )
                for root in stage.roots
            ]
        ),
    )


def _pays(stages: Sequence[Stage]) -> bool:
    lengths = [math.prod(stage.extents[1:]) for stage in stages]
    operations = {
        id(value) for stage in stages for root in stage.roots for value in parts(root) if type(value) is Apply
    }
    return lengths[0] >= SHORTEST and max(lengths) <= LONGEST and len(operations) <= LARGEST


def _disjoint(stages: Sequence[Stage]) -> bool:
    """Whether the stages give the same, run in turn for each row, as each for all rows."""
    written = {root.buffer for stage in stages for root in stage.roots}
    touched = [{buffer for buffer, _ in _accesses(stage)} for stage in stages]
    return all(_apart(buffer, stages) for buffer in written if sum(buffer in buffers for buffers in touched) > 1)


def _apart(buffer: int, stages: Sequence[Stage]) -> bool:
    """Whether what is touched of a buffer in one turn of the outermost loop is touched in no other."""
    found = [(index, stage.extents) for stage in stages for where, index in _accesses(stage) if where == buffer]
    ahead = {index.coefficients[0] for index, _ in found}
    if len(ahead) > 1 or any(index.terms for index, _ in found):
        return False
    ends = [_interval(index, extents) for index, extents in found]
    return max(high for _, high in ends) - min(low for low, _ in ends) < abs(ahead.pop())


def is_divisible(step: Fused) -> bool:
    """Whether the turns of the outermost loop can be shared out: none reads or adds to what another one writes."""
    kernel = step.kernel
    stages = [Stage((*kernel.rows, *stage.extents), stage.roots) for stage in kernel.stages]
    roots = [root for stage in stages for root in stage.roots]
    if not all(stage.extents for stage in stages) or stages[0].extents[0] <= STATIC:
        return False
    if any(0 in root.axes if type(root) is Reduce else root.combines or root.index.terms for root in roots):
        return False
    written = Counter(root.buffer for root in roots)
    read = {value.buffer for root in roots for value in parts(root) if type(value) is Load}
    shared = {buffer for buffer, count in written.items() if count > 1 or buffer in read}
    return all(_apart(buffer, stages) for buffer in shared)


def _accesses(stage: Stage) -> Iterator[tuple[int, Affine]]:
    """(buffer, index) of all that a stage reads and writes."""
    for root in stage.roots:
        yield root.buffer, root.index
        for value in parts(root):
            if type(value) is Load:
                yield value.buffer, value.index


def _interval(index: Affine, extents: Sequence[int]) -> tuple[int, int]:
    """Lowest and highest place in row 0."""
    reach = [c * (extent - 1) for c, extent in zip(index.coefficients[1:], extents[1:], strict=True)]
    return index.offset + sum(min(0, x) for x in reach), index.offset + sum(max(0, x) for x in reach)
