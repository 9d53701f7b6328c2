"""The help pages: one for every code, in both languages, short and whole."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bindings.problems import ALL, LANGUAGES, PLATFORMS, page
from bindings.problems.help import PAGES, SHARED

HEADINGS = {
    "en": ["What it means", "Why it happens", "What to do"],
    "zh-hans": ["含义", "原因", "处理方法"],
}
FILES = [file for language in LANGUAGES for file in sorted((PAGES / language).rglob("*.md"))]


@pytest.mark.parametrize("code", list(ALL))
def test_a_code_has_a_page_that_says_what_why_and_what_to_do(code: str) -> None:
    for language in LANGUAGES:
        text = page(code, language)
        assert re.findall(r"^## (.+)$", text, re.MULTILINE) == HEADINGS[language]
        parts = [part.strip() for part in re.split(r"^## .+$", text, flags=re.MULTILINE)[1:]]
        assert all(len(part) > 5 for part in parts)
        assert parts[2].startswith("- ")
        assert not set("{}") & set(re.sub(r"`[^`]*`", "", text))
        assert bool(re.search(r"[\u4e00-\u9fff]", text)) is (language == "zh-hans")


def test_a_page_fits_on_one_screen() -> None:
    for file in FILES:
        text = file.read_text("utf-8")
        assert 80 < len(text) < 1300, file
        assert text.endswith("\n"), file
        assert len(text.splitlines()) < 24, file


def test_no_two_pages_say_the_same() -> None:
    said = [file.read_text("utf-8") for file in FILES]
    assert len(set(said)) == len(said)


def test_every_file_belongs_to_a_code_and_exists_in_both_languages() -> None:
    suffixes = {problem.suffix for problem in ALL.values()}
    shelves = []
    for language in LANGUAGES:
        shelf = PAGES / language
        files = {str(file.relative_to(shelf)) for file in shelf.rglob("*.md")}
        for name in files:
            shared, _, stem = name.removesuffix(".md").rpartition("/")
            assert stem in (suffixes if shared == SHARED else ALL), name
        shelves.append(files)
    assert shelves[0] == shelves[1]


def test_a_shared_page_names_the_platform_and_an_own_page_wins() -> None:
    for prefix in ("GH", "GT"):
        assert PLATFORMS[prefix].label in page(f"{prefix}-NET-03", "en")
    assert page("GL-SCOPE-02", "en") != page("CA-SCOPE-02", "en")


def test_a_language_we_do_not_write_gets_english() -> None:
    assert page("X-FORM-01", "fr") == page("X-FORM-01", "en")


def test_a_code_that_does_not_exist_has_no_page() -> None:
    for code in ("GL-NONE-01", "../../README", "_common/NET-01"):
        with pytest.raises(KeyError):
            page(code, "en")


def test_a_code_without_a_page_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        page("GL-NET-01", "en", pages=tmp_path)
