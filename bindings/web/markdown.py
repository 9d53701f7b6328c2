"""The little Markdown of our own help pages: headings, paragraphs, lists, bold, code."""

from __future__ import annotations

import re

from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

_MARK = re.compile(r"\*\*(.+?)\*\*|`(.+?)`")
_ITEM = re.compile(r"(?:- |\d+\. )(.*)")


def to_html(text: str) -> SafeString:
    """HTML of a help page. Everything that is not one of our marks is escaped."""
    blocks = re.split(r"\n\s*\n", text.strip())
    return format_html_join("\n", "{}", ((_block(block),) for block in blocks))


def _block(block: str) -> SafeString:
    if block.startswith("#"):
        level = len(block) - len(block.lstrip("#"))
        return format_html(f"<h{min(level, 4)}>{{}}</h{min(level, 4)}>", inline(block[level:]))
    lines = block.splitlines()
    if all(_ITEM.fullmatch(line) or line.startswith("  ") for line in lines):
        tag = "ol" if lines[0][0].isdigit() else "ul"
        items = format_html_join("", "<li>{}</li>", ((inline(item),) for item in _items(lines)))
        return format_html(f"<{tag}>{{}}</{tag}>", items)
    return format_html("<p>{}</p>", inline(" ".join(lines)))


def _items(lines: list[str]) -> list[str]:
    items: list[str] = []
    for line in lines:
        found = _ITEM.fullmatch(line)
        if found:
            items.append(found[1])
        else:
            items[-1] += " " + line.strip()
    return items


def inline(text: str) -> SafeString:
    """One line with its bold words and code; everything else is escaped."""
    escaped = str(escape(text.strip()))

    def mark(found: re.Match[str]) -> str:
        return f"<b>{found[1]}</b>" if found[1] else f"<code>{found[2]}</code>"

    return mark_safe(_MARK.sub(mark, escaped))  # noqa: S308 - escaped one line above
