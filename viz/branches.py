"""Captured Python branches on a sheet: a diamond per guard, and a note for each arm with its text.

In: guard equations; `ir.branches` says which statement asked and which arm ran. Out: nodes "guard", "taken", "untaken",
"undecided" and the edges between them. What nobody can know stays open: both arms are grey, with the reason.

Inside a `jit`, Python asks once, but the answer is recorded twice: by the program around it, which had to know the
value while tracing, and by the program inside, where the branch belongs. `echoes` finds the first kind.
"""

from __future__ import annotations

from typing import Any

from ..ir import Eqn, Jaxpr, Source, Var, guard, sub_jaxprs
from ..ir.branches import Arm, Branch, branch_of, in_arm
from ..ir.effects import GUARD
from .graph import Node, cut, one_line
from .sheet import Sheet, place_of

__all__ = ["branch_at", "draw_guard", "echoes", "shortened", "site_of"]

_TALLEST = 6  # lines of an arm's text


def draw_guard(sheet: Sheet, eqns: tuple[Eqn, ...], index: int, prefix: str, cluster: str) -> None:
    """The diamond of the guard `eqns[index]`, and its arms."""
    eqn, key = eqns[index], f"{prefix}{index}"
    source = eqn.source
    if (key if source is None else (site_of(source), sheet.number(eqn.invars[0]))) in sheet.asked:
        # Once by Python while tracing, again when a transformed function ran the equation.
        sheet.hidden.append((key, "asked before"))
        return
    sheet.asked.add(key if source is None else (site_of(source), sheet.number(eqn.invars[0])))
    branch = branch_at(eqns, index)
    later = _next_operand(eqns, index, branch) if branch.arms else None
    _draw_diamond(sheet, eqn, branch, key, cluster, decides=later is None)
    if not branch.arms or source is None:
        return
    if later is not None:
        sheet.runs.append((key, f"{prefix}{later}"))
        return
    shown = (*_statement(source, branch), None if branch.kind == "while" else branch.taken)
    first = _first_of(branch.taken, eqns, index)
    if shown in sheet.shown:  # a later round of a loop: the texts are there already
        if first is not None:
            sheet.runs.append((key, f"{prefix}{first}"))
        return
    sheet.shown.add(shown)
    for arm in branch.arms:
        note = _draw_arm(sheet, branch, arm, key, cluster)
        if note and arm is branch.taken and first is not None:
            sheet.runs.append((note, f"{prefix}{first}"))


def _draw_diamond(sheet: Sheet, eqn: Eqn, branch: Branch, key: str, cluster: str, *, decides: bool) -> None:
    """The test; just the operand where the next one of the same test decides."""
    sheet.branches.append((key, branch))
    title = branch.predicate if decides else branch.operand
    title = title or f"{eqn.params['kind']} of {sheet.operand(eqn.invars[0])}"
    part = "" if not decides or branch.operand == branch.predicate else f"{cut(one_line(branch.operand))} "
    lines = [f"{part}is {branch.outcome}"]
    if branch.kind == "while" and eqn.source is not None:
        lines.append(f"round {sheet.round(_statement(eqn.source, branch), ended=not branch.outcome)}")
    if eqn.source is not None:
        lines.append(place_of(eqn.source))
    detail = branch.note or str(branch)
    sheet.node(Node(key, "guard", cut(one_line(title)), tuple(lines), "", cluster, eqn.source, detail))
    sheet.connect(eqn.invars, key)


def _draw_arm(sheet: Sheet, branch: Branch, arm: Arm, key: str, cluster: str) -> str:
    """The text of an arm beside its diamond: id of the note, empty when there is nothing to show."""
    if branch.undecided:
        kind, state = "undecided", "not determined"
    else:
        kind, state = ("taken", "taken") if arm is branch.taken else ("untaken", "not taken")
    if not arm.text and branch.kind in ("while", "filter") and kind == "untaken":
        return ""  # leaving the loop is no arm to show
    note = f"{key}{'t' if arm is branch.arms[0] else 'f'}"
    place = f" (line {arm.span[0]})" if arm.span is not None else ""
    lines = shortened(arm.text) or ("nothing to do",)
    if branch.undecided and branch.note:
        lines = (*lines, f"({branch.note})")
    sheet.node(Node(note, kind, f"{arm.label}: {state}{place}", lines, "", cluster, detail=arm.text))
    sheet.edge(key, note, kind)
    return note


def site_of(source: Source) -> Any:
    """The instruction that asked."""
    return source.code, source.lasti


def _statement(source: Source, branch: Branch) -> tuple[Any, ...]:
    """The test in the source text: a `while` asks at its first round by another instruction than later."""
    return source.code, branch.line, branch.column


def branch_at(eqns: tuple[Eqn, ...], index: int) -> Branch:
    """The branch of the guard `eqns[index]`."""
    eqn = eqns[index]
    if eqn.source is None:
        return Branch("unknown", "", "", eqn.params["value"], note="the source is not known")
    following = (x.source for x in eqns[index + 1 :] if x.source is not None)
    return branch_of(eqn.source, eqn.params["value"], following)


def _next_operand(eqns: tuple[Eqn, ...], index: int, branch: Branch) -> int | None:
    """The next guard, if it asks a later operand of the same test: that one decides."""
    source = eqns[index].source
    for number in range(index + 1, len(eqns)):
        later = eqns[number]
        if later.primitive is guard and later.source is not None and source is not None:
            if later.source.code is not source.code:
                return None
            other = branch_at(eqns, number)
            after = (branch.line, branch.column or 0) < (other.line, other.column or 0)
            return number if other.arms == branch.arms and after else None
    return None


def _first_of(arm: Arm | None, eqns: tuple[Eqn, ...], index: int) -> int | None:
    """The first equation of the arm: it can only be the next one recorded."""
    source, number = eqns[index].source, index + 1
    if arm is None or source is None:
        return None
    while number < len(eqns) and _same_question(eqns[number], eqns[index]):
        number += 1
    if number == len(eqns):
        return None
    place = eqns[number].source
    return number if place is not None and in_arm(place, source, arm) else None


def _same_question(eqn: Eqn, other: Eqn) -> bool:
    if eqn.primitive is not guard or eqn.source is None or other.source is None:
        return False
    return site_of(eqn.source) == site_of(other.source) and eqn.invars[0] is other.invars[0]


def shortened(text: str) -> tuple[str, ...]:
    """The lines of an arm's text that are shown."""
    lines = text.splitlines()
    if len(lines) > _TALLEST:
        lines = [*lines[: _TALLEST - 1], f"\u2026 ({len(lines) - _TALLEST + 1} more lines)"]
    return tuple(cut(line) for line in lines)


# --- questions asked inside a call ----------------------------------------------------------------------------


def echoes(jaxpr: Jaxpr) -> dict[int, str]:
    """The equations that only answer, while tracing, a question that a later call asks itself: index -> reason."""
    calls: dict[Any, list[tuple[int, Source, Source]]] = {}
    for index, eqn in enumerate(jaxpr.eqns):
        if eqn.effects and eqn.primitive is not guard and eqn.source is not None:
            for inner in _guards_inside(eqn):
                calls.setdefault(site_of(inner), []).append((index, inner, eqn.source))
    if not calls:
        return {}
    found: dict[int, str] = {}
    for index, eqn in enumerate(jaxpr.eqns):
        if eqn.primitive is guard and eqn.source is not None:
            inside = calls.get(site_of(eqn.source), ())
            if any(index < where and _leads_to(eqn.source, inner, call) for where, inner, call in inside):
                found[index] = "asked again inside the call"
    return {**found, **_only_for(jaxpr, found)}


def _guards_inside(eqn: Eqn) -> list[Source]:
    sources = []
    bodies = [body for _, body in sub_jaxprs(eqn)]
    while bodies:
        body = bodies.pop()
        if GUARD in body.effects:
            for inner in body.eqns:
                if inner.primitive is guard and inner.source is not None:
                    sources.append(inner.source)
                elif inner.effects:
                    bodies += [deeper for _, deeper in sub_jaxprs(inner)]
    return sources


def _leads_to(outer: Source, inner: Source, call: Source) -> bool:
    """Whether the call path of a guard recorded outside is that of `inner` inside the call made at `call`."""
    outside = list(outer.path())
    inside = list(inner.path())
    if [site_of(x) for x in outside[: len(inside)]] != [site_of(x) for x in inside]:
        return False
    rest = outside[len(inside) :]
    return not rest or any(site_of(x) == site_of(call) for x in rest)


def _only_for(jaxpr: Jaxpr, guards: dict[int, str]) -> dict[int, str]:
    """The equations that nothing needs but these guards."""
    live = {x for x in jaxpr.outvars if type(x) is Var}
    asked: set[Var] = set()
    found: dict[int, str] = {}
    for index in range(len(jaxpr.eqns) - 1, -1, -1):
        eqn = jaxpr.eqns[index]
        if index in guards:
            asked.update(x for x in eqn.invars if type(x) is Var)
        elif any(v in live for v in eqn.outvars) or eqn.effects or not any(v in asked for v in eqn.outvars):
            live.update(x for x in eqn.invars if type(x) is Var)
        else:
            found[index] = "computed while tracing, to answer a question inside the call"
            asked.update(x for x in eqn.invars if type(x) is Var)
    return found
