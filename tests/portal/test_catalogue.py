"""Translations without gettext's programs: read as the standard library reads msgfmt's."""

from __future__ import annotations

import gettext
import io
import os
from pathlib import Path

import pytest

from portal import catalogue

SOURCE = r"""
msgid ""
msgstr "Content-Type: text/plain; charset=UTF-8\nPlural-Forms: nplurals=2; plural=n!=1;\n"

# A comment.
#: somewhere.py:1
msgid "Bind"
msgstr "绑定"
msgctxt "a \"noun\""
msgid "Bind"
msgstr ""
"捆"
"绑"

msgid "{n} build"
msgid_plural "{n} builds"
msgstr[0] "one"
msgstr[1] "many"

#, fuzzy, python-format
msgid "uncertain"
msgstr "wrong"

msgid "unfinished"
msgstr ""

#~ msgid "gone"
#~ msgstr "old"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "django.po").write_text(SOURCE, encoding="utf-8")
    return tmp_path


def compiled(folder: Path) -> gettext.GNUTranslations:
    return gettext.GNUTranslations(io.BytesIO((folder / "django.mo").read_bytes()))


def test_texts_contexts_and_plurals_are_found(folder: Path) -> None:
    assert catalogue.compile_all(folder) == [folder / "django.mo"]
    found = compiled(folder)

    assert found.gettext("Bind") == "绑定"
    assert found.pgettext('a "noun"', "Bind") == "捆绑"
    assert [found.ngettext("{n} build", "{n} builds", n) for n in (1, 2)] == ["one", "many"]


@pytest.mark.parametrize("text", ["uncertain", "unfinished", "gone"])
def test_what_is_not_translated_stays_as_it_is(folder: Path, text: str) -> None:
    catalogue.compile_all(folder)
    assert compiled(folder).gettext(text) == text


def test_only_what_changed_is_written(folder: Path) -> None:
    catalogue.compile_all(folder)
    assert catalogue.compile_all(folder) == []

    later = (folder / "django.mo").stat().st_mtime + 10
    os.utime(folder / "django.po", (later, later))
    assert catalogue.compile_all(folder) == [folder / "django.mo"]


def test_a_broken_line_is_named(folder: Path) -> None:
    (folder / "django.po").write_text('msgid ""\nmsgstr "no end\n')
    with pytest.raises(ValueError, match=r"django\.po:2 is not a line of a catalogue"):
        catalogue.compile_all(folder)


def test_our_own_catalogue_can_be_used() -> None:
    sources = list(catalogue.LOCALE.rglob("*.po"))
    assert sources
    for source in sources:
        with source.with_suffix(".mo").open("rb") as ready:
            assert gettext.GNUTranslations(ready).info()["language"] == "zh_Hans"
