"""`minijax.experimental`: what JAX keeps there."""

from __future__ import annotations

from ..api.callbacks import io_callback as io_callback
