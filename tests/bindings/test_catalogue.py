"""The catalogue says what was agreed, letter by letter, and is the same wherever it is read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import unescape
from pathlib import Path

import pytest
from django.test import Client
from django.utils import translation

from bindings import problems
from bindings.problems import LANGUAGES, PLATFORMS
from bindings.problems.areas import TITLES

CORPUS = Path(__file__).parent / "corpora" / "messages.jsonl"
ROWS = [json.loads(line) for line in CORPUS.read_text("utf-8").splitlines()]
SHARED = "7.1"
TYPED = [*(f"ADDR-0{n}" for n in (1, 2, 4, 5, 6, 7, 8, 9)), "HTTP-01"]
LATER = {"X-DRILL-01", "X-DRILL-02"}
"""Codes that came after the tables were agreed."""


def sentence(row: Mapping[str, str]) -> dict[str, str]:
    return {language: row[language] for language in LANGUAGES}


def agreed() -> dict[str, dict[str, str]]:
    """Code → its sentence in both languages: a platform's own row replaces a shared one."""
    own = {row["code"]: sentence(row) for row in ROWS if "-" in row.get("code", "")}
    shared = {row["code"]: sentence(row) for row in ROWS if row["section"] == SHARED}
    found = {code: said for code, said in own.items() if code not in shared}
    for suffix, said in shared.items():
        for prefix in PLATFORMS:
            code = f"{prefix}-{suffix}"
            if code in problems.ALL:
                found.setdefault(code, said)
    for suffix in TYPED:  # "as for GitLab, with Gitea"
        said = own[f"GL-{suffix}"]
        found[f"GT-{suffix}"] = {k: v.replace("GitLab", "Gitea") for k, v in said.items()}
    return found


AGREED = agreed()


@pytest.mark.parametrize("code", list(AGREED))
def test_a_sentence_is_the_one_that_was_agreed(code: str) -> None:
    assert problems.texts(code) == AGREED[code]


def test_the_titles_of_areas_are_those_that_were_agreed() -> None:
    wanted = {row["area"]: sentence(row) for row in ROWS if "area" in row}
    found: dict[str, dict[str, str]] = {area: {} for area in TITLES}
    for language in LANGUAGES:
        with translation.override(language):
            for area, title in TITLES.items():
                found[area][language] = str(title)
    assert found == wanted


def test_every_code_was_agreed_and_every_agreed_code_exists() -> None:
    assert set(problems.ALL) - set(AGREED) == LATER
    assert set(AGREED) <= set(problems.ALL)


def test_the_levels_are_those_that_were_agreed() -> None:
    levels = {row["code"]: row["level"] for row in ROWS if "level" in row}
    for code in AGREED:
        suffix = code.partition("-")[2]
        told = levels.get(code) or levels.get(suffix) or levels[f"GL-{suffix}"]
        assert problems.get(code).level.value[0].upper() == told, code


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_code_has_a_page_for_everybody_that_says_what_the_api_says(
    nobody: Client, language: str
) -> None:
    headers = {"Accept-Language": language}
    listed = nobody.get("/api/v1/problems", headers=headers).json()["data"]
    assert {one["code"] for one in listed} == set(problems.ALL)
    for one in listed:
        answer = nobody.get(f"/help/errors/{one['code']}/", headers=headers)
        assert answer.status_code == 200, one["code"]
        assert answer.headers["Content-Language"] == language
        page = unescape(answer.content.decode())
        assert one["text"] == problems.texts(one["code"])
        with translation.override(language):
            said = problems.render(one["code"])
        assert one["code"] in page
        assert said.title in page, one["code"]
        assert said.detail in page, one["code"]
