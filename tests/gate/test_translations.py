"""The Chinese catalogue says what the program says: nothing missing, nothing guessed, nothing left.

The list of what has to be translated is made by Django's own extraction, in a copy of the sources.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from portal import catalogue, embedded

ROOT = Path(embedded.__file__).parent.parent
FOLDERS = ("portal", "bindings", "templates")
ENTRY = re.compile(r'((?:^msgctxt .*\n)?^msgid (?:".*"\n)+(?:msgid_plural (?:".*"\n)+)?)', re.M)


@pytest.fixture(scope="module")
def extracted(tmp_path_factory: pytest.TempPathFactory, django_db_blocker: Any) -> Path:
    """The catalogue as Django would write it for the sources of now, beside no old one."""
    from django.test import override_settings

    copy = tmp_path_factory.mktemp("sources")
    for folder in FOLDERS:
        skipped = shutil.ignore_patterns("locale", "migrations", "__pycache__")
        shutil.copytree(ROOT / folder, copy / folder, ignore=skipped)
    (copy / "locale").mkdir()
    with (
        pytest.MonkeyPatch.context() as place,
        override_settings(LOCALE_PATHS=[str(copy / "locale")]),
    ):
        place.chdir(copy)
        call_command("makemessages", locale=["zh_Hans"], no_location=True, verbosity=0)
    return copy / "locale" / "zh_Hans" / "LC_MESSAGES" / "django.po"


def keys(source: Path) -> set[str]:
    """Context, text and plural of every entry, in one line each."""
    found = ENTRY.findall(source.read_text("utf-8"))
    joined = {re.sub(r'"\n"|""\n', "", entry).strip() for entry in found}
    return {re.sub(r'(msgid|msgid_plural|msgctxt) "', r"\1 ", one) for one in joined}


def ours() -> Path:
    (source,) = catalogue.LOCALE.rglob("*.po")
    return source


def test_everything_the_program_says_is_in_the_catalogue(extracted: Path) -> None:
    assert sorted(keys(extracted) - keys(ours())) == []


def test_the_catalogue_holds_nothing_the_program_no_longer_says(extracted: Path) -> None:
    assert sorted(keys(ours()) - keys(extracted)) == []


def test_nothing_is_left_open_or_guessed() -> None:
    source = ours().read_text("utf-8")
    assert "#, fuzzy" not in source
    assert "#~" not in source
    assert re.findall(r'^msgstr(?:\[\d\])? ""\n(?!")', source, re.M) == []
    translated = catalogue.read(ours())
    assert len(translated) == len(keys(ours()))


def test_what_is_formatted_names_the_same_things_in_both_languages() -> None:
    """A forgotten variable would fail, or be silent, in front of a Chinese reader."""
    for key, text in catalogue.read(ours()).items():
        english = key.partition("\4")[2] or key
        for variable in (r"%\(\w+\)[sd]", r"\{\w+\}"):
            assert set(re.findall(variable, english)) == set(re.findall(variable, text)), english
