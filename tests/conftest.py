"""The suite leaves the user's cache of compiled kernels alone: it has its own, for its subprocesses too."""

from __future__ import annotations

import os
import tempfile

_kernels = tempfile.TemporaryDirectory(prefix="minijax-kernels-")
os.environ["MINIJAX_CACHE_DIR"] = _kernels.name
