"""A page as a person reads it: its text, its links and buttons, and the fields of its forms."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

_SILENT = {"script", "style", "title", "svg", "template"}
_VOID = {"input", "meta", "link", "br", "hr", "img"}
_BLOCKS = {"p", "div", "li", "td", "th", "tr", "h1", "h2", "h3", "label", "option", "dt", "dd"}


class Page(HTMLParser):
    """`text`: everything a reader sees or hears, in one line. `links`: words → address. `fields`:
    name → its attributes. `rows`: the text of each table row by its id."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.links: dict[str, str] = {}
        self.fields: dict[str, dict[str, Any]] = {}
        self.rows: dict[str, str] = {}
        self.source = source
        self._heard: list[str] = []
        self._open: list[tuple[str, dict[str, Any], int]] = []
        self.feed(source)
        self.text = _words(self._heard)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value if value is not None else True for name, value in attrs}
        if "name" in found and tag in ("input", "select", "textarea", "button"):
            self.fields[str(found["name"])] = found
        if tag in _BLOCKS or found.get("class") == "sub":  # drawn on a line of its own
            self._heard.append(" ")
        if tag not in _VOID:
            self._open.append((tag, found, len(self._heard)))

    def handle_endtag(self, tag: str) -> None:
        while self._open:
            closed, attrs, began = self._open.pop()
            if closed == tag:
                self._close(tag, attrs, _words(self._heard[began:]))
                return

    def handle_data(self, data: str) -> None:
        if not any(tag in _SILENT for tag, _attrs, _at in self._open):
            self._heard.append(data)

    def _close(self, tag: str, attrs: dict[str, Any], text: str) -> None:
        if tag in _BLOCKS:
            self._heard.append(" ")
        if tag == "a" and "href" in attrs:
            self.links[text] = str(attrs["href"])
        if tag == "tr" and "id" in attrs:
            self.rows[str(attrs["id"])] = text


def read(answer: Any) -> Page:
    """The page of an answer."""
    return Page(answer.content.decode())


def _words(heard: list[str]) -> str:
    return re.sub(r"\s+", " ", "".join(heard)).strip()


def asked_of_database(client: Client, path: str) -> int:
    """How many questions one GET puts to the database: the second one, when all is warm."""
    client.get(path)
    with CaptureQueriesContext(connection) as asked:
        answer = client.get(path)
    assert answer.status_code == 200
    kinds = [query["sql"].split()[0] for query in asked.captured_queries]
    assert not {"INSERT", "UPDATE", "DELETE"} & set(kinds), "a page that is read writes"
    return sum(kind == "SELECT" for kind in kinds)
