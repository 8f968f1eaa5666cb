"""Warnings print as their message: the path of a notebook cell is another one in every build."""

import warnings

warnings.formatwarning = lambda message, category, *place: f"{category.__name__}: {message}\n"
