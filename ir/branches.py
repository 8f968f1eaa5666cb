"""Which Python branch a guard decided: the statement, the arm that ran, and the text of the arm that did not.

In: the `Source` of a guard equation (code object, offset of the instruction that asked) and the recorded
outcome. Out: a `Branch`. Nothing is worked out while tracing: this runs when somebody looks.

Two steps. *Which expression was asked?* The instruction that calls `__bool__` is a conditional jump (or
`TO_BOOL`, `UNARY_NOT`, `COMPARE_OP`). From Python 3.12 on its position is the tested expression. Python 3.11
gives such a jump the position of the whole statement or ternary unless the test is a comparison; the
instruction just before it, which made the value, has the right one. *Which arm is that?* The truth of the
operand is not the arm: `not` flips it, an operand of `and` decides only if it is false or the last one, one
of `or` only if true or last, a link of `a < b < c` only if false or last. We climb from the operand to the
test by these rules. If a later operand decides, and it was no traced value, the next equations recorded
may show which arm ran; otherwise the branch is *undecided*. Nothing is ever guessed: a text that may not be the
one that was compiled (the file changed since import) is not shown.
"""

from __future__ import annotations

import ast
import dis
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from .guards import guard
from .jaxpr import ClosedJaxpr, Eqn, Jaxpr
from .parsed import ParsedFile, Span, parsed_file, span_of
from .source import Source

__all__ = ["Arm", "Branch", "branch_of", "branches_of", "in_arm"]

LATER = "a later operand decides"


class Arm(NamedTuple):
    """One way on: `label` ("then", "else", "body", ...), its text (empty: nothing happens) and where it stands."""

    label: str
    text: str
    span: Span | None


@dataclass(frozen=True, slots=True)
class Branch:
    """A decision that Python took on a traced value.

    Attributes:
        kind: "if", "elif", "ternary", "while", "assert", "filter", "match", "and", "or", "not", "chain" (a chained
            comparison used as a value), "call" (`min`, `bool`, `range`, ...: no arms) or "unknown" (no text).
        predicate: text of the whole test.
        operand: text of the part of it that was asked; the same when the test is one value.
        outcome: what `operand` was.
        arms: the arm for a true test, then the one for a false test; empty when there are none.
        taken: the arm that ran; None when there are none or it is not decided.
        note: why there is no text or no decision; empty otherwise.
        line, column: where the operand stands; lines and columns from 1.
    """

    kind: str
    predicate: str
    operand: str
    outcome: Any
    arms: tuple[Arm, ...] = ()
    taken: Arm | None = None
    note: str = ""
    line: int = 0
    column: int | None = None

    @property
    def undecided(self) -> bool:
        """Whether there are arms and it is not known which one ran."""
        return bool(self.arms) and self.taken is None

    @property
    def other(self) -> Arm | None:
        """The arm that did not run."""
        return None if self.taken is None else self.arms[1 if self.taken is self.arms[0] else 0]

    @property
    def taken_text(self) -> str:
        """Source text of the arm that ran."""
        return "" if self.taken is None else self.taken.text

    @property
    def other_text(self) -> str:
        """Source text of the arm that did not run."""
        return "" if self.other is None else self.other.text

    def __str__(self) -> str:
        head = f"{self.kind} {self.predicate or '?'} (line {self.line}): {self.operand or 'value'} is {self.outcome}"
        if self.taken is not None:
            return f"{head}, {self.taken.label} taken"
        return f"{head} ({self.note})" if self.note else head


def branches_of(program: Jaxpr | ClosedJaxpr) -> list[tuple[Eqn, Branch]]:
    """The guards at the top level of a program, each with its branch."""
    eqns = program.eqns
    found = []
    for index, eqn in enumerate(eqns):
        if eqn.primitive is guard and eqn.source is not None:
            following = (later.source for later in eqns[index + 1 :] if later.source is not None)
            found.append((eqn, branch_of(eqn.source, eqn.params["value"], following)))
    return found


def branch_of(source: Source, outcome: Any, following: Iterable[Source] = ()) -> Branch:
    """The branch that a guard decided.

    Args:
        source: of the guard equation.
        outcome: what Python was answered (bool, int, or a value).
        following: sources of the equations recorded after it, in order: evidence where the outcome leaves it open.

    Returns:
        The branch; `note` says so when it is undecided or the text is not to be had.
    """
    line, column = source.line, source.column
    file = parsed_file(source.code)
    if isinstance(file, str):
        return Branch("unknown", "", "", outcome, note=file, line=line, column=column)
    asked = _asked(source, file) if isinstance(outcome, bool) else None
    if asked is None:
        return Branch("call", source.text, source.text, outcome, line=line, column=column)
    test, branch = _climb(file, asked, outcome)
    branch = replace(branch, line=asked.node.lineno, column=file.column(asked.node))
    return _resolve(branch, source, file, asked.node, test, following) if branch.undecided else branch


def in_arm(place: Source, source: Source, arm: Arm) -> bool:
    """Whether `place` was reached from `arm` of the branch at `source`, in the same call of the function."""
    here = _in_frame(place, source)
    if here is None or arm.span is None or None in here.position:
        return False
    return _within(_source_span(here), arm.span)


# --- which expression was asked -------------------------------------------------------------------------------


class _Asked(NamedTuple):
    """The expression whose truth was asked; `last_link`: all of it, not an inner link of a chained comparison."""

    node: ast.expr
    last_link: bool


_PASSING = ("TO_BOOL", "COPY", "SWAP", "NOP", "EXTENDED_ARG", "CACHE", "NOT_TAKEN")
# Python 3.11 gives a jump the position of the statement, or of the last comparison in the test: `x > 1 and y` jumps
# on y at the position of `x > 1`.
_STALE_JUMPS = sys.version_info < (3, 12)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def _asked(source: Source, file: ParsedFile) -> _Asked | None:
    """What a test asked for; None when no test did, but a call (`min`, `any`, `bool`) or an operator (`in`)."""
    instructions = list(dis.get_instructions(source.code))
    at = next((i for i, found in enumerate(instructions) if found.offset == source.lasti), None)
    if at is None or not _tests(instructions[at].opname):
        return None
    node = _operand_at(instructions[at], file)
    if node is None or (_STALE_JUMPS and instructions[at].opname != "UNARY_NOT"):
        node = _operand_before(instructions, at, file) or node
    if node is None:
        return None
    if isinstance(node, ast.Compare) and len(node.ops) > 1:
        return _Asked(node, _link(instructions, at, node) == len(node.ops) - 1)
    return _Asked(node, True)


def _operand_at(instruction: dis.Instruction, file: ParsedFile) -> ast.expr | None:
    """The expression at the instruction's own position, if its truth can be asked."""
    node = file.by_span.get(_instruction_span(instruction))
    while isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        node = node.operand
    if node is None or isinstance(node, _COMPREHENSIONS) or not _is_operand(node, file):
        return None
    return node


def _tests(opname: str) -> bool:
    if opname == "COMPARE_OP":  # converts its result to bool itself from 3.13 on
        return sys.version_info >= (3, 13)
    return "JUMP" in opname or opname in ("TO_BOOL", "UNARY_NOT")


def _operand_before(instructions: list[dis.Instruction], at: int, file: ParsedFile) -> ast.expr | None:
    """The expression made by the instruction before `at`, if its truth can be asked."""
    at -= 1
    while at >= 0 and instructions[at].opname in _PASSING:
        at -= 1
    if at > 0 and instructions[at].opname.startswith("STORE_"):  # `y := value` copies, then stores
        while at > 0 and not instructions[at].opname.startswith("COPY"):
            at -= 1
    if at < 0:
        return None
    span = _instruction_span(instructions[at])
    node = file.by_span.get(span)
    if node is None:  # a method call over several lines starts at the method's name (3.11, 3.12)
        ends = [x for x in file.by_span.values() if span_of(x)[2:] == span[2:] and span_of(x)[:2] <= span[:2]]
        node = max(ends, key=lambda x: span_of(x)[:2], default=None)
        while node is not None and not _is_operand(node, file):
            parent = file.parents.get(node)
            node = parent if isinstance(parent, ast.expr) and span_of(parent)[2:] == span[2:] else None
    return node if node is not None and _is_operand(node, file) else None


def _is_operand(node: ast.expr, file: ParsedFile) -> bool:
    """Whether Python asks the truth of this very expression (and not of its parts)."""
    if isinstance(node, (ast.BoolOp, ast.IfExp)) or (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)):
        return False
    while isinstance(parent := file.parents.get(node), ast.NamedExpr) and parent.value is node:
        node = parent
    if isinstance(parent, ast.BoolOp) or (isinstance(node, ast.Compare) and len(node.ops) > 1):
        return True
    if isinstance(parent, ast.UnaryOp):
        return isinstance(parent.op, ast.Not)
    if isinstance(parent, ast.IfExp) and parent.test is not node:
        return _is_asked_whole(parent, file)
    return _is_test(parent, node)


def _is_test(parent: ast.AST | None, node: ast.expr) -> bool:
    if isinstance(parent, (ast.If, ast.While, ast.Assert, ast.IfExp)):
        return parent.test is node
    if isinstance(parent, ast.comprehension):
        return node in parent.ifs
    return isinstance(parent, ast.match_case) and parent.guard is node


def _link(instructions: list[dis.Instruction], at: int, node: ast.Compare) -> int:
    """Which link of `a < b < c` was asked: the one whose right-hand side was evaluated last."""
    while at >= 0:
        start, end = _instruction_span(instructions[at])[:2], _instruction_span(instructions[at])[2:]
        for index, side in enumerate([node.left, *node.comparators]):
            if span_of(side)[:2] <= start and end <= span_of(side)[2:]:
                return max(index - 1, 0)
        at -= 1
    return 0


def _instruction_span(instruction: dis.Instruction) -> Span:
    place = instruction.positions
    if place is None or place.lineno is None or place.col_offset is None:
        return (0, 0, 0, 0)
    return place.lineno, place.col_offset, place.end_lineno or 0, place.end_col_offset or 0


# --- which arm that is ----------------------------------------------------------------------------------------


def _climb(file: ParsedFile, asked: _Asked, outcome: bool) -> tuple[ast.expr, Branch]:
    """The whole test and its branch, given that the operand is `outcome`."""
    node = asked.node
    operand = file.text(span_of(node))
    truth: bool | None = outcome if asked.last_link or not outcome else None
    while True:
        parent = file.parents.get(node)
        if isinstance(parent, ast.UnaryOp) and isinstance(parent.op, ast.Not):
            truth = None if truth is None else not truth
        elif isinstance(parent, ast.BoolOp):
            if not _is_asked_whole(parent, file):
                return parent, _value_of_operands(file, parent, node, operand, outcome, truth)
            ends = isinstance(parent.op, ast.Or)  # the truth that ends an `or`, an `and`
            if truth is not ends and node is not parent.values[-1]:
                truth = None
        elif not (
            (isinstance(parent, ast.NamedExpr) and parent.value is node)
            or (isinstance(parent, ast.IfExp) and parent.test is not node and _is_asked_whole(parent, file))
        ):
            break
        node = parent  # type: ignore[assignment]
    predicate = file.text(span_of(node))
    if parent is None or not _is_test(parent, node):
        kind = "not" if isinstance(node, ast.UnaryOp) else "chain" if node is asked.node else "call"
        return node, Branch(kind, predicate, operand, outcome)
    kind, arms = _arms(file, parent, node)
    taken = arms[0 if truth else 1] if arms and truth is not None else None
    note = LATER if arms and taken is None else ""
    return node, Branch(kind, predicate, operand, outcome, arms, taken, note)


def _is_asked_whole(node: ast.expr, file: ParsedFile) -> bool:
    """Whether an `and`, `or` or ternary is itself (part of) a test, not a value."""
    parent = file.parents.get(node)
    while isinstance(parent, (ast.BoolOp, ast.NamedExpr, ast.IfExp)) or (
        isinstance(parent, ast.UnaryOp) and isinstance(parent.op, ast.Not)
    ):
        if isinstance(parent, ast.UnaryOp) or (isinstance(parent, ast.IfExp) and parent.test is node):
            return True
        node = parent
        parent = file.parents.get(node)
    return _is_test(parent, node)


def _value_of_operands(
    file: ParsedFile, parent: ast.BoolOp, node: ast.expr, operand: str, outcome: Any, truth: bool | None
) -> Branch:
    """`a or b` as a value: its arms are "stop here" and "go on to the operands after"."""
    is_or = isinstance(parent.op, ast.Or)
    after = parent.values[parent.values.index(node) + 1 :]
    rest = (*span_of(after[0])[:2], *span_of(after[-1])[2:]) if after else None
    stop, go_on = Arm("stop", file.text(span_of(node)), span_of(node)), Arm("go on", file.text(rest), rest)
    arms = (stop, go_on) if is_or else (go_on, stop)
    taken = None if truth is None else arms[0 if truth else 1]
    note = LATER if taken is None else ""
    return Branch("or" if is_or else "and", file.text(span_of(parent)), operand, outcome, arms, taken, note)


def _arms(file: ParsedFile, parent: ast.AST, test: ast.expr) -> tuple[str, tuple[Arm, ...]]:
    """The kind of a statement and its arms: when the test is true, when it is false."""
    if isinstance(parent, ast.IfExp):
        return "ternary", (_arm(file, "then", [parent.body]), _arm(file, "else", [parent.orelse]))
    if isinstance(parent, ast.If):
        then = _arm(file, "then", parent.body)
        if parent.orelse:
            label = "elif" if _is_elif(file, parent.orelse[0]) and len(parent.orelse) == 1 else "else"
            otherwise = _arm(file, label, parent.orelse)
        else:
            otherwise = _arm(file, "else", _what_follows(file, parent))
        return "elif" if _is_elif(file, parent) else "if", (then, otherwise)
    if isinstance(parent, ast.While):
        return "while", (_arm(file, "body", parent.body), _arm(file, "exit", parent.orelse))
    if isinstance(parent, ast.comprehension):
        whole = next(x for x in file.ancestors(parent) if isinstance(x, _COMPREHENSIONS))
        kept = [whole.key, whole.value] if isinstance(whole, ast.DictComp) else [whole.elt]
        more = parent.ifs.index(test) + 1 < len(parent.ifs)  # further filters are asked first
        return "filter", (_arm(file, "next filter" if more else "keep", kept), Arm("skip", "", None))
    if isinstance(parent, ast.match_case):
        match = file.parents[parent]
        assert isinstance(match, ast.Match)
        later = match.cases[match.cases.index(parent) + 1 :]
        span = None
        if later:  # a case has no position of its own: from its pattern to the end of the last body
            first, last = later[0].pattern, later[-1].body[-1]
            column = file.encoded[first.lineno - 1].find(b"case")
            span = (first.lineno, column, last.end_lineno or last.lineno, last.end_col_offset or 0)
        return "match", (_arm(file, "case", parent.body), Arm("next case", file.text(span), span))
    return "assert", ()


def _arm(file: ParsedFile, label: str, nodes: list[Any]) -> Arm:
    if not nodes:
        return Arm(label, "", None)
    span = (*span_of(nodes[0])[:2], *span_of(nodes[-1])[2:])
    return Arm(label, file.text(span), span)


def _is_elif(file: ParsedFile, node: ast.AST) -> bool:
    return isinstance(node, ast.If) and file.encoded[node.lineno - 1][node.col_offset :].startswith(b"elif")


def _what_follows(file: ParsedFile, node: ast.If) -> list[ast.stmt]:
    """The statements after `if test: return ...` in its block: what runs when the test is false."""
    if not isinstance(node.body[-1], (ast.Return, ast.Raise, ast.Continue, ast.Break)):
        return []
    here: ast.AST = node
    while here in file.parents:
        parent = file.parents[here]
        for block in ("body", "orelse", "finalbody"):
            statements = getattr(parent, block, None)
            if isinstance(statements, list) and here in statements[:-1]:
                return list(statements[statements.index(here) + 1 :])
        if not isinstance(parent, (ast.If, ast.With)):  # the last statement of a loop or function: nothing follows
            return []
        here = parent
    return []


# --- evidence -------------------------------------------------------------------------------------------------


def _resolve(
    branch: Branch, source: Source, file: ParsedFile, node: ast.expr, test: ast.expr, following: Iterable[Source]
) -> Branch:
    """Decide by where the next equation of the same call was recorded.

    In a loop nothing is decided this way: an arm that records nothing would be mistaken for the other arm
    in a later round.
    """
    if branch.kind == "filter" or _in_loop(node, file):
        return branch
    for later in following:
        here = _in_frame(later, source)
        if here is None or None in here.position:
            break
        span = _source_span(here)
        for arm in branch.arms:
            if arm.span is not None and _within(span, arm.span):
                return replace(branch, taken=arm, note="")
        if span[:2] < span_of(node)[:2] or not _within(span, span_of(test)):
            break  # control has left the statement, or asks the test again
    return branch


def _in_loop(node: ast.AST, file: ParsedFile) -> bool:
    for x in file.ancestors(node):
        if isinstance(x, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            return False
        if isinstance(x, (ast.For, ast.AsyncFor, ast.While, *_COMPREHENSIONS)):
            return True
    return False


def _in_frame(later: Source, source: Source) -> Source | None:
    """The place of `later` in the call that `source` belongs to: itself, or the call site inside that call."""
    for place in later.path():
        if place.code is source.code and _same_path(place.parent, source.parent):
            return place
    return None


_DEEP = 16  # call paths are cut off at some depth: paths that agree this far are the same


def _same_path(a: Source | None, b: Source | None) -> bool:
    depth = 0
    while a is not None and b is not None:
        if a is b:
            return True
        if a.code is not b.code or a.lasti != b.lasti:
            return False
        a, b, depth = a.parent, b.parent, depth + 1
    return a is b or depth >= _DEEP


def _source_span(source: Source) -> Span:
    line, end_line, column, end_column = source.position
    return line or 0, column or 0, end_line or 0, end_column or 0


def _within(inner: Span, outer: Span) -> bool:
    return outer[:2] <= inner[:2] and inner[2:] <= outer[2:]
