"""A program as a graph: one node per equation, clusters for equations that hold programs, diamonds for branches.

In: a Jaxpr. Out: a `Graph`, nothing folded. An equation is titled as in the printed Jaxpr (`c = mul a 2.0`), so that
picture and text can be read side by side; small constants stand in the title. One walk over the equations; the only
recursion is over the nesting of bodies.
"""

from __future__ import annotations

from ..ir import ClosedJaxpr, Eqn, Jaxpr, Var, guard, sub_jaxprs
from ..ir.effects import GUARD
from ..structured.checkpoint import name as label
from .branches import draw_guard, echoes
from .graph import Graph, Node, cut
from .sheet import FAMILY_OF, Sheet, aval_lines, param_lines, place_of
from .structured import draw_structured

__all__ = ["draw_body", "draw_inputs", "draw_outputs", "graph_of"]


def graph_of(program: Jaxpr | ClosedJaxpr, name: str = "") -> Graph:
    """The graph of a program.

    Args:
        program: any Jaxpr, with or without guards and sub-Jaxprs.
        name: what to call it; default: the name of the traced function.

    Returns:
        A graph with one node per equation, in program order.

    Example:
        >>> import minijax
        >>> [node.title for node in graph_of(minijax.make_jaxpr(lambda x: x * x + 1.0)(2.0)).nodes]
        ['x', 'b = mul a a', 'c = add b 1.0', 'result']
    """
    sheet = Sheet()
    jaxpr = sheet.open(program, "", "")
    draw_inputs(sheet, jaxpr)
    draw_body(sheet, jaxpr, "e", "")
    draw_outputs(sheet, jaxpr)
    return sheet.graph(name or jaxpr.names.function or "program")


def draw_inputs(sheet: Sheet, jaxpr: Jaxpr, prefix: str = "v", cluster: str = "") -> None:
    """The inputs, under the names of the arguments."""
    given = jaxpr.names.arg_names
    for index, var in enumerate(jaxpr.invars):
        title = cut(given[index]) if index < len(given) else f"argument {index}"
        node = Node(f"{prefix}{index}", "input", title, (sheet.typed(var),), cluster=cluster, avals=(var.aval,))
        sheet.node(node, var)


def draw_outputs(sheet: Sheet, jaxpr: Jaxpr, prefix: str = "o", cluster: str = "") -> None:
    """The results, under their paths in the tree that the function returns."""
    paths = jaxpr.names.result_paths
    for index, atom in enumerate(jaxpr.outvars):
        several = f"result[{index}]" if len(jaxpr.outvars) > 1 else "result"
        title = cut(paths[index]) if index < len(paths) and paths[index] else several
        key = f"{prefix}{index}"
        sheet.node(Node(key, "output", title, (cut(sheet.typed(atom)),), cluster=cluster, avals=(atom.aval,)))
        sheet.connect([atom], key)


def draw_body(sheet: Sheet, jaxpr: Jaxpr, prefix: str, cluster: str) -> None:
    """The equations of a program whose inputs are on the sheet."""
    asks = GUARD in jaxpr.effects
    asked_inside = echoes(jaxpr) if asks else {}
    _take_names(sheet, jaxpr)
    for index, eqn in enumerate(jaxpr.eqns):
        key = f"{prefix}{index}"
        if index in asked_inside:
            sheet.hidden.append((key, asked_inside[index]))
        elif eqn.primitive is guard:
            draw_guard(sheet, jaxpr.eqns, index, prefix, cluster)
        elif eqn.primitive is label:
            _draw_label(sheet, eqn, key)
        elif eqn.params and any(True for _ in sub_jaxprs(eqn)):
            draw_structured(sheet, eqn, key, cluster, draw_body)
        else:
            draw_equation(sheet, eqn, key, cluster)
        if asks and eqn.outvars:
            sheet.compute(eqn)


def draw_equation(sheet: Sheet, eqn: Eqn, key: str, cluster: str) -> None:
    """One equation without bodies."""
    outs = ", ".join(map(sheet.name, eqn.outvars))
    operands = " ".join(sheet.operand(x) for x in eqn.invars)
    title = f"{eqn.primitive.name} {operands}".rstrip()
    title = f"{outs} = {title}" if outs else title
    avals = tuple(v.aval for v in eqn.outvars)
    lines = [*param_lines(eqn), *aval_lines(avals)]
    detail = title
    if eqn.source is not None:
        lines.append(place_of(eqn.source))
        detail = f"{title}\n{eqn.source.line_text}" if eqn.source.line_text else title
    family = FAMILY_OF[eqn.primitive.kind]
    node = Node(
        key, "equation", cut(title), tuple(lines), family, cluster, eqn.source, detail, avals, op=eqn.primitive.name
    )
    sheet.node(node, *eqn.outvars)
    sheet.connect(eqn.invars, key)


def _take_names(sheet: Sheet, jaxpr: Jaxpr) -> None:
    """What nothing reads is `_`; what `viz.label` named is called so from the equation on that made it."""
    used = {x for eqn in jaxpr.eqns for x in eqn.invars}
    used.update(jaxpr.outvars)
    for eqn in jaxpr.eqns:
        for var in eqn.outvars:
            if var not in used:
                sheet.names[var] = "_"
        if eqn.primitive is label:
            (named,) = eqn.invars
            sheet.names[eqn.outvars[0]] = eqn.params["name"]
            if type(named) is Var:
                sheet.names[named] = eqn.params["name"]


def _draw_label(sheet: Sheet, eqn: Eqn, key: str) -> None:
    sheet.hidden.append((key, f"the label {eqn.params['name']}"))
    called = sheet.names[eqn.outvars[0]]
    sheet.alias(eqn.outvars[0], eqn.invars[0])
    sheet.names[eqn.outvars[0]] = called
