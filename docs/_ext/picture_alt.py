"""Alt text of pictures that were drawn in the build.

In: images whose file is an SVG with a `<title>`, as minijax.viz writes it. Out: the title as the image's alt text, so that
nobody writes by hand what a picture shows. An image that ends up without alt text is a warning, and so fails the build.
"""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.DOTALL)
_logger = logging.getLogger(__name__)


def describe_images(app: Sphinx, doctree: nodes.document) -> None:
    """Fill in `alt` where an image has none."""
    for image in doctree.findall(nodes.image):
        if not image.get("alt"):
            title = _title_of(Path(app.srcdir, image["uri"].lstrip("/")))
            if title is None:
                _logger.warning("image %s has no alt text", image["uri"], location=image)
            else:
                image["alt"] = title


def _title_of(path: Path) -> str | None:
    if path.suffix != ".svg" or not path.is_file():
        return None
    found = _TITLE.search(path.read_text(encoding="utf-8"))
    return " ".join(unescape(found.group(1)).split()) if found else None


def setup(app: Sphinx) -> dict[str, bool]:
    """Look at every page after it was read."""
    app.connect("doctree-read", describe_images, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
