"""`minijax.ad_checkpoint`: the names of `jax.ad_checkpoint`."""

from __future__ import annotations

from .api.checkpoint_policies import (
    Offloadable as Offloadable,
    Recompute as Recompute,
    Saveable as Saveable,
    checkpoint_policies as checkpoint_policies,
)
from .api.checkpointing import (
    checkpoint as checkpoint,
    checkpoint_name as checkpoint_name,
    print_saved_residuals as print_saved_residuals,
    remat as remat,
)
