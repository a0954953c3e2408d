"""The fenced code blocks of the documentation, for tests that run what it shows."""

from __future__ import annotations

import re

from tools.definitions import ROOT


def blocks(document: str, language: str) -> list[str]:
    """The blocks in a language, in order.

    Args:
        document: Its path in the repository.
        language: The word after the fence, such as sh.
    """
    text = (ROOT / document).read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def block(document: str, language: str, containing: str) -> str:
    """The one block in a language that contains a text."""
    (found,) = [text for text in blocks(document, language) if containing in text]
    return found
