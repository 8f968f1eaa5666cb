"""jit's back end: a Jaxpr becomes loop nests, the nests become LLVM IR, numba compiles and calls it (DESIGN 7).

Enters: an optimised `ClosedJaxpr`. Leaves: a native program. `vmath` is its library of elementary functions.
"""
