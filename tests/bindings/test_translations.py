"""The Chinese texts: whole, without guesses, and compiled from what is written."""

from __future__ import annotations

import ast
import gettext
import re
from pathlib import Path

import portal

FOLDER = Path(portal.__file__).parent / "locale" / "zh_Hans" / "LC_MESSAGES"
ENTRY = re.compile(
    r'^(?:msgctxt (?P<ctx>"(?:.*"\n")*.*")\n)?'
    r'msgid (?P<id>"(?:.*"\n")*.*")\n'
    r'(?:msgid_plural (?P<plural>"(?:.*"\n")*.*")\n)?'
    r'msgstr(?:\[0\])? (?P<str>"(?:.*"\n")*.*")$',
    re.MULTILINE,
)


def text(quoted: str | None) -> str:
    return "".join(ast.literal_eval(line) for line in (quoted or "").splitlines())


def written() -> list[tuple[str, str, str]]:
    """Context, English and Chinese of every entry but the header."""
    source = (FOLDER / "django.po").read_text("utf-8")
    found = [(text(m["ctx"]), text(m["id"]), text(m["str"])) for m in ENTRY.finditer(source)]
    return [entry for entry in found if entry[1]]


ENTRIES = written()


def test_every_entry_was_read() -> None:
    source = (FOLDER / "django.po").read_text("utf-8")
    assert len(ENTRIES) + 1 == len(re.findall(r"^msgid ", source, re.MULTILINE))


def test_nothing_is_guessed_repeated_or_left_over() -> None:
    source = (FOLDER / "django.po").read_text("utf-8")
    assert "fuzzy" not in source
    assert "#~" not in source
    keys = [(context, english) for context, english, _ in ENTRIES]
    assert len(set(keys)) == len(keys)


def test_a_translation_is_there_and_keeps_the_variables() -> None:
    for _context, english, chinese in ENTRIES:
        assert chinese, english
        for variable in (r"{\w+}", r"%\(\w+\)\w"):
            assert set(re.findall(variable, english)) == set(re.findall(variable, chinese)), english


def test_the_compiled_texts_are_those_that_are_written() -> None:
    with (FOLDER / "django.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    for context, english, chinese in ENTRIES:
        found = compiled.pgettext(context, english) if context else compiled.gettext(english)
        plural = compiled.ngettext(english, english, 2)
        assert chinese in (found, plural), english
