"""Secrets have no face: known ones are sent along every path, then looked for in every sink."""

from __future__ import annotations

import base64
import logging
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.apps import apps
from django.conf import settings as configured
from django.contrib.admin import site as admin_site
from django.core import mail, serializers
from django.core.management import call_command
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from structlog.stdlib import ProcessorFormatter

from bindings import tasks
from bindings.models import (
    Binding,
    Check,
    Credential,
    Delivery,
    Endpoint,
    Hook,
    Lease,
    Trigger,
)
from bindings.services.bind.token import TokenAsk
from bindings.services.custody import sealed
from bindings.services.custody.door import host_value
from bindings.services.tell import relay
from bindings.vault import Sealed
from portal.ground import ids, rls
from portal.tenants.models import Instance
from providers import gitlab_words
from tests import factories
from tests.bindings import sources
from tests.bindings.admin.conftest import Operator
from tests.embedded import Services
from tests.gate.addresses import filled
from tests.gate.canaries import Sinks, encodings
from tests.gate.test_grants import RIGHTS
from tests.hosts import Sandbox
from tests.people import Somebody, bearer
from tests.portal.rest.calls import body_of, send
from tests.receiver import Receiver

Superuser = Any
_NOW = timedelta()
TOKEN_ENDPOINT = {"github": "/login/oauth/access_token", "gitlab": "/oauth/token"}
SHOWN_ONCE = re.compile(
    rb'"secret": ?"mrg_[^"]+"|"token": ?"mrg_[^"]+"|"secret": ?"whsec_[^"]+"'
    rb'|"password": ?"mrl_[^"]+"|(?<=>)(whsec|mrl)_[^<]+'
)


class Story:
    """One run through the product, from the first bind to the last unbind."""

    def __init__(
        self, sinks: Sinks, sandbox: Sandbox, alice: Somebody, bob: Somebody, operator: Operator
    ) -> None:
        self.sinks, self.sandbox = sinks, sandbox
        self.alice, self.bob, self.operator = alice, bob, operator
        self.browser, self.api = alice.client, alice.api()
        for client in (self.browser, self.api, operator.client):
            client.raise_request_exception = False

    # -- how things are asked, and what is kept of the answers -----------------------------------

    def keep(self, what: str, answer: Any) -> Any:
        body = answer.getvalue() if answer.streaming else answer.content
        head = f"{answer.status_code} {dict(answer.headers)} {answer.cookies.output()}"
        self.sinks.keep(f"answers: {what}", head.encode() + SHOWN_ONCE.sub(b"", body))
        return answer

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        answer = send(self.api, method, f"/api/v1/{path}", body, **headers)
        return self.keep(f"{method} {path.split('/')[0]}", answer)

    def page(self, name: str, *args: Any, sent: Any = None, client: Client | None = None) -> Any:
        browser, where = client or self.browser, reverse(name, args=args)
        answer = browser.get(where) if sent is None else browser.post(where, sent)
        return self.keep(f"page {name}", answer)

    # -- paths -----------------------------------------------------------------------------------

    def asked(self, secret: str, **more: str) -> dict[str, Any]:
        base = self.sandbox.base("gitlab")
        return {"provider": "gitlab", "base_url": base, "token": secret, **more}

    def refused_binds(self, instance: Instance) -> None:
        """Wrong, misplaced, echoed; the server broken, slow or gone; our own table gone."""
        good = self.sinks.plant("pat", self.sandbox.token("gitlab", "build-bot"))
        wrong = self.sinks.plant("wrong pat", "glpat-sandboxTestWrong4711")
        bind = f"instances/{instance.public_id}/bindings"
        assert self.call("POST", bind, self.asked(wrong)).status_code == 422
        for place in ("base_url", "username", "clone_username", "host", "mode", "expires_on"):
            misplaced = self.asked(good, **{place: good})
            assert self.call("POST", bind, misplaced).status_code == 422, place
        misplaced = self.asked(good, base_url=f"https://oauth2:{good}@gitlab.example/")
        assert self.call("POST", bind, misplaced).status_code == 422
        assert self.call("POST", bind, {**self.asked(good), "token": [good]}).status_code == 422
        assert self.call("POST", "connection-tests", self.asked(wrong)).status_code == 200
        for fault in ("echo", "status:500", "html", "bad_json", "reset", "redirect", "rate_limit"):
            self.sandbox.fault("gitlab", fault)
            assert self.call("POST", bind, self.asked(good)).status_code >= 400, fault
            self.page_bind(instance, good, {})
            self.sandbox.clear_faults()
        self.page_bind(instance, wrong, {})
        self.page_bind(instance, good, {"base_url": good, "username": good})
        self.crashed(instance, good, bind)

    def page_bind(self, instance: Instance, secret: str, more: dict[str, str]) -> None:
        where = [instance.tenant.slug, instance.name, "gitlab"]
        typed = {"base_url": self.sandbox.base("gitlab"), "token": secret, **more}
        for name in ("bind_test", "bind"):
            assert self.page(name, *where, sent=typed).status_code in (200, 422, 409)

    def crashed(self, instance: Instance, secret: str, bind: str) -> None:
        """A bug while the token is in a local variable: the table it goes to is not there."""
        superuser = self.sinks.superuser
        superuser.execute("ALTER TABLE bindings_credential RENAME TO bindings_credential_away")
        try:
            assert self.call("POST", bind, self.asked(secret)).status_code == 500
            where = reverse("bind", args=[instance.tenant.slug, instance.name, "gitlab"])
            typed = {"base_url": self.sandbox.base("gitlab"), "token": secret}
            assert self.keep("page bind", self.browser.post(where, typed)).status_code == 500
        finally:
            superuser.execute("ALTER TABLE bindings_credential_away RENAME TO bindings_credential")

    def bound(self, instance: Instance) -> str:
        """Bound, checked, listed, replaced; also by a replacement that fails."""
        secret = self.sinks.planted["pat"]
        answer = self.call("POST", f"instances/{instance.public_id}/bindings", self.asked(secret))
        assert answer.status_code == 201, answer.content
        public_id: str = body_of(answer)["id"]
        for fault in ("", "status:502", "unauthorized", "echo"):
            if fault:
                self.sandbox.fault("gitlab", fault)
            self.checked(public_id)
            for rest in ("", "/platform%2Fapi", "/platform%2Fapi/branches", "?fresh=true"):
                self.call("GET", f"bindings/{public_id}/repositories{rest}")
            self.sandbox.clear_faults()
        self.checked(public_id)
        place, current = f"bindings/{public_id}/credential", {"If-Match": "*"}
        wrong = self.sinks.planted["wrong pat"]
        assert self.call("PUT", place, {"token": wrong}, **current).status_code == 422
        fresh = self.sandbox.new_token("gitlab", "build-bot", "another", ["api"])
        self.sinks.plant("new pat", fresh)
        answer = self.call("PUT", place, {"token": fresh, "revoke_old": True}, **current)
        assert answer.status_code == 200, answer.content
        page = [instance.tenant.slug, public_id]
        assert self.page("replace", *page, sent={"token": wrong}).status_code == 422
        return public_id

    def hooked(self, public_id: str) -> None:
        """A webhook: made, repaired, compared and left for good, also by a host that fails."""
        path = f"bindings/{public_id}/webhooks"
        for fault in ("echo", "status:500", "lost_answer", ""):
            if fault:
                self.sandbox.fault("gitlab", fault, path="**/hooks", method="POST")
            made = self.call("POST", path, {"repository": "platform/api"})
            self.hook_secrets()
            self.sandbox.clear_faults()
        assert made.status_code in (200, 201), made.content
        webhook = f"webhooks/{body_of(made)['id']}"
        for fault in ("echo", "bad_json", "reset", ""):
            if fault:
                self.sandbox.fault("gitlab", fault, path="**/hooks/*")
            for act in ("repairs", "tests", "recoveries"):
                self.call("POST", f"{webhook}/{act}", {})
            self.hook_secrets()
            with rls.tenant(self.alice.tenant.pk):
                Hook.objects.of(self.alice.tenant).update(check_at=timezone.now())
            tasks.compare_webhooks()
            self.sandbox.clear_faults()
        for what in ("webhooks", webhook):
            assert self.call("GET", what).status_code == 200
        self.hook_secrets()

    def hook_secrets(self) -> None:
        """Whatever proves deliveries at this moment, in the forms in which GitLab has it."""
        with rls.tenant(self.alice.tenant.pk):
            rows = list(Hook.objects.of(self.alice.tenant))
        for row in rows:
            for secret in sealed.shared_secrets(row, now=timezone.now()):
                name = f"webhook secret {len(self.sinks.planted)}"
                self.sinks.plant(name, secret)
                self.sinks.plant(f"{name} as a word", gitlab_words.plain_word(secret))
                self.sinks.plant(f"{name} as a key", gitlab_words.signing_key(secret))

    def checked(self, public_id: str) -> None:
        """A check that is begun by API, and run as the worker would."""
        self.call("POST", f"bindings/{public_id}/checks", {})
        with rls.tenant(self.alice.tenant.pk):
            running = list(Check.objects.of(self.alice.tenant).filter(status="running"))
        for check in running:
            tasks.check(str(check.tenant_id), str(check.pk))
        with rls.tenant(self.alice.tenant.pk):
            Check.objects.of(self.alice.tenant).update(cause="schedule")  # no five seconds' wait

    def consented(self, instance: Instance, provider: str, account: str) -> None:
        """By redirect through the browser: once with a code that is refused, once for good."""
        where = [instance.tenant.slug, instance.name, provider]
        self.sandbox.fault(provider, "token_error", TOKEN_ENDPOINT[provider])
        self.came_back(where, provider, account)
        self.sandbox.clear_faults()
        self.came_back(where, provider, account)
        assert self.page("confirm", *where).status_code == 200
        assert self.page("confirm", *where, sent={"confirm": "1"}).status_code == 302
        for token in self.sandbox.account(provider, account)["tokens"]:
            for kind in ("token", "refresh_token"):
                if token["kind"] == "oauth" and token.get(kind):
                    self.sinks.plant(f"{provider} {kind} {token['name']}", token[kind])

    def came_back(self, where: list[str], provider: str, account: str) -> None:
        left = self.page("oauth_start", *where, sent={"mode": "full"})
        assert left.status_code == 302, left.content
        back = urlsplit(self.sandbox.authorize(provider, left.headers["Location"], account))
        (code,) = parse_qs(back.query)["code"]
        self.sinks.plant(f"{provider} code {len(self.sinks.planted)}", code)
        self.keep("callback", self.browser.get(f"{back.path}?{back.query}"))

    def token_made(self) -> None:
        """An API token, made twice with one key, used, misused, and revoked."""
        ends = (timezone.now() + timedelta(days=30)).date().isoformat()
        asked = {"name": "test", "scopes": ["bindings:read"], "expires_on": ends}
        first = send(self.api, "POST", "/api/v1/tokens", asked, Idempotency_Key="test-key-1")
        assert first.status_code == 201, first.content
        made = body_of(first)
        secret = self.sinks.plant("api token", made["token"])
        again = send(self.api, "POST", "/api/v1/tokens", asked, Idempotency_Key="test-key-1")
        self.keep("token again", again)
        caller = bearer(secret)
        self.keep("used", send(caller, "GET", "/api/v1/bindings"))
        self.keep("misused", send(caller, "POST", "/api/v1/instances", {}))
        self.keep("in the address", send(Client(), "GET", f"/api/v1/me?token={secret}"))
        self.keep("unknown", send(bearer(secret[:-1] + "0"), "GET", "/api/v1/me"))
        self.call("DELETE", f"tokens/{made['id']}")

    def listened(self, builder: Receiver) -> None:
        """An endpoint: made twice with one key, tested, refused by its builder, given a second
        secret, sent once more."""
        asked = {"name": "builder", "url": builder.url, "events": ["binding.*"]}
        first = send(self.api, "POST", "/api/v1/endpoints", asked, Idempotency_Key="test-key-2")
        assert first.status_code == 201, first.content
        made = body_of(first)
        self.sinks.plant("endpoint secret", made["secret"])
        again = send(self.api, "POST", "/api/v1/endpoints", asked, Idempotency_Key="test-key-2")
        self.keep("endpoint again", again)
        where = f"endpoints/{made['id']}"
        fresh = body_of(self.call("POST", f"{where}/secrets", {}))["secret"]
        self.sinks.plant("second endpoint secret", fresh)
        for status in (204, 500):
            builder.answers(status, body=b"no")
            self.call("POST", f"{where}/tests", {})
            relay.run(once=True)
        for path in (where, f"{where}/deliveries", "endpoints", "events?type=endpoint.*"):
            self.call("GET", path)
        (sent, *_) = body_of(self.call("GET", f"{where}/deliveries"))["data"]
        self.call("POST", f"{where}/deliveries/{sent['id']}/replays", {})
        self.call("PATCH", where, {"enabled": False}, **{"If-Match": "*"})
        builder.verified(fresh)

    def lent(self, instance: Instance, public_id: str) -> None:
        """A webhook, an endpoint and a clone credential, made by pages that show what they made
        once, then used, tested, repaired and replayed."""
        here = [instance.tenant.slug, public_id]
        typed = {"repository": "platform/api"}
        assert self.page("hook_new", *here, sent=typed).status_code == 302
        with rls.tenant(instance.tenant_id):
            (hook,) = Hook.objects.of(instance.tenant_id).exclude(status="removed")
            secret = sealed.shared_secrets(hook, now=timezone.now())[0]
        self.sinks.plant("hook secret", secret)
        for act in ("hook_test", "hook_repair", "hook_recover"):
            self.page(act, *here, hook.public_id, sent={})
        with rls.tenant(instance.tenant_id):
            hook.refresh_from_db()
            self.sinks.plant("new hook secret", sealed.shared_secrets(hook, now=timezone.now())[0])
        where = reverse("endpoint_new", args=[instance.tenant.slug])
        sent = {"name": "page", "url": "https://builder.example/", "kinds": ["build.*"]}
        self.once("endpoint secret", self.browser.post(where, sent))
        with rls.tenant(instance.tenant_id):
            (endpoint,) = Endpoint.objects.of(instance.tenant_id).filter(name="page")
        where = reverse("endpoint_secret", args=[instance.tenant.slug, endpoint.public_id])
        self.once("new endpoint secret", self.browser.post(where))
        self.page("endpoint_test", instance.tenant.slug, endpoint.public_id, sent={})
        made = {"name": "api", "repository": "platform/api", "mode": "automatic", "enabled": "on"}
        made |= {"binding": public_id, "branches": "main"}
        assert self.page("trigger_new", here[0], instance.name, sent=made).status_code == 302
        with rls.tenant(instance.tenant_id):
            (trigger,) = Trigger.objects.of(instance.tenant_id)
        self.page("trigger_run", here[0], instance.name, trigger.public_id, sent={"ref": "main"})
        lent = {**typed, "minutes": "15"}
        self.once("lease password", self.browser.post(reverse("lease_new", args=here), lent))

    def once(self, name: str, answer: Any) -> None:
        """A page that shows a secret, this once: planted, and not looked for in it."""
        found = re.search(rb">((?:whsec|mrl)_[^<]+)<", answer.content)
        assert found, answer.content
        self.sinks.plant(name, found[1].decode().removeprefix("whsec_"))
        self.keep(f"page with {name}", answer)

    def operated(self, provider: str) -> None:
        """An operator enters a host's app, wrong and right, tests and changes it."""
        secret = self.sinks.plant("client secret", sources.APP_SECRET)
        other = self.sinks.plant("other client secret", "a-test-client-secret-4711")
        none = {"offers-TOTAL_FORMS": "0", "offers-INITIAL_FORMS": "0", "enabled": "on"}
        typed = {
            "provider": provider,
            "label": f"{provider} sandbox",
            "slug": f"{provider}-sandbox",
            "base_url": self.sandbox.base(provider),
            "client_id": sources.APP,
            "offered": "on",
            **none,
        }
        add = "admin:bindings_codehost_add"
        wrong = {**typed, "base_url": "nonsense", "new_secret": secret}
        assert self.page(add, sent=wrong, client=self.operator.client).status_code == 200
        for key in (other, secret):
            if key == other:
                where, args = add, ()
            else:
                where, args = "admin:bindings_codehost_change", (self.host(provider),)
            sent = {**typed, "new_secret": key}
            assert (
                self.page(where, *args, sent=sent, client=self.operator.client).status_code == 302
            )
            chosen = {"action": "test_app", "_selected_action": [self.host(provider)], "index": "0"}
            lists = "admin:bindings_codehost_changelist"
            self.page(lists, sent=chosen, client=self.operator.client)
            self.page(lists, client=self.operator.client)

    def clouded(self) -> None:
        """An operator connects a cloud account: wrong keys, a broken platform, a bug, new keys."""
        add, typed = "admin:bindings_platformaccount_add", {"tenant": "acme"}
        typed["host"] = self.host("codearts")
        told = self.sandbox.token_facts("codearts", "acme-robot", "cloud-account")
        typed["access_key"] = str(told["client_id"])
        wrong = self.sinks.plant("wrong cloud key", "sandbox-test-wrong-secret-key-4711")
        good = self.sinks.plant("cloud key", str(told["token"]))
        operator, superuser = self.operator.client, self.sinks.superuser
        for key, fault in ((wrong, ""), (good, "echo"), (good, "status:500"), (good, "reset")):
            if fault:
                self.sandbox.fault("codearts", fault)
            for button in ("test", "save"):
                sent = {**typed, "secret_key": key, button: "1"}
                assert self.page(add, sent=sent, client=operator).status_code == 200
            self.sandbox.clear_faults()
        sent = {**typed, "secret_key": good, "save": "1"}
        superuser.execute("ALTER TABLE bindings_platformaccount RENAME TO platformaccount_away")
        try:
            assert self.page(add, sent=sent, client=operator).status_code == 500
        finally:
            superuser.execute("ALTER TABLE platformaccount_away RENAME TO bindings_platformaccount")
        for _ in range(2):  # connected, and connected again
            assert self.page(add, sent=sent, client=operator).status_code == 302
        self.page("admin:bindings_platformaccount_changelist", client=operator)

    def host(self, provider: str) -> str:
        rows = self.sinks.superuser.execute(
            "SELECT id FROM bindings_codehost WHERE slug = %s", [f"{provider}-sandbox"]
        )
        return str(rows.fetchone()[0])

    def unbound(self, public_id: str) -> None:
        """Shown first, ended, cleaned up at the platform."""
        self.call("GET", f"bindings/{public_id}/impact")
        path = f"bindings/{public_id}?confirm=build-bot&revoke=true"
        assert self.call("DELETE", path, **{"If-Match": "*"}).status_code == 200
        tasks.end_bindings()
        self.call("GET", f"bindings/{public_id}/receipt")


@pytest.fixture
def sinks(
    superuser: Superuser, services: Services, caplog: pytest.LogCaptureFixture
) -> Iterator[Sinks]:
    """Everything listens: our log at its most talkative, PostgreSQL's with every statement."""
    caplog.set_level(logging.DEBUG)
    _talk(superuser, "all")
    found = Sinks(superuser)
    found.plant("master key", configured.MOORING_KEYS.partition(":")[2])
    yield found
    _talk(superuser, "none")


def _talk(superuser: Superuser, what: str) -> None:
    superuser.execute(f"ALTER SYSTEM SET log_statement = '{what}'")
    superuser.execute("SELECT pg_reload_conf()")


@pytest.fixture
def lines() -> Iterator[StringIO]:
    """The log as a server writes it, in the format of the settings."""
    root, out = logging.getLogger(), StringIO()
    (ours,) = (one for one in root.handlers if isinstance(one.formatter, ProcessorFormatter))
    handler = logging.StreamHandler(out)
    handler.setFormatter(ours.formatter)
    root.addHandler(handler)
    yield out
    root.removeHandler(handler)


@pytest.fixture
def builder(settings: Any) -> Iterator[Receiver]:
    settings.MOORING_ENDPOINT_ALLOW_CIDRS = ("127.0.0.0/8",)
    settings.MOORING_ENDPOINT_ALLOW_HTTP = True
    with Receiver() as listening:
        yield listening


@pytest.fixture
def story(sinks: Sinks, sandbox: Sandbox, settings: Any, alice: Somebody, bob: Somebody) -> Story:
    settings.MOORING_SANDBOX_URL = sandbox.url
    settings.MOORING_METRICS_TOKEN = sinks.plant("metrics token", "test-metrics-token-4711")
    person = factories.person("operator", is_staff=True, is_superuser=True)
    client = Somebody.signed_in(Somebody(person, alice.tenant), ago=_NOW)
    return Story(sinks, sandbox, alice, bob, Operator(person, client))


def test_no_planted_secret_is_found_anywhere(
    story: Story,
    instance: Instance,
    second_instance: Instance,
    carol: Somebody,
    mallory: Somebody,
    caplog: pytest.LogCaptureFixture,
    lines: StringIO,
    capfd: pytest.CaptureFixture[str],
    services: Services,
    builder: Receiver,
) -> None:
    sinks = story.sinks
    story.refused_binds(instance)
    sinks.look("after refused binds")
    public_id = story.bound(instance)
    story.hooked(public_id)
    story.lent(instance, public_id)
    story.operated("github")
    story.operated("gitlab")
    story.operated("codearts")
    story.clouded()
    story.consented(instance, "github", "octavia")
    story.consented(second_instance, "gitlab", "build-bot")
    story.token_made()
    story.listened(builder)
    sinks.look("while bound")
    _commands(sinks)
    _objects(sinks)
    _every_page(story, [story.alice, story.bob, carol, mallory], second_instance, public_id)
    story.unbound(public_id)
    tasks.tell_people()
    tasks.send_mails()
    _every_page(story, [story.alice], second_instance, public_id)
    sinks.look("at the end")

    for record in caplog.records:
        sinks.keep(f"log of {record.name}", f"{record.getMessage()} {record.exc_text or ''}")
    sinks.keep("log lines", lines.getvalue())
    told = capfd.readouterr()
    sinks.keep("standard output", told.out + told.err)
    sinks.keep("log of PostgreSQL", Path(services.postgres.log).read_bytes())
    sinks.keep("mails", repr([message.message().as_string() for message in mail.outbox]))

    expected = {"pat", "wrong pat", "new pat", "api token", "client secret", "other client secret"}
    expected |= {"hook secret", "new hook secret", "endpoint secret", "new endpoint secret"}
    expected |= {"lease password"}
    expected |= {"master key", "metrics token", "cloud key", "wrong cloud key"}
    expected |= {"endpoint secret", "second endpoint secret"}
    assert expected <= set(sinks.planted)
    kinds = [name.rpartition(" ")[0] for name in sinks.planted]
    kinds += ["webhook" for name in sinks.planted if name.startswith("webhook secret")]
    for kind in ("github token", "gitlab token", "gitlab refresh_token", "github code", "webhook"):
        assert kind in kinds
    assert len(sinks.places) > 100
    # The places really say something: statements, lines, sealed values.
    assert b"INSERT INTO" in sinks.places["log of PostgreSQL"]
    assert b'"event": "operator"' in sinks.places["log lines"]
    assert b"<sealed>" in sinks.places["printed Sealed"]
    assert sinks.leaks() == []


def _every_page(story: Story, people: list[Somebody], instance: Instance, public_id: str) -> None:
    """Every address of the site map, as everybody; those of the staff as an operator, too."""
    with rls.fleet("a test"):
        binding = Binding.objects.select_related("host").get(pk=_key(story, public_id))
    names = {
        "tenant": instance.tenant.slug,
        "name": instance.name,
        "instance": instance.public_id,
        "provider": "gitlab",
        "slug": "gitlab",
        "host_slug": binding.host.slug,
        "public_id": public_id,
        "binding": public_id,
        "repository": "platform%2Fapi",
        "code": "GL-TOK-01",
        "app_label": "bindings",
        "object_id": str(binding.pk),
        **_things(story),
    }
    browsers: dict[str, Client] = {one.person.name: one.client for one in people}
    browsers |= {"nobody": Client(), "a token": story.api, "an operator": story.operator.client}
    for route in filled(names):
        for who, browser in browsers.items():
            browser.raise_request_exception = False
            asked = {"headers": {"Authorization": f"Bearer {configured.MOORING_METRICS_TOKEN}"}}
            more = asked if route == "metrics" else {}
            story.keep(f"as {who}: {route}", browser.get(f"/{route}", **more))
    for model in admin_site._registry:
        _details(story, f"{model._meta.app_label}_{model._meta.model_name}", model)


def _things(story: Story) -> dict[str, str]:
    """One of everything that uses the binding, by the names of the addresses."""
    kinds = {"hook": Hook, "trigger": Trigger, "endpoint": Endpoint, "lease": Lease}
    with rls.tenant(story.alice.tenant.pk):
        rows = {name: kind.objects.of(story.alice.tenant).first() for name, kind in kinds.items()}
        if rows["hook"] is not None:
            rows["delivery"] = Delivery.objects.create(
                tenant=story.alice.tenant, hook=rows["hook"], body=b'{"ref": "refs/heads/main"}'
            )
    return {name: row.public_id for name, row in rows.items() if row is not None}


def _details(story: Story, name: str, model: Any) -> None:
    """The first rows of each table of the admin, with their history."""
    table = model._meta.db_table
    for (key,) in story.sinks.superuser.execute(f'SELECT "{model._meta.pk.column}" FROM {table}'):
        for act in ("change", "history"):
            answer = story.operator.client.get(reverse(f"admin:{name}_{act}", args=[key]))
            assert answer.status_code in (200, 302, 404), (name, act)
            story.keep(f"admin {name} {act}", answer)


def _key(story: Story, public_id: str) -> Any:
    return ids.key(Binding.PREFIX, public_id)


def _commands(sinks: Sinks) -> None:
    """What commands print, and what a dump holds."""
    for command, options in (
        ("rotate_keys", {}),
        ("dumpdata", {"database": "owner"}),
        ("check_bindings", {"due": True}),
    ):
        out, err = StringIO(), StringIO()
        call_command(command, stdout=out, stderr=err, **options)
        sinks.keep(f"command {command}", out.getvalue() + err.getvalue())
    with rls.fleet("a test dumps what the fleet may read"):
        for model in apps.get_app_config("bindings").get_models():
            if "s" not in RIGHTS[model._meta.db_table][2].lower():
                continue
            sinks.keep(
                f"dump of {model.__name__}", serializers.serialize("json", model.objects.all())
            )


def _objects(sinks: Sinks) -> None:
    """Every value of ours that holds a secret, printed in all ways there are."""
    with rls.fleet("a test"):
        rows = list(Credential.objects.select_related("binding__host"))
    assert rows
    held: list[Any] = [TokenAsk("gitlab", sinks.planted["pat"]), configured.ENVIRONMENT]
    for row in rows:
        held += [row, row.binding, row.binding.host, vars(row), vars(row.binding.host)]
        held += [sealed.secret_of(row, row.binding), host_value(row.binding.host)]
        assert isinstance(row.access, Sealed)
        held += [row.access, [row.access], {"access": row.access}]
    ways: tuple[Callable[[Any], str], ...] = (repr, str, "{}".format, ascii)
    for one in held:
        for way in ways:
            sinks.keep(f"printed {type(one).__name__}", way(one))


@pytest.mark.parametrize("form", sorted(encodings("glpat-sandbox0123456789")))
def test_each_form_of_a_secret_would_be_found(form: str, superuser: Superuser) -> None:
    """The net has no hole: a secret written down in this form is found."""
    secret = "glpat-sandboxTest0123456789"
    written = {
        "plain": secret,
        "base64": base64.b64encode(f"user:{secret}@host".encode()).decode(),
        "base64url": base64.urlsafe_b64encode(f"u{secret}??>".encode()).decode(),
        "hex": secret.encode().hex(),
        "url-encoded": "".join(f"%{byte:02X}" for byte in secret.encode()),
        "reversed": secret[::-1],
        "JSON-escaped": "".join(f"\\u{ord(letter):04x}" for letter in secret),
        "UTF-16": secret.encode("utf-16-le"),
        "first and last": f"{secret[:8]}...{secret[-8:]}",
    }
    sinks = Sinks(superuser)
    sinks.plant("pat", secret)
    sinks.keep("a place", written[form])
    assert any(f"as {form} in a place" in leak for leak in sinks.leaks())


def test_an_answer_is_kept_whole(story: Story) -> None:
    answer = HttpResponse("test-body", headers={"X-Test": "test-header"})
    answer.set_cookie("test", "test-cookie")
    story.keep("one", answer)
    kept = bytes(story.sinks.places["answers: one"])
    assert all(word in kept for word in (b"test-body", b"test-header", b"test-cookie"))
