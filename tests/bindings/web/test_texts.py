"""The sentences people have to see, letter by letter, in both languages (ux/spec.md 5 and 6)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.contrib.messages.storage.fallback import FallbackStorage
from django.test import RequestFactory
from django.utils import translation

from bindings.services.browse.specs import LABELS, ORDER
from bindings.web.window import congratulate
from portal.tenants.models import Instance
from tests.bindings.api import rows
from tests.bindings.web.conftest import Address
from tests.bindings.web.reading import read
from tests.people import Somebody

CHINESE = {"Accept-Language": "zh-hans"}
CORPUS = Path(__file__).parent.parent / "corpora" / "page_texts.jsonl"
ROWS = [json.loads(line) for line in CORPUS.read_text("utf-8").splitlines()]


def texts(page: str, profile: str | None = None) -> dict[str, str]:
    """English → Chinese, of the sentences of a page; those of one address profile by its name."""
    found = [row for row in ROWS if row["page"] == page and row.get("profile") == profile]
    return {row["en"]: row["zh"] for row in found}


def missing(somebody: Somebody, path: str, sentences: dict[str, str]) -> list[str]:
    """The sentences that the page does not say, in either language."""
    client = somebody.client
    english = read(client.get(path)).text
    chinese = read(client.get(path, headers=CHINESE)).text
    return [one for one in sentences if one not in english] + [
        one for one in sentences.values() if one not in chinese
    ]


def test_code_sources(alice: Somebody, at: Address) -> None:
    assert missing(alice, at.sources, texts("sources")) == []


@pytest.mark.parametrize(("profile", "other"), [("seed", "extended"), ("extended", "seed")])
def test_the_token_form(
    alice: Somebody, at: Address, settings: Any, profile: str, other: str
) -> None:
    settings.MOORING_PROFILE = profile
    for page in (at.bind(), "/help/gitlab/"):
        assert missing(alice, page, texts("bind", profile)) == []
        # What holds under the other profile is not said at all.
        assert len(missing(alice, page, texts("bind", other))) == 2 * len(texts("bind", other)) > 0
    assert missing(alice, at.bind(), texts("bind")) == []


def test_the_addresses_to_allow(alice: Somebody, at: Address, settings: Any) -> None:
    assert missing(alice, at.bind(), texts("no_ranges")) == []
    settings.MOORING_EGRESS_RANGES = ["198.51.100.16/28", "198.51.100.48/28"]
    settings.MOORING_BUILDER_RANGES = ["203.0.113.0/24"]
    assert missing(alice, at.bind(), texts("ranges")) == []
    page = read(alice.client.get(at.bind()))
    assert "198.51.100.16/28 198.51.100.48/28" in page.text
    assert "203.0.113.0/24" in page.text
    assert len(missing(alice, at.bind(), texts("no_ranges"))) == 2


@pytest.mark.parametrize("provider", ORDER)
def test_success(instance: Instance, provider: str) -> None:
    binding = rows.binding(instance, provider, repositories_seen=3)
    request = RequestFactory().get("/")
    told = {}
    for language in ("en", "zh-hans"):
        request.session = {}  # type: ignore[assignment]  # all that messages need
        request._messages = FallbackStorage(request)  # type: ignore[attr-defined]  # Django's own way in its tests
        with translation.override(language):
            congratulate(request, binding, instance)
        (message,) = get_messages(request)
        told[language] = str(message).splitlines()
    name = LABELS[provider]
    linked = "You have successfully linked your GitHub account."
    bound = f"You have successfully bound your {name} account."
    assert told["en"] == [
        linked if provider == "github" else bound,
        "build-bot is bound to prod-registry. 3 repositories can be built.",
    ]
    assert told["zh-hans"] == [
        f"您已成功绑定 {name} 账号。",
        "已将 build-bot 绑定到 prod-registry，可构建 3 个仓库。",
    ]
