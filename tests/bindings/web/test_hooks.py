"""Webhooks of a binding and their deliveries, as people read them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from bindings.models import Binding, Delivery, Hook
from portal.ground import rls
from portal.tenants.models import Instance
from tests.bindings import using
from tests.bindings.api import rows
from tests.bindings.web.conftest import Address
from tests.bindings.web.reading import asked_of_database, read
from tests.people import Somebody

CHINESE = {"Accept-Language": "zh-hans"}


@pytest.fixture
def bound(instance: Instance) -> Binding:
    return rows.binding(instance, "gitlab")


@pytest.fixture
def hook(bound: Binding) -> Hook:
    return using.hook(bound)


def changed(hook: Hook, **columns: object) -> None:
    with rls.tenant(hook.tenant_id):
        Hook.objects.of(hook.tenant_id).filter(pk=hook.pk).update(**columns)


def test_a_webhook_is_shown_with_all_that_is_known_of_it(
    alice: Somebody, bound: Binding, hook: Hook, at: Address
) -> None:
    changed(hook, heard_at=timezone.now() - timedelta(minutes=12))
    page = read(alice.client.get(at.of(bound, "webhooks/")))
    row = page.text[page.text.index("Authenticated by Actions") :]
    for said in ("platform/api", "#5512", "Pushes and tags", "12 min ago", "Active", "Signed"):
        assert said in row
    assert page.links["platform/api"] == at.of(bound, f"webhooks/{hook.public_id}/")
    assert "Webhooks 1" in page.text  # the tab counts them


def test_without_webhooks_the_page_says_what_to_do(
    alice: Somebody, bound: Binding, at: Address
) -> None:
    client, where = alice.client, at.of(bound, "webhooks/")
    said = "No webhooks yet. Turn on automatic builds for a repository."
    page = read(client.get(where))
    assert said in page.text
    assert page.links["Add webhook"] == at.of(bound, "webhooks/new/")
    chinese = read(client.get(where, headers=CHINESE)).text
    assert "还没有 Webhook。请为仓库开启自动构建。" in chinese


@pytest.mark.parametrize(
    ("status", "english", "chinese"),
    [
        (
            "missing",
            "The webhook is gone from GitLab. Add it again",
            "GitLab 上的 Webhook 已被删除。 重新添加",
        ),
        (
            "disabled",
            "GitLab switched the webhook off after failed deliveries. Repair webhook",
            "多次投递失败后 GitLab 停用了此 Webhook。 修复 Webhook",
        ),
        (
            "mismatch",
            "Signature does not match. The secret on GitLab is not ours. Repair webhook",
            "签名不匹配，GitLab 上的密钥与本平台不一致。 修复 Webhook",
        ),
    ],
    ids=lambda given: given if given.isalpha() else "",
)
def test_trouble_is_said_with_the_button_that_mends_it(
    alice: Somebody,
    bound: Binding,
    hook: Hook,
    at: Address,
    status: str,
    english: str,
    chinese: str,
) -> None:
    changed(hook, status=status)
    for page in ("webhooks/", f"webhooks/{hook.public_id}/"):
        assert english in read(alice.client.get(at.of(bound, page))).text
        shown = alice.client.get(at.of(bound, page), headers=CHINESE)
        assert chinese in read(shown).text


OUTCOMES = [
    ({"outcome": "ignored"}, "Nothing to build", "无需构建"),
    ({"outcome": "no_trigger"}, "No trigger for main", "main 没有对应的触发器"),
    ({"duplicates": 3}, "Received 3 more times", "另外收到 3 次"),
    (
        {"outcome": "refused", "signature": "mismatch", "key": None},
        "Signature does not match. The secret on GitLab is not ours.",
        "签名不匹配，GitLab 上的密钥与本平台不一致。",
    ),
    (
        {"outcome": "unconfirmed"},
        "GitLab does not know this commit. Nothing was built.",
        "GitLab 中没有此提交，未触发构建。",
    ),
]


def test_outcomes_are_said_in_the_words_of_the_table(
    alice: Somebody, bound: Binding, hook: Hook, at: Address
) -> None:
    for columns, _english, _chinese in OUTCOMES:
        using.delivery(hook, **columns)
    for page in ("deliveries/", f"webhooks/{hook.public_id}/"):
        english = read(alice.client.get(at.of(bound, page))).text
        chinese = read(alice.client.get(at.of(bound, page), headers=CHINESE)).text
        assert [said for _columns, said, _other in OUTCOMES if said not in english] == []
        assert [said for _columns, _other, said in OUTCOMES if said not in chinese] == []


def test_what_was_sent_on_says_to_how_many(
    alice: Somebody, bound: Binding, hook: Hook, at: Address
) -> None:
    event = using.event(bound, "build.push", repository={"path": "platform/api"}, name="main")
    for name, state in (("builder", "delivered"), ("mirror", "abandoned")):
        to = using.endpoint(bound.instance.tenant, name)
        using.dispatch(event, to, state=state, attempts=[{"http_status": 503, "ms": 12}])
    made = using.delivery(hook, outcome="matched", events=[str(event.pk)])
    listed = read(alice.client.get(at.of(bound, f"webhooks/{hook.public_id}/"))).text
    assert "Sent to 2 endpoints" in listed
    assert "1 did not take it" in listed
    page = read(alice.client.get(at.of(bound, f"deliveries/{made.public_id}/"))).text
    assert "builder build.push Delivered 503 · 1 try" in page
    assert "mirror build.push Given up" in page
    chinese = alice.client.get(at.of(bound, "deliveries/"), headers=CHINESE)
    assert "已发送到 2 个端点" in read(chinese).text


def test_titles_say_what_was_pushed(
    alice: Somebody, bound: Binding, hook: Hook, at: Address
) -> None:
    using.delivery(hook, "refs/tags/v4.12.0", event="tag")
    using.delivery(hook, "", event="ping", outcome="ignored")
    gone = {"ref": "refs/heads/old", "before": "1" * 40, "after": "0" * 40}
    using.delivery(hook, refs=[gone, gone, gone], outcome="ignored")
    text = read(alice.client.get(at.of(bound, "deliveries/"))).text
    for said in ("Tag v4.12.0", "Test event", "Branch old removed and 2 more"):
        assert said in text


def test_filters_narrow_the_list(alice: Somebody, bound: Binding, hook: Hook, at: Address) -> None:
    using.delivery(hook, "refs/heads/one", outcome="ignored")
    using.delivery(hook, "refs/tags/two", event="tag", outcome="failed")
    using.delivery(hook, "refs/heads/three", outcome="refused", signature="missing")
    client, where = alice.client, at.of(bound, "deliveries/")

    def found(query: str) -> set[str]:
        text = read(client.get(f"{where}?{query}")).text
        return {name for name in ("Push to one", "Tag two", "Push to three") if name in text}

    assert found("event=tag") == {"Tag two"}
    assert found("outcome=ignored") == {"Push to one"}
    assert found("signature=missing") == {"Push to three"}
    assert found("outcome=nonsense") == {"Push to one", "Tag two", "Push to three"}
    assert "Nothing matches. Clear filters" in read(client.get(f"{where}?outcome=queued")).text


def test_a_delivery_is_shown_set_out_and_never_as_markup(
    alice: Somebody, bound: Binding, hook: Hook, at: Address
) -> None:
    made = using.delivery(hook)
    answer = alice.client.get(at.of(bound, f"deliveries/{made.public_id}/"))
    page = read(answer)
    assert '"ref": "refs/heads/main",\n  "after"' in answer.content.decode().replace("&quot;", '"')
    assert "<b>marta</b>" not in page.source
    assert "<i>GitLab</i>" not in page.source
    assert "X-Gitlab-Event Push Hook" in page.text
    assert using.HOOK_SECRET not in page.source


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff\xfe not text", b"[" * 100_000, b"payload=%7B%7D", b"x" * 300_000],
    ids=["empty", "bytes", "deep", "form", "long"],
)
def test_any_payload_can_be_shown(
    alice: Somebody, bound: Binding, hook: Hook, at: Address, body: bytes
) -> None:
    made = using.delivery(hook, body=body, outcome="unreadable", refs=[])
    answer = alice.client.get(at.of(bound, f"deliveries/{made.public_id}/"))
    assert answer.status_code == 200
    assert ("Only its beginning is shown." in read(answer).text) == (len(body) > 256 * 1024)


def test_deliveries_are_read_page_by_page(
    alice: Somebody, bound: Binding, hook: Hook, at: Address
) -> None:
    now = timezone.now()
    for n in range(60):
        using.delivery(hook, f"refs/heads/b-{n}", received_at=now - timedelta(minutes=n))
    client, where = alice.client, at.of(bound, f"webhooks/{hook.public_id}/")
    first = read(client.get(where))
    assert first.text.count("Push to b-") == 100  # each is named again for who hears the page
    assert "Push to b-49 " in first.text
    older = read(client.get(f"{where}{first.links['Next']}"))
    assert "Push to b-49 " not in older.text
    assert "Push to b-59 " in older.text
    assert asked_of_database(client, where) <= 10
    assert asked_of_database(client, at.of(bound, "deliveries/")) <= 10
    assert asked_of_database(client, at.of(bound, "webhooks/")) <= 10


def test_a_delivery_of_another_binding_or_tenant_is_not_there(
    alice: Somebody,
    mallory: Somebody,
    bound: Binding,
    hook: Hook,
    second_instance: Instance,
    at: Address,
) -> None:
    made = using.delivery(hook)
    other = rows.binding(second_instance, "gitlab")
    for page in (f"deliveries/{made.public_id}/", f"webhooks/{hook.public_id}/"):
        assert alice.client.get(at.of(other, page)).status_code == 404
        assert mallory.client.get(at.of(bound, page)).status_code == 404
        theirs = at.of(bound, page).replace("/acme/", "/globex/")
        assert mallory.client.get(theirs).status_code == 404


def test_a_viewer_is_offered_nothing_and_told_who_can(
    carol: Somebody, bound: Binding, hook: Hook, at: Address
) -> None:
    page = read(carol.client.get(at.of(bound)))
    assert not {"Webhooks 1", "Clones", "Repositories"} & set(page.links)
    refused = carol.client.get(at.of(bound, "webhooks/"))
    assert refused.status_code == 403
    assert "Ask an admin: Alice." in read(refused).text


def test_a_refused_delivery_cannot_be_replayed(
    alice: Somebody, bound: Binding, hook: Hook, at: Address
) -> None:
    made: Delivery = using.delivery(hook, outcome="refused", signature="missing", body=b"")
    page = read(alice.client.get(at.of(bound, f"deliveries/{made.public_id}/")))
    assert "The payload of a refused delivery is not kept." in page.text
    assert f"deliveries/{made.public_id}/replay/" not in page.source


def test_a_webhook_is_added_repaired_compared_and_removed(
    alice: Somebody, binding: Binding, at: Address
) -> None:
    client, typed = alice.client, {"repository": "platform/api"}
    made = client.post(at.of(binding, "webhooks/new/"), typed)
    where = made.headers["Location"]
    assert "The webhook was added." in read(client.get(where)).text
    client.post(at.of(binding, "webhooks/new/"), typed)
    assert "This webhook was there already." in read(client.get(where)).text
    for act, said in {
        "repair": "The webhook is in place again, with a new secret.",
        "recover": "Nothing was missed.",
    }.items():
        assert client.post(f"{where}{act}/").headers["Location"] == where
        assert said in read(client.get(where)).text
    assert "Remove the webhook of platform/api?" in read(client.get(f"{where}remove/")).text
    gone = client.post(f"{where}remove/")
    page = read(client.get(gone.headers["Location"])).text
    assert "The webhook of platform/api is being removed." in page
    assert "No webhooks yet." in page


def test_a_role_that_is_too_low_is_said_before_and_after(
    alice: Somebody, binding: Binding, at: Address
) -> None:
    where = at.of(binding, "webhooks/new/")
    before = read(alice.client.get(where))
    assert "needs this role in the repository: Maintainer." in before.text
    answer = alice.client.post(where, {"repository": "no/such"})
    assert answer.status_code == 422
    assert read(answer).fields["repository"]["value"] == "no/such"


def test_many_deliveries_are_replayed_at_once(
    alice: Somebody, bound: Binding, hook: Hook, at: Address
) -> None:
    made = [using.delivery(hook, outcome="failed") for _ in range(3)]
    refused = using.delivery(hook, outcome="refused", signature="missing", key=None)
    page = at.of(bound, f"webhooks/{hook.public_id}/")
    client = alice.client
    assert "Replay 3 failed" in read(client.get(page)).text
    picked = {"delivery": [one.public_id for one in (*made, refused)], "next": page}
    answer = client.post(at.of(bound, "deliveries/replay/"), picked)
    assert answer.headers["Location"] == page
    text = read(client.get(page)).text
    assert "3 deliveries are being replayed." in text
    assert text.count("Replayed 1 time") == 3
    client.post(at.of(bound, "deliveries/replay/"), {"next": "//evil.example/"})
    assert "Nothing was ticked." in read(client.get(page)).text
