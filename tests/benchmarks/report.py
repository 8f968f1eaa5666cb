"""Results of `compiled.py` as lines, as a page with the worst first, and as a chart.

python -m tests.benchmarks.report out/benchmarks.json docs
"""

from __future__ import annotations

import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

COLD_BAR, WARM_BAR, MEMORY_BAR = 1.5, 0.15, 1.0
MEMORY_NOISE = 1 << 20  # bytes; below this a peak is the allocator's, not the program's
LIMITS = Path(__file__).with_name("limits.json")


def best(run: Callable[[], Any], repeats: int) -> float:
    """Seconds of the fastest of several runs."""
    fastest = math.inf
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        fastest = min(fastest, time.perf_counter() - start)
    return fastest


def shown(seconds: float) -> str:
    for unit, factor in (("s", 1), ("ms", 1e3), ("us", 1e6)):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def line(name: str, row: dict[str, Any]) -> str:
    """A case in one line, for the terminal."""
    steady = row["one thread"]
    if "error" in steady:
        return f"{name:22} {steady['error'][:200]}"
    peers = "  ".join(
        f"{peer} {p['ratio']:.2f} [{p['low']:.2f}, {p['high']:.2f}]" for peer, p in steady["peers"].items()
    )
    extra = ""
    if "first call" in row:
        first, memory = row["first call"], row["memory"]
        extra = (
            f"  cold {first['minijax'] / first['jax']:.2f}  warm {first['minijax_warm'] / first['jax']:.2f}"
            f"  memory {memory['minijax'] / 1e6:.1f}/{memory['jax'] / 1e6:.1f} MB"
        )
    return f"{name:22} {shown(steady['seconds']):>8}  {peers}{extra}"


def good(results: dict[str, Any]) -> dict[str, Any]:
    """The cases that ran."""
    return {n: r for n, r in results["cases"].items() if "error" not in r["one thread"]}


def to_jax(row: dict[str, Any], threads: str = "one thread") -> float:
    return row[threads]["peers"]["jax"]["ratio"]


def mean(ratios: Iterable[float]) -> float:
    """Geometric mean."""
    return statistics.geometric_mean(list(ratios))


def memory_ratio(row: dict[str, Any]) -> float | None:
    """Peak memory to jax's, where either is more than noise."""
    memory = row.get("memory")
    if memory is None or max(memory.values()) < MEMORY_NOISE:
        return None
    return memory["minijax"] / max(memory["jax"], MEMORY_NOISE)


def bars(results: dict[str, Any]) -> Iterator[tuple[str, float, float]]:
    """(what is asked, measured, at most)."""
    cases = good(results)
    for threads in ("one thread", "all cores"):
        ratios = {n: to_jax(r, threads) for n, r in cases.items() if "peers" in r.get(threads, {})}
        programs = [x for n, x in ratios.items() if cases[n]["group"] != "elementary"]
        if programs:
            yield f"geometric mean of the programs, {threads}", mean(programs), 0.6
            yield f"worst program, {threads}", max(programs), 1.25
    calls = {n: r["first call"] for n, r in cases.items() if "first call" in r}
    if calls:
        colds = [c["minijax"] / c["jax"] for c in calls.values()]
        yield "geometric mean of cold first calls", mean(colds), 0.7
        yield "worst cold first call", max(colds), COLD_BAR
        yield (
            "worst warm first call to jax's cold",
            max(c["minijax_warm"] / c["jax"] for c in calls.values()),
            WARM_BAR,
        )
    peaks = [m for r in cases.values() if (m := memory_ratio(r)) is not None]
    if peaks:
        yield "worst peak memory", max(peaks), MEMORY_BAR


def verdict(value: float, bar: float) -> str:
    return "held" if value <= bar else "missed"


def summary(results: dict[str, Any]) -> str:
    """The bars, and the cases above theirs, the worst first."""
    lines = [f"{text}: {value:.2f} (at most {bar}): {verdict(value, bar)}" for text, value, bar in bars(results)]
    missed = sorted(((to_jax(r) / r["bar"], n, r) for n, r in good(results).items()), key=lambda t: -t[0])
    lines += [f"above its bar: {n} {to_jax(r):.2f} (at most {r['bar']})" for over, n, r in missed if over > 1]
    failed = [
        f"failed: {n}: {r['one thread']['error']}" for n, r in results["cases"].items() if n not in good(results)
    ]
    return "\n".join(lines + failed)


def page(results: dict[str, Any]) -> str:
    """The Markdown page."""
    facts = results["machine"]
    versions = ", ".join(f"{name} {v}" for name, v in facts["versions"].items())
    limits = json.loads(LIMITS.read_text()) if LIMITS.exists() else {}
    parts = [
        "# Benchmarks\n",
        "Made by `python -m tests.benchmarks.compiled --docs docs` (`make bench`). Ratios of times: below 1, minijax is "
        "faster. Each is the median over nine rounds in which the libraries took turns in one process, with the "
        "quartiles; every library's results were compared first. Cases that miss their bar come first.\n",
        f"Machine: {facts['processor']}, {facts['cores']} cores; Python {facts['python']}; {versions}. One core copies "
        f"{facts['copy_gigabytes_per_second']:.1f} GB/s (read and written) and multiplies float32 matrices at "
        f"{facts['matmul_gigaflops']:.0f} GFLOP/s.\n",
        "![Ratio of each program's time to jax.jit's, the worst first](benchmarks.svg)\n",
        "## Bars\n",
        "| what | measured | at most | |\n|---|---:|---:|---|",
        *(f"| {text} | {value:.2f} | {bar} | {verdict(value, bar)} |" for text, value, bar in bars(results)),
        "",
    ]
    cases = good(results)
    programs = {n: r for n, r in cases.items() if r["group"] != "elementary"}
    elementary = {n: r for n, r in cases.items() if r["group"] == "elementary"}
    parts += ["## Programs\n", *table(programs), "", "## First calls and memory\n", *first_table(programs)]
    parts += ["", "## Elementary functions under jit\n", *table(elementary), ""]
    explained = [f"- **{n}**: {text}" for n, text in limits.items() if n in cases]
    if explained:
        parts += ["## What limits the cases above their bars\n", *explained, ""]
    return "\n".join(parts)


def table(cases: dict[str, Any]) -> Iterator[str]:
    """Steady state, what misses its bar first, then by ratio."""
    yield "| case | time | to jax.jit | bar | | all cores | to torch | to autograd |"
    yield "|---|---:|---:|---:|---|---:|---:|---:|"
    for name, row in sorted(cases.items(), key=lambda item: (to_jax(item[1]) <= item[1]["bar"], -to_jax(item[1]))):
        peers, both = row["one thread"]["peers"], row.get("all cores", {}).get("peers", {})
        jax = peers["jax"]
        cells = [
            name,
            shown(row["one thread"]["seconds"]),
            f"{jax['ratio']:.2f} [{jax['low']:.2f}, {jax['high']:.2f}]",
            f"{row['bar']}",
            verdict(jax["ratio"], row["bar"]),
            f"{both['jax']['ratio']:.2f}" if both else "",
            *(f"{peers[p]['ratio']:.2f}" if p in peers else "" for p in ("torch", "autograd")),
        ]
        yield "| " + " | ".join(cells) + " |"


def first_table(cases: dict[str, Any]) -> Iterator[str]:
    """First calls without and with a cache on disk, and peak memory."""
    yield "| case | cold | to jax.jit | warm | to jax.jit cold | to jax.jit warm | peak memory | jax.jit |"
    yield "|---|---:|---:|---:|---:|---:|---:|---:|"
    rows = [(name, row) for name, row in cases.items() if "first call" in row]
    for name, row in sorted(rows, key=lambda r: -r[1]["first call"]["minijax"] / r[1]["first call"]["jax"]):
        first, memory = row["first call"], row["memory"]
        cells = [
            name,
            shown(first["minijax"]),
            f"{first['minijax'] / first['jax']:.2f}",
            shown(first["minijax_warm"]),
            f"{first['minijax_warm'] / first['jax']:.2f}",
            f"{first['minijax_warm'] / first['jax_warm']:.2f}",
            *(f"{memory[lib] / 1e6:.1f} MB" for lib in ("minijax", "jax")),
        ]
        yield "| " + " | ".join(cells) + " |"


def chart(results: dict[str, Any], path: Path) -> None:
    """A horizontal bar per program on a logarithmic axis, with its quartiles and its bar as a tick."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.fonttype"] = "none"
    from matplotlib import pyplot as plt

    cases = {n: r for n, r in good(results).items() if r["group"] != "elementary"}
    names = sorted(cases, key=lambda n: to_jax(cases[n]))
    figure, axes = plt.subplots(figsize=(8, 0.28 * len(names) + 1.2), layout="constrained")
    for y, name in enumerate(names):
        peer, bar = cases[name]["one thread"]["peers"]["jax"], cases[name]["bar"]
        held = peer["ratio"] <= bar
        axes.barh(y, peer["ratio"], color="#0072b2" if held else "#d55e00", height=0.7)
        axes.plot([peer["low"], peer["high"]], [y, y], color="#333333", lw=1)
        axes.plot([bar, bar], [y - 0.4, y + 0.4], color="#333333", lw=2)
        axes.text(max(peer["high"], peer["ratio"]) * 1.05, y, f"{peer['ratio']:.2f}", va="center", fontsize=8)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_xscale("log")
    axes.axvline(1, color="#888888", lw=1, ls="--")
    axes.set_xlabel("time in jax.jit's time, one thread (blue: at or below its bar, the thick tick; orange: above)")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None})


def write(results: dict[str, Any], folder: Path) -> None:
    """`benchmarks.md` and `benchmarks.svg`."""
    (folder / "benchmarks.md").write_text(page(results))
    chart(results, folder / "benchmarks.svg")


if __name__ == "__main__":
    write(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))
