"""The lists of a tenant: instances, what ends, what happened."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest
from django.utils import timezone

from bindings.models import Binding
from portal.ground import rls
from portal.tenants.models import Instance
from portal.tenants.services import events
from tests import factories
from tests.bindings import using
from tests.bindings.api import rows
from tests.bindings.web.conftest import Address, kept
from tests.bindings.web.reading import asked_of_database, read
from tests.people import Somebody

HERE = "/t/acme/instances/"
EXPIRY = "/t/acme/expiry/"
ACTIVITY = "/t/acme/activity/"
CHINESE = {"Accept-Language": "zh-hans"}


# -- instances ------------------------------------------------------------------------------------


def test_a_row_shows_platforms_the_worst_state_and_the_next_end(
    alice: Somebody, instance: Instance
) -> None:
    end = timezone.now() + timedelta(days=20)
    rows.binding(instance, "gitlab", expires_at=end, status="expiring")
    rows.binding(instance, "github", status="revoked", quality="idle")
    page = read(alice.client.get(HERE))
    assert "prod-registry" in page.links
    assert "Reconnect" in page.text
    assert f"GitLab, {end.day} {end:%b %Y}" in page.text
    assert 'aria-label="GitHub"' in page.source


def test_filters_stay_in_the_address_and_can_be_cleared(
    alice: Somebody, instance: Instance, second_instance: Instance
) -> None:
    rows.binding(instance, "gitlab")
    client = alice.client
    assert "test-registry" not in read(client.get(f"{HERE}?q=prod")).text
    assert "test-registry" not in read(client.get(f"{HERE}?state=healthy")).text
    assert "prod-registry" not in read(client.get(f"{HERE}?state=unbound")).text
    page = read(client.get(f"{HERE}?q=nothing&region=default"))
    assert "Nothing matches. Clear filters" in page.text
    assert page.fields["q"]["value"] == "nothing"
    assert "没有匹配项。 清除筛选" in read(client.get(f"{HERE}?q=nothing", headers=CHINESE)).text


def test_without_instances_the_page_says_what_to_do_first(alice: Somebody, carol: Somebody) -> None:
    said = "No instances yet. Create one, then bind the account where your code lives."
    page = read(alice.client.get(HERE))
    assert said in page.text
    assert page.links["New instance"] == f"{HERE}new/"
    assert "New instance" not in read(carol.client.get(HERE)).text
    chinese = read(alice.client.get(HERE, headers=CHINESE)).text
    assert "还没有实例。请先新建，再绑定代码所在的账号。" in chinese


def test_a_new_instance_leads_to_its_code_sources(alice: Somebody) -> None:
    made = {"name": "prod-registry", "display_name": "Production", "region": "default"}
    answer = alice.client.post(f"{HERE}new/", made)
    assert answer.headers["Location"] == f"{HERE}prod-registry/sources/"
    assert "Production" in read(alice.client.get(HERE)).text


def test_a_name_that_cannot_be_is_refused_at_its_field(alice: Somebody, instance: Instance) -> None:
    client = alice.client
    for name, english, chinese in [
        (
            "Prod_1",
            "Use lower-case letters, numbers and single hyphens, 3 to 40 characters.",
            "仅限小写字母、数字和单个连字符，3 到 40 个字符。",
        ),
        (
            "prod-registry",
            "prod-registry already exists in this tenant. Try prod-registry-2.",
            "本租户中已存在 prod-registry，可使用 prod-registry-2。",
        ),
    ]:
        typed = {"name": name, "region": "default"}
        answer = client.post(f"{HERE}new/", typed)
        page = read(answer)
        assert answer.status_code == 422
        assert page.text.count(english) >= 2  # the summary, and the field
        assert page.fields["name"]["value"] == name
        assert chinese in read(client.post(f"{HERE}new/", typed, headers=CHINESE)).text


def test_a_tenant_that_is_full_is_told_its_limit(alice: Somebody) -> None:
    rows.instances(alice.tenant, 200)
    answer = alice.client.post(f"{HERE}new/", {"name": "one-more", "region": "default"})
    assert answer.status_code == 422
    said = "Your plan allows 200 instances. Delete one or ask your operator."
    assert said in read(answer).text
    assert asked_of_database(alice.client, HERE) <= 10


# -- what ends ------------------------------------------------------------------------------------


@pytest.fixture
def ending(instance: Instance, second_instance: Instance) -> dict[str, Binding]:
    """Ends in 6, 40 and 200 days, ended yesterday, renews itself, and one nobody knows."""
    now = timezone.now()
    return {
        "soon": rows.binding(
            instance, "gitlab", expires_at=now + timedelta(days=6), status="expiring"
        ),
        "later": rows.binding(second_instance, "gitlab", expires_at=now + timedelta(days=40)),
        "far": rows.binding(instance, "gitea", expires_at=now + timedelta(days=200)),
        "ended": rows.binding(
            instance, "codeup", expires_at=now - timedelta(days=1), status="expired"
        ),
        "renews": rows.binding(instance, "bitbucket", renews=True),
        "unknown": rows.binding(instance, "gitee", quality="unknown", expires_at=None),
    }


def test_what_ends_first_comes_first(alice: Somebody, ending: dict[str, Binding]) -> None:
    page = read(alice.client.get(EXPIRY))
    listed = page.text[page.text.index("The same, as a list") :]
    order = [listed.index(said) for said in ("1 day ago", "in 6 days", "in 40 days")]
    assert order == sorted(order)
    assert "in 200 days" not in listed
    assert "1 binding has no known end date." in listed
    numbers = "Already ended 1 Within 7 days 1 Within 30 days 1 Renew themselves 1 of 6 bindings"
    assert numbers in page.text
    assert page.source.count('class="dashed"') == 1


def test_the_period_and_the_filters_narrow_it(
    alice: Somebody, ending: dict[str, Binding], instance: Instance
) -> None:
    client = alice.client

    def listed(query: str) -> set[str]:
        page = read(client.get(f"{EXPIRY}?{query}"))
        text = page.text[page.text.index("The same, as a list") :]
        ends = {"soon": "in 6 days", "later": "in 40", "far": "in 200", "ended": "1 day ago"}
        return {name for name, said in ends.items() if said in text}

    assert listed("days=30") == {"soon", "ended"}
    assert listed("days=365") == {"soon", "later", "far", "ended"}
    assert listed(f"instance={instance.public_id}") == {"soon", "ended"}
    assert listed("provider=codeup") == {"ended"}
    kept(ending["soon"], bound_by=alice.person)
    assert listed("mine=1") == {"soon"}
    assert listed("instance=ins_unknown&days=7") == set()


def test_nothing_that_ends_is_said_with_what_is_not_known(
    alice: Somebody, instance: Instance
) -> None:
    rows.binding(instance, "gitee", quality="unknown", expires_at=None)
    said = "Nothing ends in the next 30 days. 1 binding has no known end date."
    assert said in read(alice.client.get(f"{EXPIRY}?days=30")).text
    chinese = read(alice.client.get(f"{EXPIRY}?days=30", headers=CHINESE)).text
    assert "接下来 30 天内没有到期项。 1 个绑定没有已知到期日。" in chinese


def test_what_was_revoked_has_ended_whatever_its_date(
    alice: Somebody, ending: dict[str, Binding], second_instance: Instance
) -> None:
    rows.binding(second_instance, "gitee", quality="never", expires_at=None, status="revoked")
    page = read(alice.client.get(f"{EXPIRY}?days=30")).text
    listed = page[page.index("The same, as a list") :]
    assert "Gitee" in listed
    assert listed.index("Gitee") < listed.index("in 6 days")
    assert "Already ended 2" in page


def test_the_same_as_a_file_that_no_spreadsheet_runs(
    alice: Somebody, ending: dict[str, Binding]
) -> None:
    kept(ending["soon"], account_login="=HYPERLINK(1)")
    answer = alice.client.get("/t/acme/expiry.csv")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="expiry.csv"'
    table = list(csv.DictReader(io.StringIO(answer.content.decode())))
    ends = [row["platform"] for row in table if row["quality"] == "exact"]
    assert ends == ["Codeup", "GitLab", "GitLab"]
    assert {row["quality"] for row in table[3:]} == {"renews", "unknown"}
    assert table[1]["account"] == "'=HYPERLINK(1)"
    assert table[1]["binding"] == ending["soon"].public_id
    assert table[0]["state"] == "expired"


def test_another_tenants_ends_are_not_there(alice: Somebody, foreign_instance: Instance) -> None:
    rows.binding(foreign_instance, "gitlab", expires_at=timezone.now())
    page = read(alice.client.get(f"{EXPIRY}?instance={foreign_instance.public_id}"))
    assert "build-bot" not in page.text
    assert "build-bot" not in alice.client.get("/t/acme/expiry.csv").content.decode()


def test_the_lists_ask_the_database_ten_times_at_most(
    alice: Somebody, ending: dict[str, Binding], seven_more: None
) -> None:
    for path in (HERE, EXPIRY, ACTIVITY):
        assert asked_of_database(alice.client, path) <= 10


@pytest.fixture
def seven_more(alice: Somebody) -> None:
    for instance in rows.instances(alice.tenant, 7, "more"):
        rows.binding(instance, "gitlab", expires_at=timezone.now() + timedelta(days=3))


# -- what happened --------------------------------------------------------------------------------


def happen(instance: Instance, count: int, type: str = "instance.changed", **data: object) -> None:
    with rls.tenant(instance.tenant_id):
        for _ in range(count):
            events.record(
                tenant_id=instance.tenant_id,
                type=type,
                actor={"kind": "user", "id": "", "name": "Alice", "ip": "192.0.2.7"},
                at=timezone.now(),
                instance_id=instance.pk,
                data={"name": instance.name, **data},
            )


def test_the_log_is_read_newest_first_page_by_page(alice: Somebody, instance: Instance) -> None:
    happen(instance, 60)
    client = alice.client
    page = read(client.get(ACTIVITY))
    assert page.text.count("Alice changed the instance prod-registry") == 50
    assert "192.0.2.7" in page.text
    older = read(client.get(f"{ACTIVITY}{page.links['Next']}"))
    assert older.text.count("Alice changed the instance prod-registry") == 10
    assert "The tenant was opened" in older.text
    assert older.links["Previous"] == "?"


def test_the_log_of_one_instance_stands_under_its_tabs(
    alice: Somebody, instance: Instance, second_instance: Instance, at: Address
) -> None:
    happen(instance, 1)
    happen(second_instance, 1)
    page = read(alice.client.get(f"{ACTIVITY}?instance={instance.public_id}"))
    assert "changed the instance prod-registry" in page.text
    assert "test-registry" not in page.text
    assert page.links["Code sources"] == at.sources


def test_another_tenants_log_is_not_there(
    alice: Somebody, mallory: Somebody, instance: Instance
) -> None:
    happen(instance, 1)
    assert "prod-registry" not in read(mallory.client.get("/t/globex/activity/")).text
    path = f"/t/globex/activity/?instance={instance.public_id}"
    assert mallory.client.get(path).status_code == 404


def test_every_type_of_event_has_a_sentence(alice: Somebody, instance: Instance) -> None:
    binding = {"provider": "gitlab", "account": "build-bot"}
    types = [
        *("binding.bound", "binding.unbound", "binding.replaced", "binding.changed"),
        *("binding.expiring", "binding.expired", "binding.revoked", "binding.insufficient"),
        *("binding.unreachable", "binding.recovered", "binding.suspended", "binding.resumed"),
        *("binding.undecryptable", "instance.created", "instance.changed", "instance.deleted"),
        *("member.joined", "member.changed", "member.left", "token.created", "token.revoked"),
        *("tenant.opened", "tenant.viewed_by_operator", "access.denied"),
    ]
    for type in types:
        happen(instance, 1, type, binding=binding, token={"name": "ci"}, code="X-ROLE-01")
    for language in ("en", "zh-hans"):
        text = read(alice.client.get(ACTIVITY, headers={"Accept-Language": language})).text
        assert [type for type in types if type in text] == []


def test_a_name_in_the_log_is_never_markup(alice: Somebody, instance: Instance) -> None:
    happen(instance, 1, "token.created", token={"name": "<b>x</b>"})
    assert "<b>x</b>" not in alice.client.get(ACTIVITY).content.decode()


def test_a_viewer_of_another_tenant_sees_its_own_lists(mallory: Somebody) -> None:
    factories.instance(mallory.tenant, "main-registry")
    assert "main-registry" in read(mallory.client.get("/t/globex/instances/")).text


def test_clones_of_a_day_are_one_line(alice: Somebody, instance: Instance) -> None:
    bound = rows.binding(instance, "gitlab")
    jenkins = {"kind": "token", "id": "", "name": "jenkins-eu", "ip": "203.0.113.9"}
    before = timezone.now() - timedelta(days=3)
    for n in range(42):
        using.event(bound, "lease.created", actor=jenkins, repository={"path": "platform/api"})
        if n % 2:
            happen(instance, 1)
    for _ in range(5):
        using.event(bound, "lease.created", actor=jenkins, at=before)
    client = alice.client
    page = read(client.get(ACTIVITY))
    assert page.text.count("42 clones by jenkins-eu today") == 1
    assert f"5 clones by jenkins-eu on {before.day} {before:%b}" in page.text
    chinese = read(client.get(ACTIVITY, headers=CHINESE)).text
    assert "jenkins-eu 今天克隆 42 次" in chinese
    assert asked_of_database(client, ACTIVITY) <= 10


def test_a_line_of_clones_is_not_repeated_on_the_next_page(
    alice: Somebody, instance: Instance
) -> None:
    bound = rows.binding(instance, "gitlab")
    jenkins = {"kind": "token", "id": "", "name": "jenkins-eu", "ip": ""}
    for _ in range(30):
        using.event(bound, "lease.created", actor=jenkins)
        happen(instance, 2)
    client = alice.client
    first = read(client.get(ACTIVITY))
    assert "30 clones by jenkins-eu today" in first.text
    second = read(client.get(f"{ACTIVITY}{first.links['Next']}"))
    assert "clones by jenkins-eu" not in second.text
    both = first.text.count("changed the instance") + second.text.count("changed the instance")
    assert both == 60


def test_the_log_can_be_narrowed(alice: Somebody, instance: Instance) -> None:
    bound = rows.binding(instance, "gitlab")
    using.event(bound, "build.push", repository={"path": "platform/api"}, name="main")
    using.event(bound, "access.denied", code="X-ROLE-01", actor={"kind": "user", "name": "Carol"})
    using.event(bound, "binding.bound", at=timezone.now() - timedelta(days=9))
    client = alice.client

    def found(query: str) -> set[str]:
        text = read(client.get(f"{ACTIVITY}?{query}")).text
        words = {"build": "a build of main", "denied": "Carol was refused", "bound": "Alice bound"}
        return {name for name, said in words.items() if said in text}

    today = timezone.now().date()
    assert found("kind=builds") == {"build"}
    assert found("kind=refused") == {"denied"}
    assert found("who=carol") == {"denied"}
    assert found(f"since={today - timedelta(days=1)}") == {"build", "denied"}
    assert found(f"until={today - timedelta(days=5)}") == {"bound"}
    assert found("kind=nonsense&since=2026-99-99") == {"build", "denied", "bound"}
    assert "Nothing matches." in read(client.get(f"{ACTIVITY}?who=nobody")).text


def test_the_log_is_also_a_file(alice: Somebody, instance: Instance) -> None:
    bound = rows.binding(instance, "gitlab")
    using.event(bound, "token.created", token={"name": "=HYPERLINK(1)"}, actor={"name": "=1+1"})
    using.event(bound, "access.denied", code="X-ROLE-01")
    answer = alice.client.get("/t/acme/activity.csv?kind=people")
    table = list(csv.DictReader(io.StringIO(answer.content.decode())))
    assert [row["type"] for row in table] == ["token.created"]
    assert table[0]["actor"] == "'=1+1"
    about = alice.client.get(f"/t/acme/activity.csv?binding={bound.public_id}")
    table = list(csv.DictReader(io.StringIO(about.content.decode())))
    assert [row["refused"] for row in table] == ["X-ROLE-01", ""]


def test_what_uses_a_binding_reads_as_sentences(alice: Somebody, instance: Instance) -> None:
    bound = rows.binding(instance, "gitlab")
    types = [
        *("build.push", "build.tag", "build.manual", "build.recovered"),
        *("webhook.created", "webhook.deleted", "webhook.failing", "webhook.repaired"),
        *("webhook.recovered", "delivery.replayed", "trigger.created", "trigger.changed"),
        *("trigger.deleted", "lease.created", "lease.revoked", "endpoint.created"),
        *("endpoint.changed", "endpoint.deleted", "endpoint.secret_replaced"),
        *("endpoint.test", "endpoint.disabled"),
    ]
    about = {"repository": {"path": "platform/api"}, "trigger": {"name": "api main"}}
    for type in types:
        using.event(bound, type, **about, endpoint={"name": "builder"}, name="main")
    for language in ("en", "zh-hans"):
        text = read(alice.client.get(ACTIVITY, headers={"Accept-Language": language})).text
        assert [type for type in types if type in text] == []
        assert text.count("platform/api") >= 12
