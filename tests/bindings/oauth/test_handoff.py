"""Hand-off links: one step, once, in the browser that opened them, and nothing without an admin."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.utils import timezone

from bindings import tasks
from bindings.models import Authorization, Binding
from bindings.services.bind import grant, handoff
from bindings.services.bind.links import Begun
from portal.ground import rls
from portal.ground.refusals import NotYours, Refusal
from portal.tenants.models import Instance, Membership, Tenant
from portal.tenants.services import tokens
from tests.bindings.oauth.browser import Traveller, dead_tokens, query_of
from tests.bindings.oauth.test_return import second_github, social_rows
from tests.bindings.sources import CALLBACK, GitHub, GitLab, events, live, opened, refused, told
from tests.bindings.web.reading import read
from tests.people import ADDRESS, Somebody

CHINESE = {"Accept-Language": "zh-hans"}
USED = "This link has been used."


@pytest.fixture
def begun(alice: Somebody, github: GitHub, instance: Instance) -> Begun:
    """A link alice made for the owner of a GitHub account."""
    return handoff.begin(actor=alice.actor, instance=instance, provider="github")


@pytest.fixture
def to_gitlab(alice: Somebody, gitlab: GitLab, instance: Instance) -> Begun:
    """A link to a GitLab whose address its holder types."""
    return handoff.begin(actor=alice.actor, instance=instance, provider="gitlab")


@pytest.fixture
def holder(nobody: Client, near: Any) -> Traveller:
    """Somebody without an account here."""
    return Traveller(nobody, near)


def page_of(begun: Begun) -> str:
    return f"/i/{begun.code}/"


def start(holder: Traveller, begun: Begun) -> str:
    """Press Start; where the browser is sent."""
    return str(holder.client.post(page_of(begun)).headers["Location"])


def stored(begun: Begun) -> Authorization:
    row = begun.authorization
    with rls.tenant(row.tenant_id):
        return Authorization.objects.of(row.tenant_id).get(pk=row.pk)


def typed(gitlab: GitLab, name: str = "full", **more: str) -> dict[str, str]:
    return {"base_url": gitlab.base_url, "token": gitlab.token(name), **more}


# -- the way that succeeds ------------------------------------------------------------------------


def test_a_stranger_connects_github_and_an_admin_confirms(
    holder: Traveller, begun: Begun, alice: Somebody, instance: Instance, acme: Tenant
) -> None:
    back = holder.consent(start(holder, begun))
    answer = holder.come_back(back)
    assert answer.headers["Location"] == page_of(begun)
    said = "Thank you. Alice confirms the account; you can close this page."
    assert said in read(holder.client.get(page_of(begun))).text
    (waiting,) = live(instance)
    assert (waiting.status, waiting.account_login) == ("pending", "octavia")
    assert waiting.confirm_until is not None
    assert waiting.confirm_until - timezone.now() > timedelta(days=6, hours=23)
    assert (stored(begun).status, told(acme)) == ("confirming", ["binding.pending"])
    confirm = f"/t/acme/instances/{instance.name}/sources/github/confirm/"
    page = read(alice.client.get(confirm))
    assert "octavia came back through your link. Is that the right account?" in page.text
    assert "Discard" in page.text
    chinese = read(alice.client.get(confirm, headers=CHINESE)).text
    assert "通过您的链接接入了 octavia，账号是否正确？" in chinese
    alice.client.post(confirm)
    (bound,) = live(instance)
    assert (bound.status, bound.bound_by_id) == ("active", alice.person.pk)
    assert (stored(begun).status, told(acme)[-1]) == ("done", "binding.bound")


def test_a_stranger_connects_gitlab_with_a_token(
    holder: Traveller, to_gitlab: Begun, gitlab: GitLab, instance: Instance
) -> None:
    form = start(holder, to_gitlab)
    assert form == f"{page_of(to_gitlab)}form/"
    assert holder.client.get(page_of(to_gitlab)).headers["Location"] == form
    page = read(holder.client.get(form))
    assert "Alice asks you to connect GitLab to prod-registry." in page.text
    tested = read(holder.client.post(f"{form}test/", typed(gitlab)))
    assert "Bind build-bot to prod-registry?" in tested.text
    assert live(instance) == []
    answer = holder.client.post(form, typed(gitlab))
    assert answer.headers["Location"] == page_of(to_gitlab)
    (waiting,) = live(instance)
    assert (waiting.status, waiting.account_login) == ("pending", "build-bot")
    assert opened(waiting) == gitlab.token()
    assert "Thank you." in read(holder.client.get(page_of(to_gitlab))).text


def test_a_program_confirms_as_well(
    holder: Traveller, begun: Begun, alice: Somebody, instance: Instance
) -> None:
    holder.come_back(holder.consent(start(holder, begun)))
    where = f"/api/v1/bindings/{live(instance)[0].public_id}"
    answer = alice.api().patch(
        where, {"confirmed": True}, content_type="application/json", headers={"If-Match": "*"}
    )
    assert (answer.status_code, answer.json()["state"]) == (200, "healthy")


def test_it_is_made_withdrawn_and_watched_by_api(
    alice: Somebody, holder: Traveller, github: GitHub, instance: Instance, acme: Tenant
) -> None:
    api = alice.api()
    where = f"/api/v1/instances/{instance.public_id}/authorizations"
    asked = {"provider": "github", "handoff": True}
    made = api.post(where, asked, content_type="application/json").json()
    assert (made["handoff"], made["status"]) == (True, "waiting")
    left = (
        Authorization.objects.model.expires_at.field.to_python(made["expires_at"]) - timezone.now()
    )
    assert timedelta(days=6, hours=23) < left <= timedelta(days=7)
    path = made["url"].partition("/i/")[2]
    assert "Start" in read(holder.client.get(f"/i/{path}")).text
    one = f"/api/v1/authorizations/{made['id']}"
    assert api.get(one).json()["url"] is None
    assert api.delete(one).status_code == 204
    assert api.get(one).json()["status"] == "cancelled"
    text = read(holder.client.get(f"/i/{path}")).text
    assert "This link was withdrawn. Ask test token for a new one." in text
    assert "Start" not in text
    assert told(acme, "authorization.") == ["authorization.created", "authorization.cancelled"]


def test_a_dead_binding_is_renewed_through_a_link_once_an_admin_agrees(
    holder: Traveller, alice: Somebody, github: GitHub, instance: Instance
) -> None:
    bound = github.bind(alice.actor, instance)
    old, dead = opened(bound), dead_tokens(github.sandbox, "octavia")
    begun = handoff.begin(actor=alice.actor, instance=instance, provider="github", reconnect=bound)
    answer = holder.come_back(holder.consent(start(holder, begun), "otto"))
    assert answer.headers["Location"] == f"{page_of(begun)}?problem=GH-ACC-01"
    source = holder.client.get(answer.headers["Location"]).content.decode()
    assert "This is not the account that is bound to prod-registry." in source
    assert "octavia" not in source
    holder.come_back(holder.consent(start(holder, begun)))
    assert "Thank you." in read(holder.client.get(page_of(begun))).text
    assert (opened(bound), [one.pk for one in live(instance)]) == (old, [bound.pk])
    shown = alice.api().get(f"/api/v1/authorizations/{begun.authorization.public_id}").json()
    assert (shown["status"], shown["binding"]) == ("confirming", bound.public_id)
    detail = f"/t/acme/bindings/{bound.public_id}/"
    assert "octavia came back through your link." in read(alice.client.get(detail)).text
    switch = read(alice.client.get(f"{detail}switch/"))
    assert "Renew the access of octavia?" in switch.text
    answer = alice.api().patch(
        f"/api/v1/bindings/{bound.public_id}",
        {"confirmed": True},
        content_type="application/json",
        headers={"If-Match": "*"},
    )
    assert answer.status_code == 200
    assert answer.json()["credential"]["generation"] == 2
    assert opened(bound) not in ("", old)
    assert stored(begun).status == "done"
    tasks.end_bindings()
    assert dead_tokens(github.sandbox, "octavia") == dead + 1
    assert len(live(instance)) == 1


def test_nobody_agrees_and_the_renewal_is_given_back(
    holder: Traveller, alice: Somebody, github: GitHub, instance: Instance
) -> None:
    bound = github.bind(alice.actor, instance)
    old, dead = opened(bound), dead_tokens(github.sandbox, "octavia")
    begun = handoff.begin(actor=alice.actor, instance=instance, provider="github", reconnect=bound)
    holder.come_back(holder.consent(start(holder, begun)))
    with time_machine.travel(timezone.now() + timedelta(days=7, minutes=1)):
        tasks.end_bindings()
    assert (opened(bound), stored(begun).status) == (old, "expired")
    assert dead_tokens(github.sandbox, "octavia") == dead + 1


def test_an_account_is_switched_through_a_link(
    holder: Traveller, alice: Somebody, gitlab: GitLab, instance: Instance
) -> None:
    bound = gitlab.bind(alice.actor, instance)
    begun = handoff.begin(actor=alice.actor, instance=instance, provider="gitlab", replaces=bound)
    form = start(holder, begun)
    theirs = {"base_url": gitlab.base_url, "token": gitlab.token(login="ann")}
    assert holder.client.post(form, theirs).headers["Location"] == page_of(begun)
    assert [one.pk for one in live(instance)] == [bound.pk]
    where = f"/t/acme/bindings/{bound.public_id}/switch/"
    page = read(alice.client.get(where))
    assert "Switch from build-bot to ann?" in page.text
    aside = page.fields["aside"]["value"]
    assert alice.client.post(where, {"aside": aside}).status_code == 302
    assert [one.account_login for one in live(instance)] == ["ann"]
    # What a person pasted is theirs, also when it is not taken.
    tasks.end_bindings()
    assert gitlab.sandbox.token_facts("gitlab", "ann")["state"] == "active"


def test_a_pasted_token_is_left_alone_when_it_is_discarded(
    holder: Traveller, to_gitlab: Begun, gitlab: GitLab, alice: Somebody, instance: Instance
) -> None:
    holder.client.post(start(holder, to_gitlab), typed(gitlab))
    grant.discard(actor=alice.actor, binding=live(instance)[0])
    tasks.end_bindings()
    assert live(instance) == []
    assert gitlab.sandbox.token_facts("gitlab", "build-bot")["state"] == "active"


def test_a_bound_platform_needs_no_link(
    alice: Somebody, github: GitHub, instance: Instance
) -> None:
    github.bind(alice.actor, instance)
    call = lambda: handoff.begin(actor=alice.actor, instance=instance, provider="github")  # noqa: E731
    assert refused(call).code == "GH-DUP-01"
    call = lambda: handoff.begin(actor=alice.actor, instance=instance, provider="codearts")  # noqa: E731
    assert refused(call).code == "X-FORM-03"


# -- what the page says, and to whom --------------------------------------------------------------


def test_the_page_shows_instance_platform_and_sender_and_no_more(
    holder: Traveller, begun: Begun, instance: Instance, acme: Tenant, alice: Somebody
) -> None:
    answer = holder.client.get(page_of(begun))
    said = "Alice asks you to connect GitHub to prod-registry. This does exactly that, once."
    assert said in read(answer).text
    source = answer.content.decode()
    for hidden in (acme.name, acme.slug, alice.person.email, instance.public_id, "/t/"):
        assert hidden not in source
    assert answer.headers["Referrer-Policy"] == "strict-origin"
    assert "no-store" in answer.headers["Cache-Control"]
    said = "Alice 请您将 GitHub 连接到 prod-registry。此页面仅完成这一步，且只能使用一次。"
    assert said in read(holder.client.get(page_of(begun), headers=CHINESE)).text


def test_the_code_is_long_and_kept_as_a_digest(begun: Begun) -> None:
    random = begun.code[26:]
    assert len(random) >= 32  # 192 bits
    row = stored(begun)
    assert begun.code not in repr(vars(row))
    assert bytes(row.digest) == handoff.links.digest_of(begun.code)


def test_a_preview_uses_nothing_up(holder: Traveller, begun: Begun) -> None:
    for _ in range(3):
        assert "Start" in read(Client().get(page_of(begun))).text
        assert Client().head(page_of(begun)).status_code == 200
    assert (stored(begun).opened_by, stored(begun).status) == (None, "waiting")
    assert start(holder, begun).startswith(f"{holder.sandbox.url}/github/")


def test_start_needs_the_page_it_stands_on(begun: Begun) -> None:
    forger = Client(enforce_csrf_checks=True)
    assert forger.post(page_of(begun)).status_code == 403
    assert stored(begun).opened_by is None


def test_nobody_is_signed_in_by_it(
    holder: Traveller, begun: Begun, instance: Instance, alice: Somebody
) -> None:
    before = social_rows()
    holder.come_back(holder.consent(start(holder, begun)))
    assert social_rows() == before
    assert holder.client.get("/t/acme/instances/").headers["Location"].startswith("/accounts/login")
    assert all("_auth_user_id" not in s.get_decoded() for s in Session.objects.all())


def test_whoever_is_signed_in_stays_so_and_needs_no_membership(
    begun: Begun, mallory: Somebody, github: GitHub, instance: Instance
) -> None:
    late = mallory.signed_in(ago=timedelta(days=1))
    traveller = Traveller(late, github.sandbox)
    traveller.come_back(traveller.consent(start(traveller, begun)))
    assert live(instance)[0].status == "pending"
    assert late.get("/t/acme/instances/").status_code == 404


# -- attacks --------------------------------------------------------------------------------------


def test_in_another_browser_it_counts_as_used(
    holder: Traveller, begun: Begun, instance: Instance
) -> None:
    url = start(holder, begun)
    other = Traveller(Client(), holder.sandbox)
    assert USED in read(other.client.get(page_of(begun))).text
    assert "此链接已被使用。" in read(other.client.get(page_of(begun), headers=CHINESE)).text
    assert USED in read(other.client.post(page_of(begun))).text
    back = holder.consent(url)
    assert other.come_back(back).status_code == 400
    assert (live(instance), holder.exchanges) == ([], 0)
    assert holder.come_back(back).status_code == 302


def test_the_session_alone_is_not_enough(
    holder: Traveller, begun: Begun, instance: Instance
) -> None:
    back = holder.consent(start(holder, begun))
    thief = Traveller(Client(), holder.sandbox)
    thief.client.cookies["mooring"] = holder.client.cookies["mooring"].value
    assert thief.come_back(back).status_code == 400
    assert (live(instance), holder.exchanges) == ([], 0)


def test_a_cookie_of_another_link_or_a_made_up_one_opens_nothing(
    holder: Traveller, begun: Begun, alice: Somebody, second_instance: Instance
) -> None:
    other = handoff.begin(actor=alice.actor, instance=second_instance, provider="github")
    start(holder, other)
    start(Traveller(Client(), holder.sandbox), begun)
    (name,) = [one for one in holder.client.cookies if "_link_" in one]
    theirs = name.replace(other.authorization.public_id, begun.authorization.public_id)
    for value in (holder.client.cookies[name].value, "", ".", f"{begun.code}.guess", "x" * 5000):
        holder.client.cookies[theirs] = value
        assert USED in read(holder.client.get(page_of(begun))).text


def test_two_who_press_start_at_once_are_one(begun: Begun) -> None:
    def press(_: int) -> bool:
        try:
            return "_link_" in "".join(Client().post(page_of(begun)).cookies)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(press, range(4))) == 1


def test_the_way_back_is_walked_once(holder: Traveller, begun: Begun, instance: Instance) -> None:
    back = holder.consent(start(holder, begun))
    assert holder.come_back(back).status_code == 302
    assert holder.come_back(back).status_code == 400
    assert (len(live(instance)), holder.exchanges) == (1, 1)
    assert "Thank you." in read(holder.client.post(page_of(begun))).text


def test_a_state_is_of_one_link_one_browser_and_one_host(
    holder: Traveller, begun: Begun, alice: Somebody, instance: Instance, github: GitHub
) -> None:
    second_github(github)
    back = holder.consent(start(holder, begun))
    # alice's own session, another host, a forged state, and alice's state in the holder's browser.
    member = Traveller(alice.client, github.sandbox)
    assert member.come_back(back).status_code == 400
    assert holder.come_back(back.replace("/github-sandbox/", "/github-other/")).status_code == 400
    assert holder.come_back(f"{CALLBACK}?state=forged&code=x").status_code == 400
    theirs = member.consent(member.leave(instance))
    assert holder.come_back(theirs).status_code == 400
    crossed = f"{CALLBACK}?state={query_of(theirs)['state']}&code={query_of(back)['code']}"
    assert holder.come_back(crossed).status_code == 400
    assert (live(instance), holder.exchanges) == ([], 0)


def test_ten_minutes_at_the_platform_are_enough_and_start_again_is_allowed(
    holder: Traveller, begun: Begun, instance: Instance
) -> None:
    back = holder.consent(start(holder, begun))
    with time_machine.travel(timezone.now() + timedelta(minutes=11)):
        assert holder.come_back(back).status_code == 400
        assert "Continue" in read(holder.client.get(page_of(begun))).text
        assert holder.come_back(holder.consent(start(holder, begun))).status_code == 302
    assert len(live(instance)) == 1


def test_after_seven_days_it_has_ended(holder: Traveller, begun: Begun, alice: Somebody) -> None:
    url = start(holder, begun)
    with time_machine.travel(timezone.now() + timedelta(days=7, minutes=1)):
        day = begun.authorization.expires_at.date()
        said = f"This link ended on {day.day} {day:%b %Y}. Ask Alice for a new one."
        assert said in read(holder.client.get(page_of(begun))).text
        assert said in read(holder.client.post(page_of(begun))).text
        assert said in read(Client().get(page_of(begun))).text
    assert url


def test_a_link_withdrawn_meanwhile_binds_nothing(
    holder: Traveller, begun: Begun, alice: Somebody, instance: Instance
) -> None:
    back = holder.consent(start(holder, begun))
    with rls.tenant(instance.tenant_id):
        handoff.withdraw(actor=alice.actor, authorization=begun.authorization)
    assert holder.come_back(back).status_code == 400
    assert "This link was withdrawn." in read(holder.client.get(page_of(begun))).text
    assert (live(instance), holder.exchanges) == ([], 0)


@pytest.mark.parametrize("lost", ["role", "left", "token"])
def test_the_makers_right_is_asked_for_again_at_the_end(
    holder: Traveller,
    github: GitHub,
    alice: Somebody,
    admin: Somebody,
    instance: Instance,
    lost: str,
) -> None:
    made = alice.token() if lost == "token" else None
    actor = admin.actor
    if made is not None:
        from portal.tenants import access

        actor = access.by_token(made.secret, ADDRESS)
    begun = handoff.begin(actor=actor, instance=instance, provider="github")
    back = holder.consent(start(holder, begun))
    member = Membership.objects.filter(user=admin.person)
    if made is not None:
        tokens.revoke(actor=alice.actor, public_id=made.token.public_id, now=timezone.now())
    elif lost == "role":
        member.update(role="developer")
    else:
        member.update(left_at=timezone.now())
    assert holder.come_back(back).headers["Location"] == page_of(begun)
    assert "This link was withdrawn." in read(holder.client.get(page_of(begun))).text
    assert (live(instance), holder.exchanges) == ([], 0)


def test_a_link_is_for_its_platform_and_instance_only(
    holder: Traveller, to_gitlab: Begun, github: GitHub, gitlab: GitLab, second_instance: Instance
) -> None:
    form = start(holder, to_gitlab)
    more = {"provider": "github", "instance": second_instance.public_id, "mode": "full"}
    holder.client.post(form, typed(gitlab) | more)
    assert live(second_instance) == []
    assert holder.client.get("/t/acme/instances/").status_code == 302


def test_the_form_is_for_the_browser_that_opened_the_link(
    holder: Traveller, to_gitlab: Begun, gitlab: GitLab, instance: Instance
) -> None:
    form = f"{page_of(to_gitlab)}form/"
    for path in (form, f"{form}test/", f"{form}address/"):
        assert holder.client.post(path, typed(gitlab)).headers["Location"] == page_of(to_gitlab)
    start(holder, to_gitlab)
    other = Client()
    for path in (form, f"{form}test/", f"{form}address/"):
        assert other.post(path, typed(gitlab)).headers["Location"] == page_of(to_gitlab)
    assert (live(instance), gitlab.asked()) == ([], 0)


def test_a_token_that_fails_may_be_tried_again(
    holder: Traveller, to_gitlab: Begun, gitlab: GitLab, instance: Instance
) -> None:
    form = start(holder, to_gitlab)
    answer = holder.client.post(form, typed(gitlab, "registry"))
    assert answer.status_code == 422
    assert gitlab.token("registry") not in answer.content.decode()
    assert "it cannot do this job. Nothing has been saved." in read(answer).text
    assert (stored(to_gitlab).status, live(instance)) == ("waiting", [])
    assert holder.client.post(form, typed(gitlab)).headers["Location"] == page_of(to_gitlab)
    assert holder.client.post(form, typed(gitlab)).headers["Location"] == page_of(to_gitlab)
    assert len(live(instance)) == 1


def test_who_cancels_may_try_again(holder: Traveller, begun: Begun, instance: Instance) -> None:
    answer = holder.come_back(holder.consent(start(holder, begun), approve=False))
    assert answer.headers["Location"] == f"{page_of(begun)}?problem=GH-OAUTH-01"
    page = read(holder.client.get(answer.headers["Location"]))
    assert "You cancelled on GitHub. Nothing changed." in page.text
    assert "problem" not in read(Client().get(answer.headers["Location"])).text
    assert holder.come_back(holder.consent(start(holder, begun))).status_code == 302
    assert len(live(instance)) == 1


def test_somebody_was_faster_and_the_holder_learns_no_name(
    holder: Traveller, begun: Begun, alice: Somebody, github: GitHub, instance: Instance
) -> None:
    back = holder.consent(start(holder, begun), "otto")
    github.bind(alice.actor, instance)
    dead = dead_tokens(github.sandbox, "otto")
    answer = holder.come_back(back)
    assert answer.headers["Location"] == f"{page_of(begun)}?problem=GH-DUP-01"
    source = holder.client.get(answer.headers["Location"]).content.decode()
    assert "octavia" not in source
    assert "prod-registry has another GitHub account meanwhile. Nothing changed." in source
    assert dead_tokens(github.sandbox, "otto") == dead + 1


# -- confirming -----------------------------------------------------------------------------------


def test_nobody_confirms_and_it_is_discarded_and_revoked(
    holder: Traveller, begun: Begun, github: GitHub, instance: Instance, acme: Tenant
) -> None:
    holder.come_back(holder.consent(start(holder, begun)))
    dead = dead_tokens(github.sandbox, "octavia")
    with time_machine.travel(timezone.now() + timedelta(days=6, hours=23)):
        tasks.discard_unconfirmed()
        assert len(live(instance)) == 1
    with time_machine.travel(timezone.now() + timedelta(days=7, minutes=1)):
        tasks.discard_unconfirmed()
        tasks.end_bindings()
    assert live(instance) == []
    assert dead_tokens(github.sandbox, "octavia") == dead + 1
    assert stored(begun).status == "expired"
    assert told(acme) == ["binding.pending"]


def test_an_admin_discards_the_wrong_account(
    holder: Traveller, begun: Begun, alice: Somebody, github: GitHub, instance: Instance
) -> None:
    holder.come_back(holder.consent(start(holder, begun), "otto"))
    confirm = f"/t/acme/instances/{instance.name}/sources/github/confirm/"
    assert alice.client.post(confirm, {"discard": "1"}).status_code == 302
    tasks.end_bindings()
    assert live(instance) == []
    assert dead_tokens(github.sandbox, "otto") == 1
    assert stored(begun).status == "cancelled"
    assert USED in read(holder.client.get(page_of(begun))).text


def test_only_an_admin_confirms(
    holder: Traveller, begun: Begun, bob: Somebody, mallory: Somebody, instance: Instance
) -> None:
    holder.come_back(holder.consent(start(holder, begun)))
    confirm = f"/t/acme/instances/{instance.name}/sources/github/confirm/"
    assert bob.client.post(confirm).status_code == 403
    assert mallory.client.post(confirm).status_code == 404
    assert holder.client.post(confirm).headers["Location"].startswith("/accounts/login/")
    assert live(instance)[0].status == "pending"


def test_what_waits_cannot_be_used(
    holder: Traveller, begun: Begun, alice: Somebody, instance: Instance
) -> None:
    holder.come_back(holder.consent(start(holder, begun)))
    where = f"/api/v1/bindings/{live(instance)[0].public_id}/repositories"
    answer = alice.api().get(where)
    assert (answer.status_code, answer.json()["code"]) == (409, "X-STATE-01")


def test_the_log_says_who_sent_the_link(
    holder: Traveller, begun: Begun, acme: Tenant, instance: Instance
) -> None:
    holder.come_back(holder.consent(start(holder, begun)))
    waiting: Binding = live(instance)[0]
    (event,) = events(acme)
    assert event.data["link"] == {"id": begun.authorization.public_id, "made_by": "Alice"}
    assert event.data["binding"]["id"] == waiting.public_id
    assert begun.code not in str(event.data)
    with pytest.raises(NotYours):
        grant.discard(actor=event.actor, binding=Binding(tenant=acme, instance=instance))
    assert issubclass(NotYours, Refusal)
