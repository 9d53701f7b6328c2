"""Code sources: seven rows, one word and one button for each state, for everybody's eyes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from bindings.models import Binding, Check
from portal.ground import rls
from portal.tenants.models import Instance
from tests.bindings.api import rows
from tests.bindings.web.conftest import Address, kept
from tests.bindings.web.reading import asked_of_database, read
from tests.people import Somebody

PLATFORMS = ["GitHub", "GitLab", "Gitee", "Bitbucket", "CodeArts", "Codeup", "Gitea"]
SOON = datetime.combine(timezone.now().date() + timedelta(days=6), datetime.min.time(), UTC)

# state → columns, English, Chinese, tone, button of a token, button of OAuth (ux/spec.md 3.1)
STATES: dict[str, tuple[dict[str, Any], str, str, str, str, str]] = {
    "suspended": ({"status": "suspended"}, "Paused", "已暂停", "", "Why?", "Why?"),
    "undecryptable": (
        {"status": "undecryptable"},
        "Cannot be opened",
        "无法解密",
        "bad",
        "Replace token",
        "Reconnect",
    ),
    "pending": (
        {"status": "pending"},
        "Waiting for confirmation",
        "待确认",
        "info",
        "Continue",
        "Continue",
    ),
    "revoked": (
        {"status": "revoked"},
        "Reconnect",
        "需要重新连接",
        "bad",
        "Reconnect",
        "Reconnect",
    ),
    "expired": ({"status": "expired"}, "Ended", "已到期", "bad", "Replace token", "Reconnect"),
    "unreachable": (
        {"reach": "unreachable"},
        "Server unreachable",
        "服务器无法访问",
        "bad",
        "Check now",
        "Check now",
    ),
    "insufficient": (
        {"status": "insufficient"},
        "A permission is missing",
        "权限不足",
        "warn",
        "Fix",
        "Fix",
    ),
    "expiring": (
        {"status": "expiring", "expires_at": SOON},
        "Ends in 6 days",
        "6 天后到期",
        "warn",
        "Replace token",
        "Reconnect",
    ),
    "degraded": ({"reach": "degraded"}, "Unstable", "不稳定", "warn", "Check now", "Check now"),
    "rate_limited": (
        {"reach": "rate_limited"},
        "Waiting for the platform",
        "等待平台限流恢复",
        "warn",
        "",
        "",
    ),
    "healthy": ({}, "Healthy", "正常", "ok", "Open", "Open"),
}


def row_of(client: Any, at: Address, slug: str = "gitlab", **headers: str) -> str:
    return read(client.get(at.sources, headers=headers)).rows[f"row-{slug}"]


def test_all_platforms_have_a_row_in_the_fixed_order(alice: Somebody, at: Address) -> None:
    page = read(alice.client.get(at.sources))
    assert [text.split()[1] for text in page.rows.values()] == PLATFORMS


BUTTONS = ("Why?", "Replace token", "Reconnect", "Continue", "Check now", "Fix", "Open")


@pytest.mark.parametrize("kind", ["token", "oauth"])
def test_each_state_has_its_word_tone_and_button(
    alice: Somebody, instance: Instance, at: Address, kind: str
) -> None:
    binding = rows.binding(instance, "gitlab", kind=kind)
    calm = {"status": "active", "reach": "ok", "expires_at": binding.expires_at}
    client, chinese_client = alice.client, alice.client
    chinese_client.cookies["mooring_language"] = "zh-hans"
    for state, (columns, english, chinese, tone, by_token, by_consent) in STATES.items():
        kept(binding, **(calm | columns))
        page = read(client.get(at.sources))
        row = page.rows["row-gitlab"]
        # The button names the platform for who cannot see the row.
        pressed = [word for word in BUTTONS if f"{word} GitLab" in row]
        assert (state, pressed) == (
            state,
            list(filter(None, [by_token if kind == "token" else by_consent])),
        )
        assert english in row
        assert f'<span class="pill {tone}">' in page.source
        assert chinese in row_of(chinese_client, at)


def test_a_permission_without_which_nothing_works_is_red(
    alice: Somebody, instance: Instance, at: Address
) -> None:
    broken = {"ok": False, "code": "GL-SCOPE-01", "proven_at": None}
    rows.binding(instance, "gitlab", status="insufficient", proofs={"list": broken})
    assert '<span class="pill bad">' in alice.client.get(at.sources).content.decode()


def test_who_may_not_bind_gets_open_or_check(
    bob: Somebody, carol: Somebody, instance: Instance, at: Address
) -> None:
    binding = rows.binding(instance, "gitlab", status="revoked")
    assert "Open GitLab" in row_of(bob.client, at)
    assert "Open GitLab" in row_of(carol.client, at)
    kept(binding, status="active", reach="unreachable")
    assert "Check now GitLab" in row_of(bob.client, at)
    assert "Open GitLab" in row_of(carol.client, at)
    assert "Bind account" not in read(bob.client.get(at.sources)).text


def test_what_is_bound_says_so_beside_its_button(
    alice: Somebody, instance: Instance, at: Address
) -> None:
    rows.binding(instance, "gitlab", repositories_seen=128)
    row = row_of(alice.client, at)
    assert "build-bot 128 repositories Access token Healthy" in row
    assert "Bound Open" in row
    assert "Bound" not in row_of(alice.client, at, "github")
    assert "已绑定" in row_of(alice.client, at, **{"Accept-Language": "zh-hans"})


def test_the_end_is_said_in_the_words_of_its_quality(
    alice: Somebody, instance: Instance, at: Address
) -> None:
    binding = rows.binding(instance, "gitlab", status="expiring", expires_at=SOON)
    day = f"{SOON.day} {SOON:%b %Y}"
    for columns, said in [
        ({}, f"in 6 days {day} at 00:00 UTC"),
        ({"quality": "stated", "stated_by": "Alice"}, f"in 6 days {day}, entered by Alice"),
        ({"renews": True}, "Renews itself"),
        ({"renews": False, "quality": "idle"}, "No end date ends if unused for 1 year"),
        ({"quality": "unknown", "expires_at": None}, "End date unknown Enter it"),
        ({"quality": "never"}, "No end date"),
    ]:
        kept(binding, **columns)
        assert said in row_of(alice.client, at)


def test_nobody_is_asked_for_a_date_who_may_not_state_it(
    bob: Somebody, instance: Instance, at: Address
) -> None:
    rows.binding(instance, "gitlab", quality="unknown", expires_at=None)
    assert "End date unknown" in row_of(bob.client, at)
    assert "Enter it" not in row_of(bob.client, at)


def test_a_running_check_is_said_and_followed_for_half_a_minute(
    alice: Somebody, instance: Instance, at: Address
) -> None:
    binding = rows.binding(instance, "gitlab")
    with rls.tenant(binding.tenant_id):
        check = Check.objects.create(
            tenant_id=binding.tenant_id, binding=binding, cause="manual", status="running"
        )
    page = read(alice.client.get(at.sources))
    assert "Checking…" in page.rows["row-gitlab"]
    assert 'hx-trigger="every 700ms"' in page.source
    assert 'hx-select-oob="#numbers,#said,#row-gitlab"' in page.source
    with rls.tenant(binding.tenant_id):
        old = timezone.now() - timedelta(seconds=31)
        Check.objects.of(binding.tenant_id).filter(pk=check.pk).update(started_at=old)
    later = read(alice.client.get(at.sources))
    assert "Checking…" in later.rows["row-gitlab"]
    assert "hx-trigger" not in later.source


def test_one_refusal_is_not_yet_believed(alice: Somebody, instance: Instance, at: Address) -> None:
    rows.binding(instance, "gitlab", reach="degraded", suspicion=1)
    row = row_of(alice.client, at)
    assert "Unstable" in row
    assert "Refused once. Confirming…" in row


def test_four_numbers_say_what_to_look_at(
    alice: Somebody, instance: Instance, at: Address, seven: dict[str, Binding]
) -> None:
    kept(seven["gitlab"], status="expiring", expires_at=SOON)
    kept(seven["gitee"], status="revoked")
    kept(seven["gitea"], reach="rate_limited")
    text = read(alice.client.get(at.sources)).text
    assert "Bound 7 of 7 platforms offered Healthy 4" in text
    assert "Need attention 2 1 expiring, 1 to reconnect Next check" in text


def test_the_plot_shows_what_ends_and_what_renews(
    alice: Somebody, instance: Instance, at: Address, seven: dict[str, Binding]
) -> None:
    kept(seven["gitlab"], status="expiring", expires_at=SOON)
    kept(seven["gitee"], status="revoked", quality="unknown", expires_at=None)
    kept(seven["bitbucket"], renews=True)
    source = alice.client.get(at.sources).content.decode()
    plot = source[source.index('<svg class="plot short"') :].partition("</svg>")[0]
    lanes = [name for name in PLATFORMS if f">{name}<" in plot]
    assert lanes == ["GitLab", "Gitee", "Bitbucket"]
    assert plot.index("Gitee") < plot.index("GitLab") < plot.index("Bitbucket")
    assert plot.count('class="dashed"') == 1


# -- the banner -----------------------------------------------------------------------------------


def banner(client: Any, at: Address) -> str:
    text = read(client.get(at.sources)).text
    return text[text.index("Activity") :].partition("Bound")[0]


def test_the_most_urgent_thing_stands_on_top(
    alice: Somebody, instance: Instance, at: Address, seven: dict[str, Binding]
) -> None:
    kept(seven["gitlab"], status="expiring", expires_at=SOON)
    assert "The GitLab token ends in 6 days." in banner(alice.client, at)
    kept(seven["gitee"], status="revoked", why="refused")
    told = banner(alice.client, at)
    assert "Gitee: Reconnect" in told
    assert "Gitee ended the connection" in told
    assert "GitLab" not in told


def test_a_server_that_refuses_many_is_not_believed(
    alice: Somebody, instance: Instance, at: Address
) -> None:
    binding = rows.binding(instance, "gitlab", status="active")
    with rls.fleet("a test holds a host"):
        type(binding.host).objects.filter(pk=binding.host_id).update(held_since=timezone.now())
    said = "https://gitlab.example refuses many accounts at once. We wait before we believe it."
    assert said in banner(alice.client, at)


def test_a_reminder_can_wait_a_day(
    alice: Somebody, bob: Somebody, instance: Instance, at: Address
) -> None:
    binding = rows.binding(instance, "gitlab", status="expiring", expires_at=SOON)
    client = alice.client
    assert "Remind me tomorrow" in banner(client, at)
    assert client.post(at.of(binding, "later/")).headers["Location"] == at.sources
    assert "ends in 6 days" not in banner(client, at)
    assert "ends in 6 days" in banner(bob.client, at)
    session = client.session
    session["quiet"] = {key: end - 86_401 for key, end in session["quiet"].items()}
    session.save()
    assert "ends in 6 days" in banner(client, at)


def test_the_last_day_cannot_wait(alice: Somebody, instance: Instance, at: Address) -> None:
    binding = rows.binding(instance, "gitlab", status="expiring", expires_at=SOON)
    client = alice.client
    client.post(at.of(binding, "later/"))
    kept(binding, expires_at=SOON - timedelta(days=5))
    told = banner(client, at)
    assert "The GitLab token ends in 1 day." in told
    assert "Remind me tomorrow" not in told


# -- nothing bound, nothing offered ---------------------------------------------------------------


def test_the_first_visit_asks_where_the_code_lives(alice: Somebody, at: Address) -> None:
    page = read(alice.client.get(at.sources))
    assert "Where does your code live?" in page.text
    assert page.links["Bind account GitLab"] == at.bind()
    assert "Next check" not in page.text


def test_who_may_not_bind_is_told_whom_to_ask(carol: Somebody, at: Address) -> None:
    text = read(carol.client.get(at.sources)).text
    assert "Nothing is bound yet. An admin can bind an account: Alice." in text


def test_a_platform_without_a_server_is_not_offered(alice: Somebody, at: Address) -> None:
    assert "not switched on here None Not offered" in row_of(alice.client, at, "gitee")
    with rls.fleet("a test's host"):
        rows.host("github", client_id="test")
    assert "Not bound" in row_of(alice.client, at, "github")


def test_a_region_without_the_feature_says_so(
    alice: Somebody, instance: Instance, at: Address, settings: Any
) -> None:
    settings.MOORING_REGIONS = ["elsewhere"]
    page = read(alice.client.get(at.sources))
    assert "Binding code sources is not available in default yet." in page.text
    assert "Bind account" not in page.text
    refused = alice.client.get(at.bind())
    assert refused.status_code == 422
    assert "GitLab is not available in region default." in read(refused).text


# -- checking everything --------------------------------------------------------------------------


def test_all_are_checked_at_most_once_a_minute(
    alice: Somebody, instance: Instance, at: Address
) -> None:
    rows.binding(instance, "gitlab")
    client = alice.client
    client.post(f"{at.sources}check/")
    first = read(client.get(at.sources))
    assert "Checking 1 account…" in first.text
    assert "Checking…" in first.rows["row-gitlab"]
    client.post(f"{at.sources}check/")
    told = read(client.get(at.sources)).text
    assert "seconds ago. Try again in" in told
    assert "Checking 1 account…" not in told


# -- what a page costs, and what it may lead to ---------------------------------------------------


def test_the_page_asks_the_database_six_times_for_seven_bindings(
    alice: Somebody, at: Address, seven: dict[str, Binding]
) -> None:
    assert asked_of_database(alice.client, at.sources) <= 6


def test_its_forms_may_lead_to_the_servers_with_an_app_and_nowhere_else(
    alice: Somebody, at: Address
) -> None:
    rows.host("github", client_id="test", base_url="https://github.example/base")
    rows.host("gitlab")
    policy = alice.client.get(at.sources).headers["Content-Security-Policy"]
    allowed = [part.strip() for part in policy.split(";") if "form-action" in part]
    assert allowed == ["form-action 'self' https://github.example"]
