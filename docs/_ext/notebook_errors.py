"""Error outputs of cells are prose with code in it: no lexer for tracebacks reads them."""

from __future__ import annotations

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx


class ErrorLexer(TextLexer):
    """Text, under the name that MyST-NB gives to error outputs."""

    name = "Error message"
    aliases = ("ipythontb",)


def setup(app: Sphinx) -> dict[str, bool]:
    """Take the place of IPython's lexer."""
    app.add_lexer("ipythontb", ErrorLexer)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
