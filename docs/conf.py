"""Sphinx configuration: every page that holds code is run when it is built, and an error stops the build."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE / "_ext")]
# Kernels run the tree that is being documented, with figures as SVG and errors as one message (see _ipython/).
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(HERE.parent), os.environ.get("PYTHONPATH"))))
os.environ["IPYTHONDIR"] = str(shutil.copytree(HERE / "_ipython", HERE / "_build" / "ipython", dirs_exist_ok=True))
os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # the kernel's debugger warns about frozen modules

project = "minijax"
author = "the minijax authors"
copyright = "the minijax authors, Apache-2.0"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "mathml",
    "notebook_errors",
    "picture_alt",
    "plain_docstrings",
    "house",
    "reference",
]
exclude_patterns = ["_build", "_ext", "_ipython"]


html_theme = "furo"
html_title = "minijax"
html_static_path = ["_static"]
html_css_files = ["minijax.css"]
html_show_sphinx = False
html_copy_source = False
html_theme_options = {"navigation_with_keys": True}

myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 3

nb_execution_mode = "force"
nb_execution_timeout = 120
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_merge_streams = True

default_role = "code"  # `x` in docstrings is code
autodoc_member_order = "bysource"
autodoc_typehints = "none"
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
