"""Equations that hold programs, as frames on a sheet.

In: an equation with sub-Jaxprs. Out: a cluster. A call (`jit`, `checkpoint`, custom rules) is a frame into which edges
run directly. `cond` has a diamond for its index and a frame per branch, the operands running into the branches.
`while` and `scan` have a node for each value that goes round ("carry"), with an arrow back from what the body returns;
a scan has a node for each input that it takes a slice of at each step. Anything else gets a frame per
body, with the body's inputs named after the operands; of the programs of a solver, only that which solves gives the result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..ir import Atom, ClosedJaxpr, Eqn, Jaxpr, Var, sub_jaxprs
from .graph import Cluster, Node, cut
from .sheet import Sheet, aval_lines, param_lines, place_of

__all__ = ["draw_structured", "is_call"]

DrawBody = Callable[[Sheet, Jaxpr, str, str], None]
_LOOPS = ("scan", "while", "cond")
_SOLVERS = ("custom_root", "custom_linear_solve")
_READABLE = {"custom_jvp_call": "custom_jvp", "custom_vjp_call": "custom_vjp"}


def draw_structured(sheet: Sheet, eqn: Eqn, key: str, cluster: str, draw_body: DrawBody) -> None:
    """Draw an equation that holds Jaxprs, its equations with the ids `{key}_0`, ... or `{key}_{body}_0`, ..."""
    frame = f"c{key}"
    kind = _READABLE.get(eqn.primitive.name, eqn.primitive.name)
    called = eqn.params.get("name")
    title = f"{kind} {called}" if isinstance(called, str) and called not in ("", kind) else kind
    detail = "" if eqn.source is None else eqn.source.line_text
    draw = {"cond": _draw_cond, "while": _draw_while, "scan": _draw_scan}.get(eqn.primitive.name)
    if draw is not None and not _is_known_form(eqn):
        draw = None
    if draw is _draw_scan:
        title = f"scan length={eqn.params['length']}" + (" reverse" if eqn.params.get("reverse") else "")
    elif eqn.params.get("differentiated"):
        title = f"{title} (computed again)"
    sheet.clusters.append(Cluster(frame, kind, cut(title), cluster, eqn.source, detail))
    if draw is None:
        draw = _draw_call if is_call(eqn) else _draw_bodies
    draw(sheet, eqn, key, frame, draw_body)


def is_call(eqn: Eqn) -> bool:
    """Whether the equation does what its one body does."""
    bodies = list(sub_jaxprs(eqn))
    if len(bodies) != 1 or eqn.primitive.name in _LOOPS:
        return False
    jaxpr = bodies[0][1].jaxpr
    return len(jaxpr.invars) == len(eqn.invars) and len(jaxpr.outvars) == len(eqn.outvars)


def _is_known_form(eqn: Eqn) -> bool:
    """Whether a loop or a cond has the parameters that JAX gives it."""
    wanted = {
        "cond": {"branches"},
        "while": {"cond_jaxpr", "body_jaxpr"},
        "scan": {"jaxpr", "length", "num_consts", "num_carry"},
    }
    return wanted[eqn.primitive.name] <= set(eqn.params)


# --- calls ----------------------------------------------------------------------------------------------------


def _draw_call(sheet: Sheet, eqn: Eqn, key: str, frame: str, draw_body: DrawBody) -> None:
    (_, body), *_ = sub_jaxprs(eqn)
    jaxpr = inline(sheet, body, eqn.invars, f"{key}_", frame)
    draw_body(sheet, jaxpr, f"{key}_", frame)
    for var, atom in zip(eqn.outvars, jaxpr.outvars, strict=True):
        sheet.alias(var, atom)


def inline(sheet: Sheet, body: ClosedJaxpr, operands: Iterable[Atom], prefix: str, frame: str) -> Jaxpr:
    """The body's inputs stand for the operands; its other variables get fresh names."""
    jaxpr = body.jaxpr
    sheet.forget((*jaxpr.constvars, *jaxpr.invars, *(v for eqn in jaxpr.eqns for v in eqn.outvars)))
    for var, atom in zip(jaxpr.invars, operands, strict=True):
        sheet.alias(var, atom)
    return sheet.open(body, prefix, frame)


# --- cond -----------------------------------------------------------------------------------------------------


def _draw_cond(sheet: Sheet, eqn: Eqn, key: str, frame: str, draw_body: DrawBody) -> None:
    index, *operands = eqn.invars
    branches: Sequence[ClosedJaxpr] = eqn.params["branches"]
    choice = f"{key}q"
    lines = (f"0 \u2026 {len(branches) - 1}",) if len(branches) != 2 else ("0: false, 1: true",)
    title = f"branch {sheet.operand(index)}?"
    sheet.node(Node(choice, "choice", title, lines, cluster=frame, source=eqn.source, detail="which branch runs"))
    sheet.connect([index], choice)
    for number, body in enumerate(branches):
        arm = f"{frame}_{number}"
        word = ("false", "true")[number] if len(branches) == 2 else ""
        sheet.clusters.append(Cluster(arm, "arm", f"{number}: {word}" if word else f"branch {number}", frame))
        prefix, before = f"{key}_{number}_", len(sheet.nodes)
        jaxpr = inline(sheet, body, operands, prefix, arm)
        draw_body(sheet, jaxpr, prefix, arm)
        _draw_unmade(sheet, jaxpr, eqn, key, number, arm)
        drawn = [node.id for node in sheet.nodes[before:] if node.kind != "const"]
        sheet.edge(choice, drawn[0] if drawn else key, "chosen")
        sheet.connect((x for x in jaxpr.outvars if type(x) is Var and sheet.producers.get(x) in drawn), key)
    _draw_result(sheet, eqn, key, frame)


def _draw_unmade(sheet: Sheet, jaxpr: Jaxpr, eqn: Eqn, key: str, number: int, arm: str) -> None:
    """What a branch returns without computing it: its operand, or a number."""
    made = {v for inner in jaxpr.eqns for v in inner.outvars}
    passed = [x for x in jaxpr.outvars if x not in made]
    if passed or not jaxpr.outvars:
        node = f"{key}_{number}p"
        text = cut(f"return {', '.join(sheet.operand(x) for x in jaxpr.outvars)}")
        sheet.node(Node(node, "carry", text, tuple(aval_lines([x.aval for x in passed])), cluster=arm))
        sheet.connect(passed, node)
        sheet.edge(node, key)


# --- loops ----------------------------------------------------------------------------------------------------


def _draw_while(sheet: Sheet, eqn: Eqn, key: str, frame: str, draw_body: DrawBody) -> None:
    test, body = eqn.params["cond_jaxpr"], eqn.params["body_jaxpr"]
    num_test = len(test.jaxpr.invars) - len(eqn.outvars)
    num_body = len(body.jaxpr.invars) - len(eqn.outvars)
    test_consts, rest = eqn.invars[:num_test], eqn.invars[num_test:]
    body_consts, init = rest[:num_body], rest[num_body:]
    carried = [Var(v.aval) for v in eqn.outvars]
    _draw_carries(sheet, carried, init, key, frame)
    for number, (title, program, consts) in enumerate((("test", test, test_consts), ("body", body, body_consts))):
        inner = f"{frame}_{number}"
        sheet.clusters.append(Cluster(inner, "arm", title, frame))
        prefix = f"{key}_{number}_"
        jaxpr = inline(sheet, program, (*consts, *carried), prefix, inner)
        draw_body(sheet, jaxpr, prefix, inner)
        if number == 0:
            asked = f"{key}q"
            lines = ("true: once more", "false: done")
            text = f"{sheet.operand(jaxpr.outvars[0])}?"
            sheet.node(Node(asked, "choice", text, lines, cluster=inner, source=eqn.source, detail="once more?"))
            sheet.connect(jaxpr.outvars, asked)
        else:
            _draw_back_edges(sheet, jaxpr.outvars, key)
    _draw_result(sheet, eqn, key, frame)
    sheet.edge(f"{key}q", key, "runs", "done")
    sheet.connect(carried, key)


def _draw_scan(sheet: Sheet, eqn: Eqn, key: str, frame: str, draw_body: DrawBody) -> None:
    num_consts, num_carry = eqn.params["num_consts"], eqn.params["num_carry"]
    body: ClosedJaxpr = eqn.params["jaxpr"]
    carried = [Var(v.aval) for v in body.jaxpr.invars[num_consts : num_consts + num_carry]]
    _draw_carries(sheet, carried, eqn.invars[num_consts : num_consts + num_carry], key, frame)
    slices = [Var(v.aval) for v in body.jaxpr.invars[num_consts + num_carry :]]
    for index, (var, stack) in enumerate(zip(slices, eqn.invars[num_consts + num_carry :], strict=True)):
        sheet.names[var] = sheet.fresh_name()
        node = f"v{key}_0_{num_consts + num_carry + index}"
        title = f"{sheet.names[var]} = {sheet.operand(stack)}[t]"
        sheet.node(Node(node, "carry", cut(title), (var.aval.str_short(),), cluster=frame, avals=(var.aval,)), var)
        sheet.connect([stack], node)
    inner, prefix = f"{frame}_0", f"{key}_0_"
    sheet.clusters.append(Cluster(inner, "arm", "body at step t", frame))
    jaxpr = inline(sheet, body, (*eqn.invars[:num_consts], *carried, *slices), prefix, inner)
    draw_body(sheet, jaxpr, prefix, inner)
    _draw_back_edges(sheet, jaxpr.outvars[:num_carry], key)
    _draw_result(sheet, eqn, key, frame, stacked=len(eqn.outvars) - num_carry)
    sheet.connect(jaxpr.outvars, key)


def _draw_carries(sheet: Sheet, carried: Sequence[Var], init: Sequence[Atom], key: str, frame: str) -> None:
    for index, (var, start) in enumerate(zip(carried, init, strict=True)):
        sheet.names[var] = sheet.fresh_name()
        node = f"v{key}_{index}"
        lines = (f"starts as {cut(sheet.operand(start))}", var.aval.str_short())
        detail = "goes round: the body's result is its next value"
        title = f"carry {sheet.names[var]}"
        sheet.node(Node(node, "carry", title, lines, cluster=frame, detail=detail, avals=(var.aval,)), var)
        sheet.connect([start], node)


def _draw_back_edges(sheet: Sheet, outs: Sequence[Atom], key: str) -> None:
    for index, atom in enumerate(outs):
        if type(atom) is Var and atom in sheet.producers and sheet.producers[atom] != f"v{key}_{index}":
            sheet.edge(sheet.producers[atom], f"v{key}_{index}", "carry")


# --- anything else --------------------------------------------------------------------------------------------


def _draw_bodies(sheet: Sheet, eqn: Eqn, key: str, frame: str, draw_body: DrawBody) -> None:
    """A frame per body, with its own inputs; the results join in one node."""
    bodies = list(sub_jaxprs(eqn))
    for number, (param, body) in enumerate(bodies):
        inner, prefix = f"{frame}_{number}", f"{key}_{number}_"
        title = f"{param} {number}" if sum(name == param for name, _ in bodies) > 1 else param
        describes = eqn.primitive.name in _SOLVERS and param != "jaxpr"
        if eqn.primitive.name in _SOLVERS and not describes:
            title = "solve"
        sheet.clusters.append(Cluster(inner, "arm", title, frame))
        if describes:  # it is about the solution: the constants are all that it gets from outside
            operands = eqn.invars[: eqn.params["num_consts"]]
        else:
            operands = eqn.invars[len(eqn.invars) - len(body.jaxpr.invars) :] if body.jaxpr.invars else ()
        entering = [Var(v.aval) for v in body.jaxpr.invars]
        for index, var in enumerate(entering):
            sheet.names[var] = sheet.fresh_name()
            outer = f" = {sheet.operand(operands[index])}" if index < len(operands) else ""
            node = f"v{key}_{number}_{index}"
            title = cut(f"{sheet.names[var]}{outer}")
            sheet.node(Node(node, "input", title, (var.aval.str_short(),), cluster=inner, avals=(var.aval,)), var)
            sheet.connect(operands[index : index + 1], node)
        jaxpr = inline(sheet, body, entering, prefix, inner)
        draw_body(sheet, jaxpr, prefix, inner)
        if not describes:
            sheet.connect(jaxpr.outvars, key)
    _draw_result(sheet, eqn, key, frame)
    most = max(len(body.jaxpr.invars) for _, body in bodies)
    sheet.connect(eqn.invars[: max(0, len(eqn.invars) - most)], key)  # operands that enter no body


def _draw_result(sheet: Sheet, eqn: Eqn, key: str, frame: str, stacked: int = 0) -> None:
    outs = ", ".join(map(sheet.name, eqn.outvars))
    avals = tuple(v.aval for v in eqn.outvars)
    lines: list[Any] = [] if eqn.primitive.name in _LOOPS else param_lines(eqn)
    lines += aval_lines(avals)
    if stacked:
        names = [sheet.name(v) for v in eqn.outvars[len(eqn.outvars) - stacked :]]
        lines.append(cut(f"stacked: {', '.join(names)}"))
    if eqn.source is not None:
        lines.append(place_of(eqn.source))
    title = cut(f"{outs} = {eqn.primitive.name}" if outs else eqn.primitive.name)
    detail = "" if eqn.source is None else eqn.source.line_text
    op = eqn.primitive.name
    node = Node(key, "result", title, tuple(lines), "structured", frame, eqn.source, detail or title, avals, op=op)
    sheet.node(node, *eqn.outvars)
