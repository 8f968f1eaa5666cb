"""The interpreters: eval, jvp, linearize, transpose, batch. Each is a loop over equations with an environment.

Value-level functions (`..._values`) run a Jaxpr on values; where the values are tracers of an enclosing trace,
the same loop records a new program there. Jaxpr-level twins (`..._jaxpr`) do just that.
"""
