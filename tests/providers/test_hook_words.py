"""Is a webhook still sent every push and tag, as the seven hosts say it?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from providers import (
    bitbucket_words,
    codearts_words,
    codeup_words,
    gitea_words,
    gitee_words,
    github_words,
    gitlab_words,
)

Raw = Mapping[str, Any]
URL = "https://portal.example/hooks/hok_test"
FORM = {"config": {"url": URL, "content_type": "form"}}
CASES: Mapping[str, tuple[Any, tuple[Raw, ...]]] = {
    "bitbucket": (bitbucket_words, ({"events": ["repo:fork"]},)),
    "codearts": (codearts_words, ({"push_events": False}, {"tag_push_events": False})),
    "codeup": (codeup_words, ({"pushEvents": False}, {"tagPushEvents": False})),
    "gitea": (gitea_words, ({"events": []}, FORM)),
    "gitee": (gitee_words, ({"push_events": False}, {"tag_push_events": False})),
    "github": (github_words, ({"events": ["fork"]}, FORM)),
    "gitlab": (gitlab_words, ({"push_events": False}, {"tag_push_events": False})),
}


@pytest.mark.parametrize("provider", sorted(CASES))
def test_a_webhook_that_misses_pushes_is_not_complete(provider: str) -> None:
    words, spoilt = CASES[provider]
    wanted = {"id": 1, "uuid": "{1}", **words.wanted_hook(URL, "test-secret")}
    assert words.hook(wanted).complete
    assert words.hook({"id": 1, "uuid": "{1}", "url": URL}).complete
    for change in spoilt:
        assert not words.hook(wanted | change).complete
