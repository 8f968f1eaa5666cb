"""`minijax.ad_checkpoint`: the names of `jax.ad_checkpoint`."""

from __future__ import annotations

from .api.checkpointing import (
    checkpoint as checkpoint,
    checkpoint_name as checkpoint_name,
    checkpoint_policies as checkpoint_policies,
)
