"""The sheet that a program is drawn on: what is there so far, what each variable is called and where it comes from.

In: the parts that `build`, `structured`, `branches` and `grad_pair` add. Out: a `Graph`. Variables are named as the
printer names them (a, b, c, ...); an inlined body gets fresh names at each call, because a body that is called twice
is one object whose variables mean something else at the second call.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np

from ..array import Array
from ..ir import Atom, ClosedJaxpr, Eqn, Jaxpr, Kind, Literal, ShapedArray, Source, Var
from ..ir.branches import Branch
from ..ir.printer import format_literal, format_param, variable_name
from .graph import Cluster, Edge, Graph, Node, cut

__all__ = ["FAMILY_OF", "Sheet", "aval_lines", "param_lines", "place_of"]

FAMILY_OF = {
    Kind.UNARY: "elementwise",
    Kind.BINARY: "elementwise",
    Kind.ELEMENTWISE: "elementwise",
    Kind.REDUCTION: "reduction",
    Kind.CONTRACTION: "contraction",
    Kind.LIBRARY: "contraction",
    Kind.MOVEMENT: "movement",
    Kind.INDEXING: "movement",
    Kind.STRUCTURED: "structured",
    Kind.RANDOM: "effect",
    Kind.COLLECTIVE: "effect",
    Kind.EFFECT: "effect",
}
# Parameters that the avals, the title or the clusters say already.
_IMPLIED = frozenset(
    {
        "shape",
        "new_dtype",
        "dtype",
        "preferred_element_type",
        "weak_type",
        "name",
        "num_captured",
        "num_consts",
        "num_carry",
        "cond_nconsts",
        "body_nconsts",
        "checkpoint_every",
        "unroll",
    }
)
_SMALL = 3  # constants of at most so many elements are written into the equation
_RESERVED = ("in", "let")


class Sheet:
    """Parts of a graph being built, and three tables about variables.

    Attributes:
        producers: id of the node that a variable comes from.
        texts: what to write instead of a name: the number that a small constant is.
        names: of variables.
        numbers: equal for variables that are known to hold the same value.
        asked, shown: questions of guards, and arms whose text is on the sheet.
        runs: pairs (arm, first equation of it), made edges at the end if the equation is drawn.
    """

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.edges: dict[tuple[str, str, str], Edge] = {}
        self.clusters: list[Cluster] = []
        self.branches: list[tuple[str, Branch]] = []
        self.hidden: list[tuple[str, str]] = []
        self.notes: list[str] = []
        self.producers: dict[Var, str] = {}
        self.texts: dict[Var, str] = {}
        self.names: dict[Var, str] = {}
        self.numbers: dict[Var, Any] = {}
        self.asked: set[Any] = set()
        self.shown: set[Any] = set()
        self.runs: list[tuple[str, str]] = []
        self._rounds: dict[Any, int] = {}
        self._count = 0
        self._computed: dict[Hashable, Any] = {}

    def graph(self, name: str) -> Graph:
        """What is on the sheet. Frames around nothing are left out."""
        drawn = {node.id for node in self.nodes}  # calls have no node of their own
        for tail, head in self.runs:
            if head in drawn:
                self.edge(tail, head, "runs")
        used: set[str] = set()
        parents = {cluster.id: cluster.parent for cluster in self.clusters}
        for node in self.nodes:
            here = node.cluster
            while here and here not in used:
                used.add(here)
                here = parents[here]
        return Graph(
            name,
            tuple(self.nodes),
            tuple(self.edges.values()),
            tuple(c for c in self.clusters if c.id in used),
            tuple(self.branches),
            tuple(self.notes),
            tuple(self.hidden),
        )

    # -- parts

    def node(self, node: Node, *outvars: Var) -> None:
        """Add a node; `outvars` come from it."""
        self.nodes.append(node)
        for var in outvars:
            self.producers[var] = node.id

    def edge(self, tail: str, head: str, kind: str = "data", label: str = "") -> None:
        """Add an edge, unless there is one of its kind."""
        self.edges.setdefault((tail, head, kind), Edge(tail, head, kind, label))

    def connect(self, atoms: Iterable[Atom], head: str, kind: str = "data") -> None:
        """An edge from each of the nodes that `atoms` come from."""
        for atom in atoms:
            if type(atom) is Var and atom in self.producers:
                self.edge(self.producers[atom], head, kind)

    def round(self, site: Any, *, ended: bool) -> int:
        """How often the loop at `site` has been at its test, since it was entered."""
        number = self._rounds.get(site, 0) + 1
        self._rounds[site] = 0 if ended else number
        return number

    # -- variables

    def open(self, program: Jaxpr | ClosedJaxpr, prefix: str, cluster: str) -> Jaxpr:
        """Name the inputs of a program (not those that stand for others) and place its constants."""
        jaxpr = program.jaxpr if isinstance(program, ClosedJaxpr) else program
        for var in (*jaxpr.constvars, *jaxpr.invars):
            self.name(var)
        consts = program.consts if isinstance(program, ClosedJaxpr) else [None] * len(jaxpr.constvars)
        for index, (var, value) in enumerate(zip(jaxpr.constvars, consts, strict=True)):
            if type(value) is Array and value.size <= _SMALL:
                self.texts[var] = number_text(np.asarray(value)[()], value.aval)
            else:
                key = f"k{prefix}{index}"
                lines = (var.aval.str_short(),)
                self.node(
                    Node(key, "const", f"constant {self.names[var]}", lines, cluster=cluster, avals=(var.aval,)), var
                )
        return jaxpr

    def forget(self, variables: Iterable[Var]) -> None:
        """Drop what is known about variables: those of a body that is drawn once more."""
        for var in variables:
            for table in (self.producers, self.texts, self.names, self.numbers):
                table.pop(var, None)  # type: ignore[attr-defined]

    def name(self, var: Var) -> str:
        """What a variable is called; it gets the next name if it has none."""
        found = self.names.get(var)
        if found is None:
            found = self.names[var] = self.fresh_name()
        return found

    def fresh_name(self) -> str:
        """The next variable name."""
        name = variable_name(self._count)
        self._count += 1
        return name if name not in _RESERVED else self.fresh_name()

    def alias(self, var: Var, atom: Atom) -> None:
        """Let `var` stand for `atom`."""
        if type(atom) is Literal:
            self.texts[var] = self.operand(atom)
            self.numbers[var] = self.number(atom)
            return
        assert type(atom) is Var
        for table in (self.producers, self.texts, self.names, self.numbers):
            if atom in table:
                table[var] = table[atom]  # type: ignore[index]

    def operand(self, atom: Atom) -> str:
        """What to write for an operand: a number, or the name of a variable."""
        if type(atom) is Literal:
            return number_text(atom.value, atom.aval)
        assert type(atom) is Var
        return self.texts.get(atom) or self.names[atom]

    def typed(self, atom: Atom) -> str:
        """`a:f32[3]`."""
        return f"{self.operand(atom)}:{atom.aval.str_short()}"

    def number(self, atom: Atom) -> Any:
        """Equal for atoms that hold the same value."""
        if type(atom) is Literal:
            return self.operand(atom)
        return self.numbers.get(atom, id(atom))  # type: ignore[arg-type]

    def compute(self, eqn: Eqn) -> None:
        """Number the results of an equation: the same operation on the same values gives the same numbers."""
        try:
            key = (eqn.primitive.name, tuple(self.number(x) for x in eqn.invars), tuple(sorted(eqn.params.items())))
            first = self._computed.setdefault(key, eqn.outvars)
        except TypeError:  # a parameter without hash or order
            return
        for var, known in zip(eqn.outvars, first, strict=True):
            self.numbers[var] = self.numbers.get(known, id(known))


# --- texts ----------------------------------------------------------------------------------------------------


def number_text(value: Any, aval: ShapedArray) -> str:
    """A constant without its dtype: `2.0`, `[1.0, 2.0]`."""
    if aval.shape:
        items = ", ".join(number_text(x, ShapedArray(aval.shape[1:], aval.dtype)) for x in value)
        return f"[{items}]"
    return format_literal(Literal(value, aval)).rpartition(":")[0]


def param_lines(eqn: Eqn) -> list[str]:
    """The parameters that shapes and title do not imply, at most two lines."""
    shown = [cut(_param_text(eqn, name, value)) for name, value in sorted(eqn.params.items()) if _tells(name, value)]
    return shown[:2] + (["\u2026"] if len(shown) > 2 else [])


def _param_text(eqn: Eqn, name: str, value: Any) -> str:
    if eqn.primitive.name == "dot_general" and name == "dimension_numbers":
        (lhs, rhs), (lhs_batch, rhs_batch) = value
        batch = f", batch {_axes(lhs_batch)}, {_axes(rhs_batch)}" if lhs_batch else ""
        return f"axes {_axes(lhs)} with {_axes(rhs)}{batch}" if lhs else f"outer product{batch}"
    return f"{name}={format_param(value)}"


def _axes(axes: Sequence[int]) -> str:
    return " ".join(map(str, axes))


def _tells(name: str, value: Any) -> bool:
    if name in _IMPLIED or value is None or value is False or value == () or callable(value):
        return False
    if isinstance(value, tuple) and any(isinstance(x, ClosedJaxpr) or callable(x) for x in value):
        return False
    return not isinstance(value, ClosedJaxpr)


def aval_lines(avals: Sequence[ShapedArray]) -> list[str]:
    """The types of the results on one line; more than three are counted."""
    texts = [aval.str_short() for aval in avals]
    return (
        [cut(", ".join(texts if len(texts) <= 3 else [*texts[:2], f"\u2026 ({len(texts)} results)"]))]
        if texts
        else []
    )


def place_of(source: Source) -> str:
    """`model.py:12`, `In[3]:12`."""
    return source.place.replace(chr(92), "/").rpartition("/")[2]
