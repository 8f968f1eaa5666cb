"""The demos as Jupyter notebooks. `python docs/notebooks.py FOLDER` writes one `.ipynb`, without outputs, per page of demos/."""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from myst_nb.core.read import read_myst_markdown_notebook
from myst_parser.config.main import MdParserConfig

DEMOS = Path(__file__).parent / "demos"


def main(folder: str) -> None:
    """Convert all demos; print what was written."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    for page in sorted(DEMOS.glob("*.md")):
        if page.stem == "index":
            continue
        notebook = read_myst_markdown_notebook(page.read_text(encoding="utf-8"), MdParserConfig())
        target = Path(folder) / f"{page.stem}.ipynb"
        nbformat.write(notebook, target)
        print(target)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "notebooks")
