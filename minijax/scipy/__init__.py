"""`minijax.scipy`: functions of SciPy that can be differentiated."""

from __future__ import annotations

from . import linalg as linalg, special as special
