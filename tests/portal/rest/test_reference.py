"""The reference pages: from this host alone, under a policy that lets nothing else in."""

from __future__ import annotations

import re

from django.contrib.staticfiles import finders
from django.test import Client


def test_the_page_and_all_it_loads_come_from_here(nobody: Client):
    answer = nobody.get("/api/docs/")
    assert answer.status_code == 200
    page = answer.content.decode()
    loaded = re.findall(r'<(?:script|link)[^>]+(?:src|href)="([^"]+)"', page)
    assert len(loaded) == 4
    for address in loaded:
        assert address.startswith("/static/")
        assert finders.find(address.removeprefix("/static/"))
    assert "<script>" not in page


def test_its_policy_lets_no_other_host_in(nobody: Client):
    policy = nobody.get("/api/docs/").headers["Content-Security-Policy"]
    told = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert told["default-src"] == "'none'"
    assert told["script-src"] == told["connect-src"] == "'self'"
    assert "http" not in policy


def test_other_pages_keep_the_strict_policy(nobody: Client):
    assert "unsafe-inline" not in nobody.get("/accounts/login/").headers["Content-Security-Policy"]


def test_it_is_read_only(nobody: Client):
    assert nobody.post("/api/docs/").status_code == 405
