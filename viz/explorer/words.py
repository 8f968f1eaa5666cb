"""What a step says: its sentence, and the rule of differentiation as its primitive's documentation has it.

In: facts about a step. Out: text. Sentences are short, name the line, and use the user's own names where there are any.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ...ir import Primitive, Source
from ...ir.branches import Arm, Branch
from ..graph import cut, one_line
from .listing import assigned_name

__all__ = ["arm_lines", "called", "formula_of", "guard_sentence", "meaning_of", "where"]

_SENTENCE = re.compile(r"(?<=[^\s.])\.(?=\s+[^\s\d]|$)")  # not `eq. 8`, not `lhs . rhs`
_FORMULA = re.compile(r"(?:^|[\s:;(])((?:d(?:/d\w+|\w*|\|.*?\||[( ][^=]*?)?)\s=\s.*)", re.DOTALL)
_ABOUT = ("derivative", "tangent", "ifferentiable", "inear")


def meaning_of(primitive: Primitive) -> str:
    """The first sentence of the primitive's documentation: what it computes."""
    return _sentences(primitive)[0] if primitive.doc else ""


def formula_of(primitive: Primitive) -> str:
    """The derivative as the documentation gives it: `d(x y) = dx y + x dy`; a sentence where there is no formula."""
    sentences = _sentences(primitive)
    for sentence in sentences:
        found = _FORMULA.search(sentence)
        if found:
            return found[1]
    return next((x for x in sentences if any(word in x for word in _ABOUT)), "")


def _sentences(primitive: Primitive) -> list[str]:
    return [part.strip() for part in _SENTENCE.split(one_line(primitive.doc)) if part.strip()]


def where(sources: Sequence[Source]) -> str:
    """`Line 9: `, or nothing where the place is not known."""
    return f"Line {sources[0].line}: " if sources else ""


def called(sources: Sequence[Source]) -> str:
    """The user's name for the value: `force`; empty where it has none."""
    return assigned_name(sources[0]) if sources else ""


def guard_sentence(branch: Branch) -> str:
    """What Python asked, what the answer was, and what that means for the program."""
    test = cut(one_line(branch.predicate)) or "a value"
    told = f"Python asked at line {branch.line}: {_question(branch, test)} The answer is {branch.outcome}"
    if branch.undecided:
        return f"{told}; which way it went is not known ({branch.note})."
    if branch.taken is None:
        return f"{told}; this program is right as long as it stays so."
    ran, other = branch.taken, branch.other
    if branch.kind == "while":
        return f"{told}, so {'the loop runs once more' if branch.outcome else 'the loop ends'}."
    left = f"; {_arm(other)} is not part of this program" if other is not None and other.text else ""
    return f"{told}, so {_arm(ran)} runs{left}."


def arm_lines(branch: Branch) -> list[str]:
    """The texts of both arms, each under a line that says whether it ran."""
    lines = []
    for arm in branch.arms:
        ran = "not known" if branch.undecided else "runs" if arm is branch.taken else "does not run"
        lines += [f"{arm.label}: {ran}", *(f"    {line}" for line in arm.text.splitlines())]
    return lines


def _question(branch: Branch, test: str) -> str:
    operand = cut(one_line(branch.operand))
    return f"is {test}?" if operand in ("", test) else f"is {operand}, in {test}?"


def _arm(arm: Arm) -> str:
    if arm.span is None:
        return f"'{arm.label}'"
    first, last = arm.span[0], arm.span[2]
    lines = f"line {first}" if first == last else f"lines {first} to {last}"
    return f"'{arm.label}' ({lines})"
