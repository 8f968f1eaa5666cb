"""Pytrees: order of leaves, structures, key paths, registration, prefixes; what does not match is named."""

from __future__ import annotations

import collections
import dataclasses
import functools
import pickle
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from minijax import tree
from minijax.tree import (
    DictKey,
    FlattenedIndexKey,
    GetAttrKey,
    Partial,
    PyTreeDef,
    SequenceKey,
    all_leaves,
    build_tree,
    flatten_one_level,
    flatten_one_level_with_keys,
    flatten_prefix,
    keystr,
    leaf_names,
    register_dataclass,
    register_pytree_node,
    register_pytree_node_class,
    register_pytree_with_keys,
    register_pytree_with_keys_class,
    register_static,
    tree_all,
    tree_broadcast,
    tree_flatten,
    tree_flatten_with_path,
    tree_leaves,
    tree_leaves_with_path,
    tree_map,
    tree_map_with_path,
    tree_reduce,
    tree_reduce_associative,
    tree_structure,
    tree_transpose,
    tree_unflatten,
    treedef_children,
    treedef_is_leaf,
    treedef_tuple,
)


class Point(NamedTuple):
    x: Any
    y: Any


@register_dataclass
@dataclasses.dataclass
class Layer:
    w: Any
    b: Any
    name: str = dataclasses.field(metadata={"static": True}, default="dense")


@dataclasses.dataclass
class Plain:
    a: Any


class Pair:
    def __init__(self, *children):
        self.children = children

    def __eq__(self, other):
        return type(other) is Pair and self.children == other.children

    __hash__ = None


register_pytree_node(Pair, lambda p: (p.children, "aux"), lambda aux, children: Pair(*children))


class Named:
    def __init__(self, u, v):
        self.u, self.v = u, v


register_pytree_with_keys(
    Named, lambda n: (((GetAttrKey("u"), n.u), (DictKey("v"), n.v)), None), lambda _, xs: Named(*xs)
)


@register_static
@dataclasses.dataclass(frozen=True)
class Setting:
    value: int


ordered = collections.OrderedDict
scalars = st.integers(0, 99) | st.floats(-1, 1)
trees = st.recursive(
    scalars | st.none(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text("abc", max_size=2), inner, max_size=3)
        | st.builds(Point, inner, inner)
        | st.builds(Pair, inner, inner)
        | st.dictionaries(st.text("abc", max_size=1), inner, max_size=2).map(ordered)
    ),
    max_leaves=12,
)
claims = settings(max_examples=150, deadline=None, derandomize=True)


def follow(x, path):
    """What a key path leads to."""
    for key in path:
        if isinstance(key, DictKey):
            x = x[key.key]
        elif isinstance(key, SequenceKey):
            x = x[key.idx]
        elif isinstance(key, GetAttrKey):
            x = getattr(x, key.name)
        else:
            x = x.children[key.key]
    return x


def paths(x, **options):
    return [keystr(path, **options) for path, _ in tree_leaves_with_path(x)]


@given(trees)
@claims
def test_a_tree_is_its_structure_and_its_leaves(x):
    leaves, structure = tree_flatten(x)
    assert tree_unflatten(structure, leaves) == x
    assert tree_unflatten(structure, iter(leaves)) == x
    assert len(leaves) == structure.num_leaves
    assert leaves == tree_leaves(x) == tree_map(lambda leaf: leaf, leaves)
    assert structure == tree_structure(x)


@given(trees)
@claims
def test_a_key_path_leads_to_its_leaf(x):
    pairs, structure = tree_flatten_with_path(x)
    assert [leaf for _, leaf in pairs] == tree_leaves(x)
    assert structure == tree_structure(x)
    for path, leaf in pairs:
        assert follow(x, path) is leaf
    assert len({keystr(path) for path, _ in pairs}) == len(pairs)


@given(trees, trees)
@claims
def test_structures_are_equal_when_they_unflatten_alike(x, y):
    a, b = tree_structure(x), tree_structure(tree_map(lambda leaf: str(leaf), x))
    assert a == b
    assert hash(a) == hash(b)
    if tree_structure(y) == a:
        assert tree_unflatten(a, tree_leaves(y)) == y


@given(trees)
@claims
def test_a_prefix_is_repeated_over_the_leaves_below_it(x):
    names = tree_map(str, x)
    whole = tree_leaves(names)
    assert flatten_prefix(7, x) == [7] * len(whole)
    assert flatten_prefix((7, None), (x, x)) == [7] * len(whole) + [None] * len(whole)
    assert flatten_prefix((7, None), tree_structure((x, x))) == flatten_prefix((7, None), (x, x))
    assert tree_broadcast(7, x) == tree_map(lambda _: 7, x)


@pytest.mark.parametrize(
    ("x", "leaves"),
    [
        ({"b": 1, "a": (2, None)}, [2, 1]),
        (None, []),
        ((), []),
        (5, [5]),
        (ordered([("b", 1), ("a", 2)]), [1, 2]),
        (collections.defaultdict(list, {"b": 1, "a": 2}), [2, 1]),
        (Point((1, 2), 3), [1, 2, 3]),
        (Layer(1, 2, "out"), [1, 2]),
        (Pair(1, Pair(2)), [1, 2]),
        ((Setting(3), 1), [1]),
    ],
)
def test_the_order_of_leaves(x, leaves):
    assert tree_leaves(x) == leaves


def test_what_is_not_registered_is_a_leaf():
    plain, array = Plain(1), np.ones(2)
    assert tree_leaves([plain, array, "text"]) == [plain, array, "text"]


def test_containers_keep_their_types():
    x = (ordered(b=1, a=2), collections.defaultdict(list, a=3), Point(4, 5), Layer(6, 7, "out"))
    y = tree_map(lambda leaf: leaf * 10, x)
    assert [type(a) for a in y] == [type(a) for a in x]
    assert list(y[0]) == ["b", "a"]
    assert y[1].default_factory is list
    assert y[2] == Point(40, 50)
    assert y[3] == Layer(60, 70, "out")


def test_is_leaf_stops_the_descent():
    x = (1, (2, 3), None)
    pair = lambda y: isinstance(y, tuple) and len(y) == 2
    assert tree_leaves(x, is_leaf=pair) == [1, (2, 3)]
    assert tree_leaves(x, is_leaf=lambda y: y is None) == [1, 2, 3, None]
    assert tree_structure((2, 3), is_leaf=pair) == tree_structure(0)
    assert tree_map(len, x[1:2], is_leaf=pair) == (2,)
    assert tree_reduce(lambda a, b: a + len(b), [(1, 2)], 0, is_leaf=pair) == 2
    assert not tree_all([()], is_leaf=lambda y: y == ())
    assert tree_map_with_path(lambda p, y: (keystr(p), y), x, is_leaf=pair) == (("[0]", 1), ("[1]", (2, 3)), None)
    assert tree_flatten((2, 3))[0] == [2, 3]  # what is_leaf said about one call is not remembered


def test_a_type_that_was_a_leaf_can_be_registered_later():
    class Late:
        def __init__(self, inner):
            self.inner = inner

    x = Late(1)
    assert tree_leaves(x) == tree_leaves((x,)) == [x]
    register_pytree_node(Late, lambda late: ((late.inner,), None), lambda _, xs: Late(*xs))
    assert tree_leaves(x) == tree_leaves((x,)) == [1]


@pytest.mark.parametrize(
    ("x", "text"),
    [
        ((1, {"a": 2}), "PyTreeDef((*, {'a': *}))"),
        (1, "PyTreeDef(*)"),
        ((1,), "PyTreeDef((*,))"),
        ((1, 2), "PyTreeDef((*, *))"),
        (None, "PyTreeDef(None)"),
        ({}, "PyTreeDef({})"),
        ({"b": [1], "a)": ()}, "PyTreeDef({'a)': (), 'b': [*]})"),
        (Pair(1, (2,)), "PyTreeDef(CustomNode(Pair['aux'], [*, (*,)]))"),
        ((Setting(3),), "PyTreeDef((CustomNode(Setting[Setting(value=3)], []),))"),
    ],
)
def test_structures_print_as_jax_prints_them(x, text):
    assert repr(tree_structure(x)) == text


def test_structures_tell_containers_and_static_data_apart():
    different = [
        (1, 2),
        [1, 2],
        {"a": 1, "b": 2},
        Point(1, 2),
        (1, (2,)),
        (1, 2, None),
        Layer(1, 2),
        Layer(1, 2, "out"),
        1,
        None,
    ]
    different += [(1, Setting(1)), (1, Setting(2))]
    structures = [tree_structure(x) for x in different]
    assert all((a == b) == (i == j) for i, a in enumerate(structures) for j, b in enumerate(structures))
    assert len(set(structures)) == len(different)
    assert structures[0] != "PyTreeDef((*, *))"


def test_structures_take_apart_and_put_together():
    structure = tree_structure((1, [2, 3]))
    assert treedef_children(structure) == [tree_structure(1), tree_structure([2, 3])]
    assert treedef_tuple(treedef_children(structure)) == structure
    assert treedef_tuple([]) == tree_structure(())
    assert treedef_tuple([tree_structure(1)] * 2) == tree_structure((1, 2))
    assert structure.compose(tree_structure((1, 2))) == tree_structure(((1, 2), [(1, 2), (1, 2)]))
    assert [treedef_is_leaf(tree_structure(x)) for x in (1, None, (1,))] == [True, True, False]
    assert [tree_structure(x).is_leaf() for x in (1, None, (1,), ((),))] == [True, False, False, False]
    assert structure.flatten_up_to((1, [(2,), 3])) == [1, (2,), 3]
    assert (structure.num_leaves, structure.num_nodes) == (3, 5)
    assert isinstance(structure, PyTreeDef)
    assert pickle.loads(pickle.dumps(structure)) == structure
    assert build_tree(tree_structure({"a": (1, 2), "b": [3]}), [(10, 20), [30]]) == {"a": (10, 20), "b": [30]}


@pytest.mark.parametrize("x", [1, (1, 2), {"a": 1, "b": [2]}])
def test_the_number_of_leaves_must_be_right(x):
    leaves, structure = tree_flatten(x)
    with pytest.raises(ValueError, match="Too few leaves for PyTreeDef"):
        tree_unflatten(structure, leaves[:-1])
    with pytest.raises(ValueError, match="Too many leaves for PyTreeDef"):
        tree_unflatten(structure, [*leaves, 0])


def test_long_and_deep_trees():
    long = tuple(range(1000))
    assert tree_flatten(long)[0] == list(long)
    assert tree_unflatten(tree_structure(long), long) == long
    deep: Any = 0
    for _ in range(200):
        deep = [deep]
    assert tree_leaves(deep) == [0]
    with pytest.raises(ValueError, match=r"key path (\[0\]){199}: a list of 1 and a tuple of 0"):
        tree_map(lambda a, b: a, deep, tree_unflatten(tree_structure(deep), [()])[0])


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        ({"a": [1, Point(2, 3)], "b": Layer(4, 5)}, ["['a'][0]", "['a'][1].x", "['a'][1].y", "['b'].w", "['b'].b"]),
        (Pair(1, Pair(2)), ["[<flat index 0>]", "[<flat index 1>][<flat index 0>]"]),
        (Named(1, (2,)), [".u", "['v'][0]"]),
        ({1: 2, 3: 4}, ["[1]", "[3]"]),
        (ordered(b=1, a=2), ["['b']", "['a']"]),
        (5, [""]),
    ],
)
def test_key_paths_read_like_python(x, expected):
    assert paths(x) == expected


def test_simple_key_paths_are_names_with_separators():
    x = {"a": [1, Point(2, 3)], "b": Pair(4)}
    assert paths(x, simple=True, separator="/") == ["a/0", "a/1/x", "a/1/y", "b/0"]
    assert paths({"a": [1]}, separator="/") == ["['a']/[0]"]


def test_keys_are_values():
    keys = [DictKey(0), SequenceKey(0), GetAttrKey("0"), FlattenedIndexKey(0)]
    assert [str(k) for k in keys] == ["[0]", "[0]", ".0", "[<flat index 0>]"]
    assert repr(keys[:2]) == "[DictKey(key=0), SequenceKey(idx=0)]"
    assert len({*keys, DictKey(0)}) == 4


@pytest.mark.parametrize(
    ("x", "y", "place", "first", "second"),
    [
        ((1, 2), (1,), "(root)", "tuple of 2", "tuple of 1"),
        ({"a": {"c": (1, 2)}}, {"a": {"c": (1, 2, 3)}}, "['a']['c']", "tuple of 2", "tuple of 3"),
        ({"a": (1, 2)}, {"a": [1, 2]}, "['a']", "tuple", "list"),
        ({"a": 1}, {"b": 1}, "(root)", "keys ['a']", "keys ['b']"),
        ((1, None), (2, 3), "[1]", "None", "int"),
        ([0, Point(1, (2,))], [0, Point(1, 2)], "[1].y", "tuple of 1", "int"),
        ((0, Layer(1, 2, "a")), (0, Layer(1, 2, "b")), "[1]", "Layer", "Layer"),
    ],
)
@pytest.mark.parametrize("how", [tree_map, tree_map_with_path])
def test_trees_that_do_not_match_are_named_with_the_place(how, x, y, place, first, second):
    with pytest.raises(ValueError) as caught:
        how(lambda *_: 0, x, y)
    message = str(caught.value)
    assert how.__name__ in message
    assert f"at key path {place}: " in message
    after = message.split(f"{place}: ")[1]
    assert after.index(first) <= after.rindex(second)


def test_other_trees_may_be_deeper():
    assert tree_map(lambda a, b: (a, b), (1, 2), ([3], {"c": 4})) == ((1, [3]), (2, {"c": 4}))
    assert tree_map(lambda a, b: (a, b), (1, None), (2, None)) == ((1, 2), None)


def test_folds():
    assert tree_reduce(lambda a, b: a + b, (1, {"a": 2})) == 3
    assert tree_reduce(lambda a, b: (a, b), (1, 2), None) == ((None, 1), 2)
    with pytest.raises(TypeError, match="empty"):
        tree_reduce(lambda a, b: a, ())
    assert tree_reduce_associative(lambda a, b: f"({a}{b})", list("abcde")) == "((ab)(c(de)))"
    assert tree_reduce_associative(max, [], identity=7) == 7
    with pytest.raises(TypeError, match="Must specify identity"):
        tree_reduce_associative(max, [])
    assert tree_all((True, 1, []))
    assert not tree_all([True, {"a": False}])


@pytest.mark.parametrize("inner", [tree_structure({"a": 0, "b": 0}), None])
def test_transposition_turns_trees_inside_out(inner):
    rows = [{"a": 1, "b": 2}, {"a": 3, "b": 4}, {"a": 5, "b": 6}]
    turned = tree_transpose(tree_structure([0, 0, 0]), inner, rows)
    assert turned == {"a": [1, 3, 5], "b": [2, 4, 6]}
    assert tree_transpose(tree_structure({"a": 0, "b": 0}), tree_structure([0, 0, 0]), turned) == rows
    with pytest.raises(TypeError, match="Mismatch"):
        tree_transpose(tree_structure([0, 0]), inner, [{"a": 1, "b": 2}, {"a": 3, "b": (4, 5)}])


def test_broadcasting_a_prefix():
    assert tree_broadcast({"a": 1, "b": (2, 3)}, {"a": (5, 6), "b": (1, [2, 3])}) == {"a": (1, 1), "b": (2, [3, 3])}
    assert tree_broadcast({"a": 1}, {"a": (5, None)}) == {"a": (1, None)}
    assert tree_broadcast({"a": None}, {"a": (1, 2)}, is_leaf=lambda x: x is None) == {"a": (None, None)}
    with pytest.raises(ValueError, match="tree_broadcast"):
        tree_broadcast((1, 2), (1, 2, 3))


def test_prefixes_like_in_axes():
    assert flatten_prefix((0, {"a": None}), (1.0, {"a": (2.0, 3.0)})) == [0, None, None]
    assert flatten_prefix({"a": 0, "b": 1}, {"b": [1, 2], "a": 3}) == [0, 1, 1]
    assert flatten_prefix((0, None), (1, None)) == [0]
    assert flatten_prefix((0,), ((1, (2, 3)),), is_leaf=lambda x: x == (2, 3)) == [0, 0]


@pytest.mark.parametrize(
    ("prefix", "full", "place"),
    [((0, 1, 2), (1, 2), "(root)"), (({"a": 0},), ({"b": 1},), "[0]"), (((0, (1,)),), ((1, 2),), "[0][1]")],
)
def test_what_is_no_prefix_is_named_with_both_structures(prefix, full, place):
    with pytest.raises(ValueError, match="must be a tree prefix of the corresponding value") as caught:
        flatten_prefix(prefix, full)
    assert repr(prefix) in str(caught.value)
    assert repr(tree_structure(full)) in str(caught.value)
    assert f"at key path {place}: " in str(caught.value)


def test_leaves_of_arguments_have_names():
    params = {"w": 1.0, "b": [2.0, Point(3.0, 4.0)]}
    assert leaf_names((params, 5.0), {"rate": 0.1, "mask": (1, None)}, ("params", "x")) == [
        "params['b'][0]",
        "params['b'][1].x",
        "params['b'][1].y",
        "params['w']",
        "x",
        "mask[0]",
        "rate",
    ]
    assert leaf_names((np.ones(2), None), {}, ("x", "y")) == ["x"]


def test_one_level():
    assert flatten_one_level({"b": (1, 2), "a": None})[0] == [None, (1, 2)]
    assert flatten_one_level_with_keys({"b": (1, 2), "a": None})[0] == [(DictKey("a"), None), (DictKey("b"), (1, 2))]
    assert flatten_one_level_with_keys(Point((), [1]))[0] == [(GetAttrKey("x"), ()), (GetAttrKey("y"), [1])]
    assert flatten_one_level(Pair(1, (2,)))[1] == "aux"
    assert flatten_one_level(None)[0] == flatten_one_level_with_keys(())[0] == []
    with pytest.raises(ValueError, match="leaf"):
        flatten_one_level(1)


def test_all_leaves():
    assert all_leaves([1, "a", np.ones(2)])
    assert not all_leaves([1, (2,)])
    assert not all_leaves([None])


def test_classes_with_their_own_methods():
    @register_pytree_node_class
    class Box:
        def __init__(self, inner):
            self.inner = inner

        def tree_flatten(self):
            return (self.inner,), "aux"

        @classmethod
        def tree_unflatten(cls, aux, children):
            assert aux == "aux"
            return cls(*children)

    @register_pytree_with_keys_class
    class KeyedBox(Box):
        def tree_flatten_with_keys(self):
            return ((DictKey("inner"), self.inner),), "aux"

    assert tree_map(lambda x: x + 1, Box((1, 2))).inner == (2, 3)
    assert paths(Box((1, 2))) == ["[<flat index 0>][0]", "[<flat index 0>][1]"]
    assert paths(KeyedBox((1, 2))) == ["['inner'][0]", "['inner'][1]"]
    assert tree_map(lambda x: x + 1, KeyedBox(1)).inner == 2


@pytest.mark.parametrize("cls", [Pair, dict, tuple])
def test_a_class_is_registered_once(cls):
    with pytest.raises(ValueError, match="Duplicate custom PyTreeDef type registration"):
        register_pytree_node(cls, lambda x: ((), None), lambda _, xs: None)


def test_dataclasses_choose_their_fields():
    fields = {"data_fields": ["a"], "meta_fields": ["b"]}
    cls = register_dataclass(dataclasses.make_dataclass("Some", ["a", "b"]), **fields)
    assert paths(cls(1, 2)) == [".a"]
    assert tree_structure(cls(1, 2)) != tree_structure(cls(1, 3))
    dropped = dataclasses.make_dataclass("Dropped", ["a", ("b", int, 5)])
    register_dataclass(dropped, ["a"], [], drop_fields=["b"])
    assert tree_map(lambda x: x, dropped(1, 2)) == dropped(1, 5)

    class Other:
        def __init__(self, a, b):
            self.a, self.b = a, b

    register_dataclass(Other, **fields)
    assert tree_leaves(Other((1, 2), 3)) == [1, 2]


@pytest.mark.parametrize(
    ("cls", "lists", "error", "match"),
    [
        (int, {}, TypeError, "no dataclass"),
        (None, {"data_fields": ["a"]}, TypeError, "both lists"),
        (None, {"data_fields": ["a"], "meta_fields": []}, ValueError, r"Missing fields: \['b'\]"),
        (None, {"data_fields": ["a", "b", "c"], "meta_fields": []}, ValueError, r"Unexpected fields: \['c'\]"),
    ],
)
def test_a_dataclass_must_name_all_its_fields(cls, lists, error, match):
    with pytest.raises(error, match=match):
        register_dataclass(cls or dataclasses.make_dataclass("Bad", ["a", "b"]), **lists)


def test_partial_is_a_container_of_its_arguments():
    f = Partial(pow, 2, mod=5)
    assert tree_leaves(f) == [2, 5]
    assert tree_map(lambda x: x + 1, f)(4) == pow(3, 4, 6)
    assert tree_structure(f) == tree_structure(Partial(pow, 3, mod=7)) != tree_structure(Partial(print, 3, mod=7))
    g = Partial(functools.partial(pow, 2), 3)  # what is inside is opaque
    assert tree_leaves(g) == [3]
    assert g() == tree_map(lambda x: x, g)() == 8


def test_the_short_names():
    assert tree.map(lambda x: x * 2, {"a": 1}) == {"a": 2}
    assert tree.unflatten(tree.structure([1]), tree.leaves([3])) == tree.flatten([3])[0]
    assert tree.reduce(max, [1, 2]) == tree.reduce_associative(max, [1, 2]) == 2
    assert tree.map_with_path(lambda path, x: keystr(path), [1]) == ["[0]"]
    assert tree.flatten_with_path([1])[0] == tree.leaves_with_path([1])
    assert tree.broadcast(1, [1, 2]) == [1, 1]
    assert tree.transpose(tree.structure([0]), tree.structure((0,)), [(1,)]) == ([1],)
    assert tree.all([1])

    @register_dataclass
    @dataclasses.dataclass
    class Step:
        x: Any
        size: int = tree.static(default=2)

    assert tree.leaves(Step(1)) == [1]
    assert tree.map(lambda x: x, Step(1, 3)).size == 3
