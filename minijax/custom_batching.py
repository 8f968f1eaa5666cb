"""`minijax.custom_batching`: the names of `jax.custom_batching`."""

from __future__ import annotations

from .api.custom_vmap import custom_vmap as custom_vmap
