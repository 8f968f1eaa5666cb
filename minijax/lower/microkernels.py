"""Matrix products in registers: a small library of LLVM IR, compiled once and called by kernels.

In: a format ("f32" or "f64") and the processor. Out: the text of a module with one entry, and its symbol made known to LLVM:

    minijax_gemm_f32(c, a, b, m, n, k, cm, am, ak, bk, bn, d)     c[i, j] = sum over l of a[i, l] b[l, j] + d[i, j]

with strides in bytes; c is contiguous along j; d lies like c, and may be null. A *tile* is `r` rows and `v` vectors of columns of c held in registers while l runs:
each step loads v vectors of b, broadcasts r numbers of a and makes r*v fused multiply-adds (Goto & van de Geijn 2008,
Van Zee & van de Geijn 2015). The last columns are masked. Where b is contiguous along j and few rows use it, tiles read it in
place, a band of rows after the other; otherwise a panel of b is copied (transposed in registers if need be) and all rows use
it. Sums run over at most `DEPTH` products before they are added to c, so rounding errors grow with k / DEPTH + DEPTH at most.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterable
from typing import Any

from . import cache
from .vmath._target import processor, target_machine

__all__ = ["DEPTH", "module_text", "register", "symbol"]

DEPTH = 256  # of a panel: 256 rows of two vectors are 32 KB of stack
_PACKED_FROM = 48  # rows of c from which a panel of b is copied
_FLAT = 24  # steps of k up to which it is not: a few rows of b stay in the cache by themselves
_SIZES = {"f32": 4, "f64": 8}
_TILE = "ptr %c, ptr %a, ptr %b, i64 %left, i64 %k, i64 %cm, i64 %am, i64 %ak, i64 %bk, i64 %shift, i1 %more"
_lock = threading.Lock()
_engines: dict[str, Any] = {}  # machine code lives as long as its engine
_TYPES = {"f32": "float", "f64": "double"}


def symbol(short: str) -> str:
    """The name of the entry for a format.

    Example:
        >>> symbol("f32")
        'minijax_gemm_f32'
    """
    return f"minijax_gemm_{short}"


@functools.cache
def module_text(short: str, register_bytes: int | None = None) -> str:
    """The LLVM IR of the library for a format.

    Args:
        short: "f32" or "f64".
        register_bytes: of a vector register; this processor's by default. 64 bytes come with 32 registers, less with 16.
    """
    if register_bytes is None:
        features = processor()[1].split(",")
        register_bytes = 64 if "+avx512f" in features else 32 if "+avx" in features else 16
    heights = (1, 2, 4, 8) if register_bytes == 64 else (1, 2, 4, 6)
    return _Library(short, register_bytes // _SIZES[short], heights).text()


def register(formats: Iterable[str]) -> None:
    """Make the products of `formats` known to LLVM; what is known already costs a look-up.

    Example:
        >>> register(["f32"])
    """
    for short in formats:
        if short not in _engines:
            with _lock:
                if short not in _engines:
                    _engines[short] = _compiled(short)


def _compiled(short: str) -> Any:
    """The engine with the machine code; the text is as it should run: LLVM's passes would only cost time."""
    import llvmlite.binding as llvm

    machine = target_machine()
    # the program that writes the text stands for it in the key: to write 2,000 lines takes longer than to load the code
    written_by = __loader__.get_source(__name__) or module_text(short)
    key = cache.key_of([short, written_by, *processor(), str(llvm.llvm_version_info)])
    code = cache.load(key)
    if code is None:
        module = llvm.parse_assembly(module_text(short))
        module.verify()
        code = machine.emit_object(module)
        cache.store(key, code)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    llvm.add_symbol(symbol(short), engine.get_function_address(symbol(short)))
    return engine


class _Library:
    """Writes the module: `width` numbers in a vector, tiles of `heights` rows."""

    def __init__(self, short: str, width: int, heights: tuple[int, ...]) -> None:
        self.short, self.width, self.heights = short, width, heights
        self.size = _SIZES[short]
        self.element = _TYPES[short]
        self.vector = f"<{width} x {self.element}>"
        self.suffix = f"v{width}{short}"
        self.lines: list[str] = []

    def vectors(self, r: int) -> int:
        """Vectors of a tile of `r` rows that reads b in place: enough sums to hide the latency of an addition."""
        return {1: 8, 2: 4, 4: 3}.get(r, 2)

    def text(self) -> str:
        v = self.vector
        mask = f"<{self.width} x i1>"
        self.lines += [
            f"declare {v} @llvm.fmuladd.{self.suffix}({v}, {v}, {v})",
            f"declare {v} @llvm.masked.load.{self.suffix}.p0(ptr, i32, {mask}, {v})",
            f"declare void @llvm.masked.store.{self.suffix}.p0({v}, ptr, i32, {mask})",
            "declare i64 @llvm.smin.i64(i64, i64)",
        ]
        for r in self.heights:
            for count in sorted({1, 2, self.vectors(r)}):
                self.tile(r, count)
            self.band(r)
        self.by_rows(
            "band", "ptr %c, ptr %a, ptr %b, i64 %n, i64 %k, i64 %cm, i64 %am, i64 %ak, i64 %bk, i64 %shift, i1 %more"
        )
        for count in (1, 2):
            self.by_rows(f"tile_{count}", _TILE)
        self.height()
        self.pack()
        self.entry()
        return "\n".join(self.lines) + "\n"

    # -- tiles -----------------------------------------------------------------------------------------------------

    def tile(self, r: int, count: int) -> None:
        """r rows by `count` vectors of c; where they are at most two, there are `%left` columns and the last is masked."""
        vec, step = self.vector, self.width * self.size
        masked = [count <= 2 and j == count - 1 for j in range(count)]
        out = [f"define internal void @tile_{count}_{r}({_TILE}) noinline nounwind {{", "entry:"]
        out += self.mask(count) if count <= 2 else []
        for i in range(r):
            out.append(f"  %as{i} = mul i64 %am, {i}")
            out.append(f"  %a{i} = getelementptr i8, ptr %a, i64 %as{i}")
        out += ["  %some = icmp sgt i64 %k, 0", "  br i1 %some, label %loop, label %done", "loop:"]
        out.append("  %l = phi i64 [ 0, %entry ], [ %l1, %loop ]")
        out.append("  %at = phi i64 [ 0, %entry ], [ %at1, %loop ]")
        out.append("  %bp = phi ptr [ %b, %entry ], [ %bp1, %loop ]")
        for i in range(r):
            for j in range(count):
                out.append(f"  %s{i}_{j} = phi {vec} [ zeroinitializer, %entry ], [ %n{i}_{j}, %loop ]")
        for j in range(count):
            out.append(f"  %bq{j} = getelementptr i8, ptr %bp, i64 {j * step}")
            out.append(f"  %y{j} = {self.load(f'%bq{j}', masked[j])}")
        for i in range(r):
            out.append(f"  %ap{i} = getelementptr i8, ptr %a{i}, i64 %at")
            out.append(f"  %x{i} = load {self.element}, ptr %ap{i}, align {self.size}")
            out += self.splat(f"%x{i}", f"%xs{i}")
            for j in range(count):
                operands = f"{vec} %xs{i}, {vec} %y{j}, {vec} %s{i}_{j}"
                out.append(f"  %n{i}_{j} = call {vec} @llvm.fmuladd.{self.suffix}({operands})")
        out += [
            "  %l1 = add nuw nsw i64 %l, 1",
            "  %at1 = add i64 %at, %ak",
            "  %bp1 = getelementptr i8, ptr %bp, i64 %bk",
        ]
        out += ["  %again = icmp slt i64 %l1, %k", "  br i1 %again, label %loop, label %done", "done:"]
        for i in range(r):
            for j in range(count):
                out.append(f"  %t{i}_{j} = phi {vec} [ zeroinitializer, %entry ], [ %n{i}_{j}, %loop ]")
        for i in range(r):
            out.append(f"  %cs{i} = mul i64 %cm, {i}")
            out.append(f"  %c{i} = getelementptr i8, ptr %c, i64 %cs{i}")
            out += [f"  %c{i}_{j} = getelementptr i8, ptr %c{i}, i64 {j * step}" for j in range(count)]
        out += ["  br i1 %more, label %onto, label %new", "onto:"]
        cells = [(f"{i}_{j}", masked[j]) for i in range(r) for j in range(count)]
        for cell, part in cells:
            out.append(f"  %d{cell} = getelementptr i8, ptr %c{cell}, i64 %shift")
            out.append(f"  %o{cell} = {self.load(f'%d{cell}', part)}")
            out.append(f"  %u{cell} = fadd {vec} %o{cell}, %t{cell}")
            out.append(self.store(f"%u{cell}", f"%c{cell}", part))
        out += ["  ret void", "new:"]
        out += [self.store(f"%t{cell}", f"%c{cell}", part) for cell, part in cells]
        self.lines += [*out, "  ret void", "}"]

    def mask(self, count: int) -> list[str]:
        """`%mask`: which places of the last of `count` vectors are among the first `%left` of all."""
        many = f"<{self.width} x i64>"
        places = ", ".join(f"i64 {(count - 1) * self.width + i}" for i in range(self.width))
        return [
            f"  %left0 = insertelement {many} poison, i64 %left, i64 0",
            f"  %lefts = shufflevector {many} %left0, {many} poison, <{self.width} x i32> zeroinitializer",
            f"  %mask = icmp slt {many} <{places}>, %lefts",
        ]

    def load(self, pointer: str, masked: bool) -> str:
        if not masked:
            return f"load {self.vector}, ptr {pointer}, align {self.size}"
        operands = f"ptr {pointer}, i32 {self.size}, <{self.width} x i1> %mask, {self.vector} zeroinitializer"
        return f"call {self.vector} @llvm.masked.load.{self.suffix}.p0({operands})"

    def store(self, value: str, pointer: str, masked: bool) -> str:
        if not masked:
            return f"  store {self.vector} {value}, ptr {pointer}, align {self.size}"
        operands = f"{self.vector} {value}, ptr {pointer}, i32 {self.size}, <{self.width} x i1> %mask"
        return f"  call void @llvm.masked.store.{self.suffix}.p0({operands})"

    def splat(self, scalar: str, name: str) -> list[str]:
        first = f"{name}0"
        return [
            f"  {first} = insertelement {self.vector} poison, {self.element} {scalar}, i64 0",
            f"  {name} = shufflevector {self.vector} {first}, {self.vector} poison, <{self.width} x i32> zeroinitializer",
        ]

    # -- what calls tiles ------------------------------------------------------------------------------------------

    def band(self, r: int) -> None:
        """r rows of c, all columns: wide tiles, then two vectors at a time, then one."""
        count, step = self.vectors(r), self.width * self.size
        wide = count * self.width
        rest = "i64 %k, i64 %cm, i64 %am, i64 %ak, i64 %bk"
        self.lines += f"""define internal void @band_{r}(ptr %c, ptr %a, ptr %b, i64 %n, {rest}, i64 %shift, i1 %more) nounwind {{
entry:
  br label %head
head:
  %j = phi i64 [ 0, %entry ], [ %j1, %wide ]
  %cp = phi ptr [ %c, %entry ], [ %cp1, %wide ]
  %bp = phi ptr [ %b, %entry ], [ %bp1, %wide ]
  %j1 = add nuw nsw i64 %j, {wide}
  %fits = icmp sle i64 %j1, %n
  br i1 %fits, label %wide, label %pairs_head
wide:
  call void @tile_{count}_{r}(ptr %cp, ptr %a, ptr %bp, i64 {wide}, {rest}, i64 %shift, i1 %more)
  %cp1 = getelementptr i8, ptr %cp, i64 {wide * self.size}
  %bp1 = getelementptr i8, ptr %bp, i64 {wide * self.size}
  br label %head
pairs_head:
  %jp = phi i64 [ %j, %head ], [ %jp1, %pair ]
  %cq = phi ptr [ %cp, %head ], [ %cq1, %pair ]
  %bq = phi ptr [ %bp, %head ], [ %bq1, %pair ]
  %left = sub i64 %n, %jp
  %two = icmp sgt i64 %left, {self.width}
  br i1 %two, label %pair, label %last
pair:
  call void @tile_2_{r}(ptr %cq, ptr %a, ptr %bq, i64 %left, {rest}, i64 %shift, i1 %more)
  %jp1 = add nuw nsw i64 %jp, {2 * self.width}
  %cq1 = getelementptr i8, ptr %cq, i64 {2 * step}
  %bq1 = getelementptr i8, ptr %bq, i64 {2 * step}
  br label %pairs_head
last:
  %one = icmp sgt i64 %left, 0
  br i1 %one, label %single, label %end
single:
  call void @tile_1_{r}(ptr %cq, ptr %a, ptr %bq, i64 %left, {rest}, i64 %shift, i1 %more)
  br label %end
end:
  ret void
}}""".splitlines()

    def by_rows(self, name: str, parameters: str) -> None:
        """`@name(r, ...)`: calls `@name_r(...)`."""
        arms = " ".join(f"i64 {r}, label %r{r}" for r in self.heights[:-1])
        self.lines.append(f"define internal void @{name}(i64 %r, {parameters}) nounwind {{")
        self.lines.append(f"  switch i64 %r, label %r{self.heights[-1]} [ {arms} ]")
        for r in self.heights:
            self.lines += [f"r{r}:", f"  call void @{name}_{r}({parameters})", "  ret void"]
        self.lines.append("}")

    def height(self) -> None:
        """`@height(left)`: rows of the next tile when `left` rows are left."""
        self.lines += ["define internal i64 @height(i64 %left) alwaysinline nounwind {"]
        last = "1"
        for r in self.heights[1:]:
            self.lines.append(f"  %from{r} = icmp sge i64 %left, {r}")
            self.lines.append(f"  %r{r} = select i1 %from{r}, i64 {r}, i64 {last}")
            last = f"%r{r}"
        self.lines += [f"  ret i64 {last}", "}"]

    def pack(self) -> None:
        """`@pack(panel, b, k, columns, bk, bn, count)`: k rows of `count` vectors with `columns` columns of b, then zeros."""
        w, vec, size, step = self.width, self.vector, self.size, self.width * self.size
        self.lines += f"""define internal void @pack(ptr %p, ptr %b, i64 %k, i64 %columns, i64 %bk, i64 %bn, i64 %count) nounwind {{
entry:
  %row = mul nuw nsw i64 %count, {step}
  %whole = mul nuw nsw i64 %count, {w}
  %full = icmp eq i64 %columns, %whole
  %along_k = icmp eq i64 %bk, {size}
  %quick = and i1 %full, %along_k
  %blocks = sdiv i64 %k, {w}
  %quick_k = mul nuw nsw i64 %blocks, {w}
  %from = select i1 %quick, i64 %quick_k, i64 0
  %any = icmp sgt i64 %from, 0
  br i1 %any, label %vectors, label %slow_head
vectors:
  %v = phi i64 [ 0, %entry ], [ %v1, %vectors_next ]
  %v_at = mul nuw nsw i64 %v, {step}
  %v_to = getelementptr i8, ptr %p, i64 %v_at
  %v_column = mul nuw nsw i64 %v, {w}
  %v_offset = mul i64 %v_column, %bn
  %v_from = getelementptr i8, ptr %b, i64 %v_offset
  br label %block
block:
  %l = phi i64 [ 0, %vectors ], [ %l1, %block ]
  %l_at = mul nuw nsw i64 %l, {size}
  %from0 = getelementptr i8, ptr %v_from, i64 %l_at
  %l_to = mul nuw nsw i64 %l, %row
  %to0 = getelementptr i8, ptr %v_to, i64 %l_to""".splitlines()
        names = []
        for c in range(w):
            if c:
                self.lines.append(f"  %from{c} = getelementptr i8, ptr %from{c - 1}, i64 %bn")
            self.lines.append(f"  %z{c} = load {vec}, ptr %from{c}, align {size}")
            names.append(f"%z{c}")
        names = self.transposed(names)
        for c, name in enumerate(names):
            if c:
                self.lines.append(f"  %to{c} = getelementptr i8, ptr %to{c - 1}, i64 %row")
            self.lines.append(f"  store {vec} {name}, ptr %to{c}, align {size}")
        self.lines += f"""  %l1 = add nuw nsw i64 %l, {w}
  %more_l = icmp slt i64 %l1, %from
  br i1 %more_l, label %block, label %vectors_next
vectors_next:
  %v1 = add nuw nsw i64 %v, 1
  %more_v = icmp slt i64 %v1, %count
  br i1 %more_v, label %vectors, label %slow_head
slow_head:
  %any_slow = icmp slt i64 %from, %k
  %along_j = icmp eq i64 %bn, {size}
  %rows = and i1 %full, %along_j
  br i1 %any_slow, label %which, label %end
which:
  br i1 %rows, label %copy_row, label %slow_start
copy_row:
  %h = phi i64 [ %from, %which ], [ %h1, %copy_row_next ]
  %h_from = mul i64 %h, %bk
  %h_source = getelementptr i8, ptr %b, i64 %h_from
  %h_to = mul nuw nsw i64 %h, %row
  %h_target = getelementptr i8, ptr %p, i64 %h_to
  %first = load {vec}, ptr %h_source, align {size}
  store {vec} %first, ptr %h_target, align {size}
  %pair = icmp eq i64 %count, 2
  br i1 %pair, label %second, label %copy_row_next
second:
  %h_source2 = getelementptr i8, ptr %h_source, i64 {step}
  %h_target2 = getelementptr i8, ptr %h_target, i64 {step}
  %next = load {vec}, ptr %h_source2, align {size}
  store {vec} %next, ptr %h_target2, align {size}
  br label %copy_row_next
copy_row_next:
  %h1 = add nuw nsw i64 %h, 1
  %more_h = icmp slt i64 %h1, %k
  br i1 %more_h, label %copy_row, label %end
slow_start:
  br label %slow
slow:
  %i = phi i64 [ %from, %slow_start ], [ %i1, %slow_next ]
  %i_from = mul i64 %i, %bk
  %source = getelementptr i8, ptr %b, i64 %i_from
  %i_to = mul nuw nsw i64 %i, %row
  %target = getelementptr i8, ptr %p, i64 %i_to
  br label %copy_head
copy_head:
  %j = phi i64 [ 0, %slow ], [ %j1, %copy ]
  %inside = icmp slt i64 %j, %columns
  br i1 %inside, label %copy, label %zero_head
copy:
  %j_from = mul i64 %j, %bn
  %source_j = getelementptr i8, ptr %source, i64 %j_from
  %x = load {self.element}, ptr %source_j, align {size}
  %target_j = getelementptr {self.element}, ptr %target, i64 %j
  store {self.element} %x, ptr %target_j, align {size}
  %j1 = add nuw nsw i64 %j, 1
  br label %copy_head
zero_head:
  %o = phi i64 [ %columns, %copy_head ], [ %o1, %zero ]
  %outside = icmp slt i64 %o, %whole
  br i1 %outside, label %zero, label %slow_next
zero:
  %target_o = getelementptr {self.element}, ptr %target, i64 %o
  store {self.element} 0.0, ptr %target_o, align {size}
  %o1 = add nuw nsw i64 %o, 1
  br label %zero_head
slow_next:
  %i1 = add nuw nsw i64 %i, 1
  %more_i = icmp slt i64 %i1, %k
  br i1 %more_i, label %slow, label %end
end:
  ret void
}}""".splitlines()

    def transposed(self, names: list[str]) -> list[str]:
        """Square of vectors in registers: log2(width) perfect shuffles of the rows transpose it."""
        w, half = self.width, self.width // 2
        low = ", ".join(f"i32 {i}, i32 {w + i}" for i in range(half))
        high = ", ".join(f"i32 {i}, i32 {w + i}" for i in range(half, w))
        for stage in range(w.bit_length() - 1):
            new = []
            for i in range(half):
                for which, order in (("l", low), ("h", high)):
                    name = f"%{which}{stage}_{i}"
                    pair = f"{self.vector} {names[i]}, {self.vector} {names[i + half]}"
                    self.lines.append(f"  {name} = shufflevector {pair}, <{w} x i32> <{order}>")
                    new.append(name)
            names = new
        return names

    def entry(self) -> None:
        """The product: blocks of `DEPTH` steps of k; in place by bands, or panel by panel."""
        w, size = self.width, self.size
        head = "ptr %c, ptr %a, ptr %b, i64 %m, i64 %n, i64 %k, i64 %cm, i64 %am, i64 %ak, i64 %bk, i64 %bn, ptr %d"
        self.lines += f"""define void @{symbol(self.short)}({head}) nounwind {{
entry:
  %panel = alloca [{2 * w * DEPTH} x {self.element}], align 64
  %onto = icmp ne ptr %d, null
  %d_int = ptrtoint ptr %d to i64
  %c_int = ptrtoint ptr %c to i64
  %to_d = sub i64 %d_int, %c_int
  %unit = icmp eq i64 %bn, {size}
  %few = icmp slt i64 %m, {_PACKED_FROM}
  %flat = icmp sle i64 %k, {_FLAT}
  %few_or_flat = or i1 %few, %flat
  %in_place = and i1 %unit, %few_or_flat
  %any_m = icmp sgt i64 %m, 0
  br i1 %any_m, label %depth, label %end
depth:
  %l = phi i64 [ 0, %entry ], [ %l1, %depth_next ]
  %al = phi ptr [ %a, %entry ], [ %al1, %depth_next ]
  %bl = phi ptr [ %b, %entry ], [ %bl1, %depth_next ]
  %left = sub i64 %k, %l
  %kb = call i64 @llvm.smin.i64(i64 %left, i64 {DEPTH})
  %later = icmp sgt i64 %l, 0
  %more = or i1 %later, %onto
  %shift = select i1 %later, i64 0, i64 %to_d
  br i1 %in_place, label %rows, label %panel_head
rows:
  %i = phi i64 [ 0, %depth ], [ %i1, %rows ]
  %ci = phi ptr [ %c, %depth ], [ %ci1, %rows ]
  %ai = phi ptr [ %al, %depth ], [ %ai1, %rows ]
  %mleft = sub i64 %m, %i
  %r = call i64 @height(i64 %mleft)
  call void @band(i64 %r, ptr %ci, ptr %ai, ptr %bl, i64 %n, i64 %kb, i64 %cm, i64 %am, i64 %ak, i64 %bk, i64 %shift, i1 %more)
  %i1 = add nuw nsw i64 %i, %r
  %cstep = mul i64 %cm, %r
  %astep = mul i64 %am, %r
  %ci1 = getelementptr i8, ptr %ci, i64 %cstep
  %ai1 = getelementptr i8, ptr %ai, i64 %astep
  %again_i = icmp slt i64 %i1, %m
  br i1 %again_i, label %rows, label %depth_next
panel_head:
  %j = phi i64 [ 0, %depth ], [ %j1, %panel_next ]
  %nleft = sub i64 %n, %j
  %any_n = icmp sgt i64 %nleft, 0
  br i1 %any_n, label %fill, label %depth_next
fill:
  %both = icmp sgt i64 %nleft, {w}
  %count = select i1 %both, i64 2, i64 1
  %wide = mul nuw nsw i64 %count, {w}
  %columns = call i64 @llvm.smin.i64(i64 %nleft, i64 %wide)
  %boff = mul i64 %j, %bn
  %bj = getelementptr i8, ptr %bl, i64 %boff
  %coff = mul i64 %j, {size}
  %cj = getelementptr i8, ptr %c, i64 %coff
  %prow = mul nuw nsw i64 %wide, {size}
  call void @pack(ptr %panel, ptr %bj, i64 %kb, i64 %columns, i64 %bk, i64 %bn, i64 %count)
  br label %tiles
tiles:
  %t = phi i64 [ 0, %fill ], [ %t1, %tiles_next ]
  %ct = phi ptr [ %cj, %fill ], [ %ct1, %tiles_next ]
  %at = phi ptr [ %al, %fill ], [ %at1, %tiles_next ]
  %tleft = sub i64 %m, %t
  %tr = call i64 @height(i64 %tleft)
  br i1 %both, label %tile2, label %tile1
tile2:
  call void @tile_2(i64 %tr, ptr %ct, ptr %at, ptr %panel, i64 %columns, i64 %kb, i64 %cm, i64 %am, i64 %ak, i64 %prow, i64 %shift, i1 %more)
  br label %tiles_next
tile1:
  call void @tile_1(i64 %tr, ptr %ct, ptr %at, ptr %panel, i64 %columns, i64 %kb, i64 %cm, i64 %am, i64 %ak, i64 %prow, i64 %shift, i1 %more)
  br label %tiles_next
tiles_next:
  %t1 = add nuw nsw i64 %t, %tr
  %tcstep = mul i64 %cm, %tr
  %tastep = mul i64 %am, %tr
  %ct1 = getelementptr i8, ptr %ct, i64 %tcstep
  %at1 = getelementptr i8, ptr %at, i64 %tastep
  %again_t = icmp slt i64 %t1, %m
  br i1 %again_t, label %tiles, label %panel_next
panel_next:
  %j1 = add nuw nsw i64 %j, %wide
  br label %panel_head
depth_next:
  %l1 = add nuw nsw i64 %l, {DEPTH}
  %adepth = mul i64 %ak, {DEPTH}
  %bdepth = mul i64 %bk, {DEPTH}
  %al1 = getelementptr i8, ptr %al, i64 %adepth
  %bl1 = getelementptr i8, ptr %bl, i64 %bdepth
  %again = icmp slt i64 %l1, %k
  br i1 %again, label %depth, label %end
end:
  ret void
}}""".splitlines()
