"""The data model of a traced program: variables, equations, Jaxprs.

A `Jaxpr` is a list of equations in A-normal form: every operand is a variable or a scalar literal, every
variable is defined once, control flow lives in equations whose params hold further Jaxprs. The notation
and the words are JAX's (Bradbury et al. 2018; Frostig et al. 2018, "Compiling machine learning programs
via high-level tracing").

    { lambda ; a:f32[3]. let b:f32[3] = sin a in (b,) }

Everything here is a small immutable record with slots: interpreters read it, none changes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from .avals import ShapedArray
from .effects import NO_EFFECTS, Effect
from .source import Pointers, Source

if TYPE_CHECKING:
    from .primitive import Primitive

__all__ = ["Atom", "ClosedJaxpr", "DebugNames", "Eqn", "Jaxpr", "Literal", "Var", "interned", "sub_jaxprs"]


class Var:
    """A variable: an aval and an identity. Names are given by the printer, by position."""

    __slots__ = ("aval",)

    def __init__(self, aval: ShapedArray) -> None:
        self.aval = aval

    def __repr__(self) -> str:
        return f"Var({self.aval.str_short()})"


class Literal:
    """A scalar constant written into an equation; `value` is a NumPy scalar of `aval.dtype`."""

    __slots__ = ("_value", "aval")

    def __init__(self, value: Any, aval: ShapedArray) -> None:
        self._value = value
        self.aval = aval

    @property
    def value(self) -> Any:
        """The NumPy scalar."""
        return self._value

    def __repr__(self) -> str:
        return f"Literal({self.value}:{self.aval.str_short()})"


_interned: dict[tuple[ShapedArray, bytes], Literal] = {}
_INTERNED_LIMIT = 4096


def interned(literal: Literal) -> Literal:
    """The first literal met of the same type and bits: what makes operations on equal literals the same."""
    if len(_interned) >= _INTERNED_LIMIT:
        _interned.clear()
    return _interned.setdefault((literal.aval, literal._value.tobytes()), literal)


Atom = Var | Literal


class Eqn:
    """One operation: `outvars = primitive[params] invars`, and where in the user's program it came from.

    `place` is a `Source`, or the three pointers of one that nobody has looked at yet.
    """

    __slots__ = ("_place", "effects", "invars", "outvars", "params", "primitive")

    def __init__(
        self,
        primitive: Primitive,
        invars: Sequence[Atom],
        outvars: Sequence[Var],
        params: dict[str, Any],
        place: Source | Pointers | None,
        effects: frozenset[Effect] = NO_EFFECTS,
    ) -> None:
        self.primitive = primitive
        self.invars = invars
        self.outvars = outvars
        self.params = params
        self._place = place
        self.effects = effects

    @property
    def source(self) -> Source | None:
        """Where the equation was recorded; None outside user code."""
        if type(self._place) is tuple:
            self._place = Source(*self._place)
        return self._place  # type: ignore[return-value]

    def derived(self, interpreter: str) -> Source | None:
        """The source of what `interpreter` makes of this equation: the same place, its origin `transpose(jvp(sin))`."""
        place = self._place
        if type(place) is tuple:
            return Source(*place, f"{interpreter}({self.primitive.name})")
        return None if place is None else place.derived(interpreter, self.primitive.name)  # type: ignore[union-attr]

    def replace(self, **changes: Any) -> Eqn:
        """A copy with the given fields (those of the constructor, and `source`) changed."""
        return Eqn(
            changes.get("primitive", self.primitive),
            changes.get("invars", self.invars),
            changes.get("outvars", self.outvars),
            changes.get("params", self.params),
            changes.get("source", self._place),
            changes.get("effects", self.effects),
        )

    def __repr__(self) -> str:
        outs = " ".join(v.aval.str_short() for v in self.outvars)
        return f"Eqn({outs} = {self.primitive.name})"


class DebugNames:
    """What people call things: the traced function, why it was traced, its arguments and results.

    `arg_names` may be given as a function: signatures are only looked at when somebody reads the names.
    """

    __slots__ = ("_arg_names", "function", "result_paths", "traced_for")

    def __init__(
        self,
        function: str = "",
        traced_for: str = "",
        arg_names: Sequence[str] | Callable[[], Sequence[str]] = (),
        result_paths: Sequence[str] = (),
    ) -> None:
        self.function = function
        self.traced_for = traced_for
        self._arg_names = arg_names
        self.result_paths = tuple(result_paths)

    @property
    def arg_names(self) -> tuple[str, ...]:
        """Names of the inputs: `params['w']`, `x`; may be fewer than there are inputs."""
        if callable(self._arg_names):
            self._arg_names = self._arg_names()
        return tuple(self._arg_names)


NO_NAMES = DebugNames()


class Jaxpr:
    """A program. `constvars` are bound to constants kept in the enclosing `ClosedJaxpr`."""

    __slots__ = ("__weakref__", "_last_uses", "constvars", "effects", "eqns", "invars", "names", "outvars")

    def __init__(
        self,
        constvars: Sequence[Var],
        invars: Sequence[Var],
        eqns: Sequence[Eqn],
        outvars: Sequence[Atom],
        names: DebugNames = NO_NAMES,
        effects: frozenset[Effect] | None = None,
    ) -> None:
        self.constvars = tuple(constvars)
        self.invars = tuple(invars)
        self.eqns = tuple(eqns)
        self.outvars = tuple(outvars)
        self.names = names
        self.effects = effects_of(self.eqns) if effects is None else effects
        self._last_uses: list[tuple[Var, ...]] | None = None

    @property
    def last_uses(self) -> list[tuple[Var, ...]]:
        """For each equation, the variables that nothing after it reads: what an interpreter may free."""
        if self._last_uses is None:
            seen: set[Atom] = set(self.outvars)
            uses: list[tuple[Var, ...]] = []
            for eqn in reversed(self.eqns):
                done = []
                for atom in (*eqn.invars, *eqn.outvars):
                    if type(atom) is Var and atom not in seen:
                        seen.add(atom)
                        done.append(atom)
                uses.append(tuple(done))
            uses.reverse()
            self._last_uses = uses
        return self._last_uses

    @property
    def in_avals(self) -> tuple[ShapedArray, ...]:
        """Avals of `invars`."""
        return tuple(v.aval for v in self.invars)

    @property
    def out_avals(self) -> tuple[ShapedArray, ...]:
        """Avals of `outvars`."""
        return tuple(v.aval for v in self.outvars)

    def replace(self, **changes: Any) -> Jaxpr:
        """A copy with the given fields changed (`effects` is worked out again unless given)."""
        fields = {
            name: changes.get(name, getattr(self, name))
            for name in ("constvars", "invars", "eqns", "outvars", "names")
        }
        return Jaxpr(**fields, effects=changes.get("effects"))

    def __str__(self) -> str:
        from .printer import print_jaxpr  # the printer reads Jaxprs; only showing one needs it

        return print_jaxpr(self)

    __repr__ = __str__


class ClosedJaxpr:
    """A Jaxpr and the values of its constvars: a program that can run.

    Args:
        jaxpr, consts: the two.
        recurs: whether tracing the same again gives this very object (`Trace.body`), so that an equation that holds it can
            be recognised too.
    """

    __slots__ = ("__weakref__", "consts", "jaxpr", "recurs")

    def __init__(self, jaxpr: Jaxpr, consts: Sequence[Any], recurs: bool = False) -> None:
        self.jaxpr = jaxpr
        self.consts = tuple(consts)
        self.recurs = recurs

    @property
    def in_avals(self) -> tuple[ShapedArray, ...]:
        """Avals of the inputs."""
        return self.jaxpr.in_avals

    @property
    def out_avals(self) -> tuple[ShapedArray, ...]:
        """Avals of the outputs."""
        return self.jaxpr.out_avals

    @property
    def eqns(self) -> tuple[Eqn, ...]:
        """The equations."""
        return self.jaxpr.eqns

    @property
    def effects(self) -> frozenset[Effect]:
        """The union of the equations' effects."""
        return self.jaxpr.effects

    def __str__(self) -> str:
        return str(self.jaxpr)

    __repr__ = __str__


def effects_of(eqns: Sequence[Eqn]) -> frozenset[Effect]:
    """The union of the effects of `eqns`."""
    found: frozenset[Effect] = NO_EFFECTS
    for eqn in eqns:
        if eqn.effects:
            found = found | eqn.effects
    return found


def sub_jaxprs(eqn: Eqn) -> Iterator[tuple[str, ClosedJaxpr]]:
    """The Jaxprs inside an equation: pairs (param name, ClosedJaxpr), branches in order."""
    for name, value in eqn.params.items():
        if isinstance(value, ClosedJaxpr):
            yield name, value
        elif isinstance(value, tuple):
            for item in value:
                if isinstance(item, ClosedJaxpr):
                    yield name, item
