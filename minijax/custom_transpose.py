"""`minijax.custom_transpose`: linear functions with a transpose of their own, as in `jax.custom_transpose`."""

from __future__ import annotations

from .api.linear_call import custom_transpose as custom_transpose
