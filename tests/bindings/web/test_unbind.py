"""Unbind: the harm is shown first, it always works here, and the receipt says what was done."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from bindings import tasks
from bindings.models import Binding
from portal.tenants.models import Instance, Membership
from tests.bindings.api import rows
from tests.bindings.sources import GitLab, live, stored
from tests.bindings.web.conftest import Address, kept
from tests.bindings.web.reading import read
from tests.people import Somebody

CHINESE = {"Accept-Language": "zh-hans"}


def kept_until(days: int = 30) -> str:
    day = timezone.now().date() + timedelta(days=days)
    return f"{day.day} {day:%b %Y}"


def test_what_nothing_uses_is_unbound_with_one_click(
    alice: Somebody, instance: Instance, at: Address
) -> None:
    binding = rows.binding(instance)
    client = alice.client
    page = read(client.get(at.of(binding, "unbind/")))
    assert "Unbind build-bot from prod-registry?" in page.text
    assert "Nothing uses this account. Unbind it?" in page.text
    assert "confirm" not in page.fields
    assert "checked" not in page.fields["revoke"]
    assert "Other tools may use it." in page.text
    answer = client.post(at.of(binding, "unbind/"))
    assert answer.headers["Location"] == at.of(binding, "receipt/")
    receipt = read(client.get(at.of(binding, "receipt/")))
    said = f"build-bot on GitLab is unbound. Trigger settings are kept until {kept_until()}."
    assert said in receipt.text
    assert live(instance) == []
    for old in ("", "unbind/"):
        assert client.get(at.of(binding, old)).headers["Location"] == at.of(binding, "receipt/")


def test_the_same_in_chinese(alice: Somebody, instance: Instance, at: Address) -> None:
    binding = rows.binding(instance)
    client = alice.client
    text = read(client.get(at.of(binding, "unbind/"), headers=CHINESE)).text
    for said in (
        "从 prod-registry 解绑 build-bot？",
        "没有任何内容在使用此账号，是否解绑？",
        "同时在 GitLab 上撤销令牌",
        "其他工具可能仍在使用。",
        "保留",
    ):
        assert said in text
    client.post(at.of(binding, "unbind/"), headers=CHINESE)
    text = read(client.get(at.of(binding, "receipt/"), headers=CHINESE)).text
    assert "解绑成功：GitLab 账号 build-bot。触发器设置保留到 " in text


def test_an_account_in_use_has_to_be_typed(
    alice: Somebody, instance: Instance, at: Address
) -> None:
    binding = rows.binding(instance, used_at=timezone.now())
    client = alice.client
    page = read(client.get(at.of(binding, "unbind/")))
    assert "These stop working straight away:" in page.text
    assert "Type build-bot to confirm" in page.text
    for typed, said in {"": "Fill in this field.", "bob": "Confirm with build-bot."}.items():
        answer = client.post(at.of(binding, "unbind/"), {"confirm": typed})
        assert answer.status_code == 422
        assert said in read(answer).text
    assert live(instance) == [binding]
    assert client.post(at.of(binding, "unbind/"), {"confirm": "build-bot"}).status_code == 302
    assert live(instance) == []


def test_consent_is_revoked_unless_that_is_unticked(
    alice: Somebody, instance: Instance, at: Address
) -> None:
    binding = rows.binding(instance, "github", kind="oauth")
    page = read(alice.client.get(at.of(binding, "unbind/")))
    assert page.fields["revoke"]["checked"] is True
    assert "Other tools may use it." not in page.text


def test_the_receipt_says_item_by_item_what_was_done(
    alice: Somebody, binding: Binding, gitlab: GitLab, at: Address
) -> None:
    client = alice.client
    client.post(at.of(binding, "unbind/"), {"revoke": "on"})
    text = read(client.get(at.of(binding, "receipt/"))).text
    assert "Token revoked on GitLab Under way" in text
    assert "Alice unbound it from prod-registry" in text
    tasks.end_bindings()
    text = read(client.get(at.of(binding, "receipt/"))).text
    assert "Token revoked on GitLab Done" in text
    assert "Credential erased here Done" in text
    assert gitlab.sandbox.token_facts("gitlab", "build-bot")["state"] == "revoked"


def test_a_platform_that_is_down_is_told_and_tried_again(
    alice: Somebody, binding: Binding, gitlab: GitLab, at: Address
) -> None:
    gitlab.fault("status:502")
    client = alice.client
    client.post(at.of(binding, "unbind/"), {"revoke": "on"})
    tasks.end_bindings()
    text = read(client.get(at.of(binding, "receipt/"))).text
    assert "Unbound here. GitLab could not be reached; we keep trying to remove" in text
    assert f"We keep trying until {kept_until(7)}." in text
    text = read(client.get(at.of(binding, "receipt/"), headers=CHINESE)).text
    assert "已在本平台解绑。暂时无法访问 GitLab，7 天内会继续尝试删除" in text


def test_whoever_bound_an_account_may_unbind_it(
    alice: Somebody, bob: Somebody, carol: Somebody, instance: Instance, at: Address
) -> None:
    binding = rows.binding(instance, bound_by=bob.person)
    assert carol.client.post(at.of(binding, "unbind/")).status_code == 403
    assert live(instance) == [binding]
    assert "Unbind this account" in read(bob.client.get(at.of(binding))).text
    assert bob.client.post(at.of(binding, "unbind/")).status_code == 302
    assert stored(binding).unbound_by_name == "Bob"


def test_a_binding_of_the_platform_stays(alice: Somebody, instance: Instance, at: Address) -> None:
    binding = rows.binding(instance, "codearts", kind="platform")
    answer = alice.client.post(at.of(binding, "unbind/"))
    assert answer.status_code == 409
    assert "CA-LOCK-01" in read(answer).text
    assert live(instance) == [binding]


def test_unbinding_needs_a_fresh_sign_in(alice: Somebody, instance: Instance, at: Address) -> None:
    binding = rows.binding(instance)
    late = alice.signed_in(ago=timedelta(minutes=16))
    answer = late.post(at.of(binding, "unbind/"))
    assert answer.headers["Location"].startswith("/accounts/reauthenticate/")
    assert live(instance) == [binding]


def test_who_left_the_tenant_unbinds_nothing(
    bob: Somebody, instance: Instance, at: Address
) -> None:
    binding = rows.binding(instance, bound_by=bob.person)
    client = bob.client
    Membership.objects.filter(user=bob.person).update(left_at=timezone.now())
    assert client.post(at.of(binding, "unbind/")).status_code == 404
    assert kept(binding).unbound_at is None


def test_there_is_no_receipt_of_what_is_bound(
    alice: Somebody, instance: Instance, at: Address
) -> None:
    answer: Any = alice.client.get(at.of(rows.binding(instance), "receipt/"))
    assert answer.status_code == 404
