"""Flags: for all threads, for a block in one thread, from the environment; values are checked."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import timeit
from pathlib import Path

import pytest

from minijax import config as config_object, config as public
from minijax.config import (
    FLAGS,
    check_tracer_leaks,
    checking_leaks,
    config,
    debug_infs,
    debug_nans,
    default_matmul_precision,
    disable_jit,
    disable_x64,
    enable_checks,
    enable_x64,
    log_compiles,
    numpy_dtype_promotion,
    numpy_rank_promotion,
)

ROOT = Path(__file__).parent.parent
MANAGERS = [
    (enable_x64, "jax_enable_x64"),
    (debug_nans, "jax_debug_nans"),
    (debug_infs, "jax_debug_infs"),
    (enable_checks, "jax_enable_checks"),
    (disable_jit, "jax_disable_jit"),
    (log_compiles, "jax_log_compiles"),
    (check_tracer_leaks, "jax_check_tracer_leaks"),
    (checking_leaks, "jax_check_tracer_leaks"),
]
OTHER = {
    "minijax_cache_dir": "somewhere",
    "jax_enable_compilation_cache": False,  # for every flag, a value that it takes and that is not its default
    "jax_numpy_dtype_promotion": "strict",
    "jax_numpy_rank_promotion": "raise",
    "jax_default_matmul_precision": "float32",
    "jax_threefry_partitionable": True,
    "minijax_branch_capture": "error",
    "minijax_jit_max_specializations": 3,
    "minijax_num_threads": 2,
    "minijax_traceback": "full",
}


def other(name):
    return OTHER.get(name, True)


@pytest.fixture(autouse=True)
def flags_as_before():
    before = config.values
    yield
    for name, value in before.items():
        config.update(name, value)


def in_thread(f):
    found = []
    thread = threading.Thread(target=lambda: found.append(f()))
    thread.start()
    thread.join()
    return found[0]


def run(code, **environment):
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("JAX_", "MINIJAX_"))}
    return subprocess.run(
        [sys.executable, "-c", f"from minijax.config import config\n{code}"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**inherited, **environment},
    )


def test_the_package_has_the_one_config():
    assert public is config is config_object


@pytest.mark.parametrize("name", FLAGS)
def test_a_flag_is_an_attribute_that_update_writes(name):
    config.update(name, other(name))
    assert getattr(config, name) == config.read(name) == config.values[name] == other(name)


@pytest.mark.parametrize("name", FLAGS)
def test_the_prefix_may_be_left_out(name):
    short = name.removeprefix("jax_").removeprefix("minijax_")
    config.update(short, other(name))
    assert config.read(short) == getattr(config, name) == other(name)


@pytest.mark.parametrize("name", FLAGS)
def test_a_flag_says_what_it_does(name):
    assert len(FLAGS[name][2]) > 10


@pytest.mark.parametrize(
    "use", [lambda: config.update("nope", 1), lambda: config.read("nope"), lambda: config.override("nope", 1)]
)
def test_unknown_names_are_refused(use):
    with pytest.raises(AttributeError, match="Unrecognized config option: nope"):
        use()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("jax_enable_x64", "maybe"),
        ("jax_enable_x64", None),
        ("jax_enable_x64", 2),
        ("jax_enable_x64", 1.0),
        ("jax_numpy_rank_promotion", "shout"),
        ("jax_numpy_dtype_promotion", True),
        ("jax_default_matmul_precision", "sloppy"),
        ("jax_threefry_partitionable", False),
        ("minijax_branch_capture", "guess"),
        ("minijax_jit_max_specializations", 0),
        ("minijax_jit_max_specializations", 2.5),
        ("minijax_num_threads", 0),
        ("minijax_traceback", ""),
    ],
)
def test_values_are_checked_before_anything_changes(name, value):
    before = config.read(name)
    with pytest.raises(ValueError, match=name):
        config.update(name, value)
    with pytest.raises(ValueError, match=name):
        config.override(name, value)  # when it is made, not when it is entered
    assert config.read(name) == before


def test_zero_and_one_are_booleans():
    config.update("jax_enable_x64", 1)
    assert config.jax_enable_x64 is True


@pytest.mark.parametrize("name", ["jax_enable_x64", "x64", "jax_enable_x46"])
def test_attributes_cannot_be_assigned(name):
    with pytest.raises(AttributeError, match=r"config\.update"):
        setattr(config, name, True)


@pytest.mark.parametrize(("manager", "name"), MANAGERS)
def test_a_block_sets_a_flag_and_restores_it(manager, name):
    config.update(name, False)
    with manager():
        assert config.read(name) is True
        with manager(False):
            assert config.read(name) is False
        assert config.read(name) is True
    assert config.read(name) is False


def test_named_values_hold_inside_their_blocks():
    with numpy_dtype_promotion("strict"), numpy_rank_promotion("raise"), default_matmul_precision("float32"):
        assert config.jax_numpy_dtype_promotion == "strict"
        assert config.jax_numpy_rank_promotion == "raise"
        assert config.jax_default_matmul_precision == "float32"
    assert config.jax_numpy_dtype_promotion == "standard"


def test_a_block_ends_with_an_error_too():
    with pytest.raises(KeyError), enable_x64():
        raise KeyError
    assert config.x64 is False


def test_a_block_can_be_entered_again_also_inside_itself():
    block = enable_x64()
    for _ in range(2):
        with block, disable_x64(), block:
            assert config.x64 is True
        assert config.x64 is False


def test_a_block_can_decorate_a_function():
    @enable_x64()
    def f():
        return config.x64

    assert [f(), f(), config.x64] == [True, True, False]


def test_the_short_name_of_x64_follows():
    for value in (True, False):
        config.update("jax_enable_x64", value)
        assert config.x64 is config.jax_enable_x64 is value
        with enable_x64(not value):
            assert config.x64 is config.jax_enable_x64 is not value


def test_updates_reach_all_threads_and_blocks_only_their_own():
    ready, go, seen = threading.Event(), threading.Event(), []

    def worker():
        seen.append(config.x64)
        ready.set()
        go.wait(10)
        seen.append(config.x64)

    thread = threading.Thread(target=worker)
    thread.start()
    assert ready.wait(10)
    with enable_x64():
        assert in_thread(lambda: config.x64) is False
        config.update("jax_debug_nans", True)
    config.update("jax_enable_x64", True)
    go.set()
    thread.join()
    assert seen == [False, True]
    assert in_thread(lambda: (config.x64, config.jax_debug_nans)) == (True, True)


def test_an_update_inside_a_block_waits_for_its_end():
    with enable_x64(False):
        with enable_x64(False):
            config.update("jax_enable_x64", True)
            assert config.x64 is False
            assert in_thread(lambda: config.x64) is True
        assert config.x64 is False
    assert config.x64 is True


def test_threads_that_ended_are_forgotten():
    from_module = sys.modules["minijax.config"]._threads
    for _ in range(20):
        in_thread(lambda: config.x64)
    gc.collect()
    assert len(from_module) <= threading.active_count() + 1


@pytest.mark.parametrize("name", FLAGS)
def test_the_trace_key_changes_with_flags_that_traces_depend_on_and_no_others(name):
    config.update(name, FLAGS[name][0])
    before = config.trace_key()
    with config.override(name, other(name)):
        changed = config.trace_key() != before
    assert changed == FLAGS[name][3]
    assert config.trace_key() == before
    assert hash(before) == hash(config.trace_key())


@pytest.mark.parametrize("name", [n for n in FLAGS if FLAGS[n][0] != other(n)])
def test_the_environment_gives_the_first_value(name):
    variable = "MINIJAX_" + name.removeprefix("jax_").removeprefix("minijax_").upper()
    found = run(f"print(repr(config.{name}))", **{variable: str(other(name))})
    assert found.stdout.strip() == repr(other(name)), found.stderr


@pytest.mark.parametrize(
    ("environment", "x64"),
    [
        ({"JAX_ENABLE_X64": "1"}, True),
        ({"MINIJAX_ENABLE_X64": "off"}, False),
        ({"JAX_ENABLE_X64": "1", "MINIJAX_ENABLE_X64": "0"}, False),
        ({"MINIJAX_ENABLE_X64": " TRUE "}, True),
        ({"MINIJAX_ENABLE_X64": ""}, False),
        ({}, False),
    ],
)
def test_the_variables_of_jax_are_read_and_ours_win(environment, x64):
    assert run("print(config.x64)", **environment).stdout.strip() == str(x64)


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("MINIJAX_ENABLE_X64", "maybe"),
        ("JAX_ENABLE_X64", "2"),
        ("MINIJAX_TRACEBACK", "no"),
        ("MINIJAX_JIT_MAX_SPECIALIZATIONS", "many"),
    ],
)
def test_a_bad_variable_is_named(variable, text):
    found = run("", **{variable: text})
    assert found.returncode != 0
    assert f"environment variable {variable}" in found.stderr


def test_reading_a_flag_costs_an_attribute():
    # A plain attribute costs 15 to 30 ns here; a property or a lookup of the thread would cost several times more.
    class Plain:
        x64 = False

    def cost(thing):
        return min(timeit.repeat("thing.x64", globals={"thing": thing}, number=20_000, repeat=7))

    assert cost(config) < 8 * cost(Plain())
