"""The help page of a code: one Markdown file per code and language, shared where a sentence is.

The files are plain: `##` headings, paragraphs, lists with `- ` or `1. `, `**bold**`, `code`.
"""

from __future__ import annotations

from pathlib import Path

from bindings.problems.catalogue import PLATFORMS, get
from bindings.problems.speech import LANGUAGES

PAGES = Path(__file__).resolve().parents[2] / "docs" / "help"
SHARED = "_common"


def page(code: str, language: str, *, pages: Path = PAGES) -> str:
    """The Markdown of a code's page: its own file, else the one its suffix shares with other
    platforms, with `{platform}` filled in. A language we do not write gets English.

    Raises KeyError for an unknown code, FileNotFoundError for one without a page.
    """
    problem = get(code)
    shelf = pages / (language if language in LANGUAGES else LANGUAGES[0])
    own = shelf / f"{code}.md"
    if own.is_file():
        return own.read_text(encoding="utf-8")
    shared = (shelf / SHARED / f"{problem.suffix}.md").read_text(encoding="utf-8")
    return shared.replace("{platform}", PLATFORMS[problem.prefix].label)
