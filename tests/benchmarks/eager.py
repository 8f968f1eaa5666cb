"""Eager cost beside the peers, in one run: an operation, a gradient, an import.

Each library is timed in its own process, one after the other, in rounds; a round's figure is the minimum over
repeats, the reported ratio the median over rounds. Run with `make bench`; nothing here is a test.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import timeit

ROUNDS = 5
SETUP = {
    "minijax": "import minijax as lib, minijax.numpy as np\nx = np.ones(8)",
    "jax": "import jax as lib, jax.numpy as np\nx = np.ones(8)",
    "autograd": "import autograd as lib, autograd.numpy as np\nx = np.ones(8, 'float32')",
    "torch": "import torch as np\nnp.set_num_threads(1)\nx = np.ones(8, requires_grad=True)\ny = np.ones(8)",
}
FUNCTION = """
def f(x):
    a = np.sin(x) * x
    b = np.exp(a) + x
    c = np.tanh(b) * a - b
    d = np.cos(c) / (b * b)
    e = np.log(d * d) + c
    g = np.sqrt(e * e) * d
    return (np.sin(g) + g * e).sum()
"""
GRADIENT = {
    "minijax": "g = lib.grad(f)\nrun = lambda: g(x)",
    "jax": "g = lib.grad(f)\nrun = lambda: g(x)",
    "autograd": "g = lib.grad(lambda x: np.sum(f(x)))\nrun = lambda: g(x)",
    "torch": "run = lambda: np.autograd.grad(f(x), x)",
}
OPERATIONS = {"sin": "np.sin(y)", "mul": "y * y", "add scalar": "y + 2.0"}
BARS = {
    "grad of 20 operations": {"torch": 0.5, "autograd": 0.3},
    "sin": {"jax": 0.2},
    "mul": {"jax": 0.2},
    "add scalar": {"jax": 0.2},
    "import": {"jax": 0.35},
}
IMPORTS = {"minijax": "import minijax", "jax": "import jax", "torch": "import torch", "autograd": "import autograd"}


def child(library: str) -> None:
    """Time one library; prints JSON with microseconds."""
    scope: dict = {}
    exec(SETUP[library] + FUNCTION + GRADIENT[library], scope)
    scope.setdefault("y", scope["x"])
    number = 20 if library == "jax" else 300
    scope["run"]()
    figures = {"grad of 20 operations": best(scope["run"], number)}
    for name, expression in OPERATIONS.items():
        figures[name] = best(eval("lambda: " + expression, scope), number * 5)
    print(json.dumps(figures))


def best(run, number: int) -> float:
    return min(timeit.repeat(run, number=number, repeat=5)) / number * 1e6


def import_seconds(statement: str) -> float:
    code = f"import time; t = time.perf_counter(); {statement}; print(time.perf_counter() - t)"
    # An installed package has its bytecode written; some containers forbid that for a checkout.
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    run = [sys.executable, "-c", code]
    return min(
        float(subprocess.run(run, capture_output=True, text=True, check=True, env=env).stdout) for _ in range(3)
    )


def ratio(by_library: dict[str, list[float]], library: str) -> tuple[float, float, float]:
    """Median, lowest and highest over rounds of minijax's time in the library's."""
    ratios = [a / b for a, b in zip(by_library["minijax"], by_library[library], strict=True)]
    return statistics.median(ratios), min(ratios), max(ratios)


def main() -> None:
    """Run the rounds and print a table, then every bar."""
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    rounds: dict[str, dict[str, list[float]]] = {}
    for index in range(ROUNDS):
        print(f"round {index + 1} of {ROUNDS}", file=sys.stderr)
        for library in SETUP:
            out = subprocess.run(
                [sys.executable, "-m", "tests.benchmarks.eager", library], capture_output=True, text=True, check=True
            )
            figures = json.loads(out.stdout)
            figures["import"] = import_seconds(IMPORTS[library]) * 1e6
            for name, figure in figures.items():
                rounds.setdefault(name, {}).setdefault(library, []).append(figure)
    print(f"{'median of rounds, us':24}" + "".join(f"{library:>12}" for library in SETUP) + "   ratios of minijax to")
    for name, by_library in rounds.items():
        medians = {library: statistics.median(values) for library, values in by_library.items()}
        shown = "  ".join(
            f"{library} {ratio(by_library, library)[0]:.3f}" for library in SETUP if library != "minijax"
        )
        print(f"{name:24}" + "".join(f"{medians[library]:12.1f}" for library in SETUP) + "   " + shown)
    for name, bars in BARS.items():
        for library, bar in bars.items():
            middle, low, high = ratio(rounds[name], library)
            verdict = "held" if middle <= bar else "missed"
            print(f"{name} to {library}: {middle:.3f} [{low:.3f}, {high:.3f}], at most {bar}: {verdict}")


if __name__ == "__main__":
    child(sys.argv[1]) if len(sys.argv) > 1 else main()
