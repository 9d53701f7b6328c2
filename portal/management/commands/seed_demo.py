"""`manage.py seed_demo`: tenants, people, servers, bindings and tokens to try things with.

Safe to run again: what is there stays. `.local/demo.json` says what there is (`api.md` 9.3).
"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from bindings.models import CodeHost, PlatformAccount
from bindings.services.bind import instances, platform, store, token
from bindings.services.bind.token import TokenAsk
from bindings.services.custody import sealed
from bindings.services.custody.door import door
from portal.embedded import LOCAL
from portal.ground import bearer, rls
from portal.ground.refusals import Refusal
from portal.tenants import access, roles
from portal.tenants.access import Actor
from portal.tenants.models import Role, ServiceToken, Tenant, User
from portal.tenants.services import members, tenants, tokens
from providers.catalogue import REGISTRY
from providers.errors import ProviderError
from providers.types import Method, Rules

PASSWORD = "sandbox-demo-only"  # noqa: S105 - demo data, refused in production
TENANTS = {
    "acme": ("Acme Foundry", (Role.OWNER, Role.ADMIN, Role.DEVELOPER, Role.VIEWER)),
    "globex": ("Globex", (Role.OWNER,)),
}
OPERATOR = "operator@mooring.example"
INSTANCES = {"acme": ("prod-registry", "staging-registry"), "globex": ("main-registry",)}
TOKEN_NAME = "demo-all"  # noqa: S105 - a name
ENDS_SOON = "ending"
CLOUD = "cloud-account"
_TOLD = ("name", "scopes", "expires_on", "token", "client_id")
"""Of a token of the sandbox. `client_id` is the access key of a cloud account's pair."""


class Command(BaseCommand):
    help = "Demo tenants, people, bindings and tokens. Refused in production."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--reset", action="store_true", help="begin with an empty database")

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.MOORING_ENV == "production":
            raise CommandError("seed_demo is for development; MOORING_ENV is production.")
        if options["reset"]:
            call_command("flush", database="owner", interactive=False, verbosity=0)
        sandbox = _sandbox_state()
        _hosts(sandbox)
        people = [person for slug in TENANTS for person in _tenant(slug)]
        _operator()
        known = _known(LOCAL / "demo.json")
        made = [_service_token(slug, known) for slug in TENANTS]
        _cloud_account(sandbox)
        _instances()
        _first_binding(sandbox)
        _write(LOCAL / "demo.json", people, made, sandbox)
        self.stdout.write("Demo data is ready.")


def _sandbox_state() -> dict[str, Any]:
    """What the sandbox code host has; {} when none runs."""
    if not settings.MOORING_SANDBOX_URL:
        return {}
    url = settings.MOORING_SANDBOX_URL
    host, _, port = url.partition("://")[2].partition(":")
    rules = Rules(sandbox=(host, int(port or 80)))
    try:
        answer = door().ask("GET", f"{url}/_control/state", rules=rules, headers={}, cap=8_000_000)
    except ProviderError as error:
        raise CommandError(f"The sandbox at {url} does not answer ({error.reason}).") from None
    found: dict[str, Any] = answer.object()["providers"]
    return found


def _hosts(sandbox: dict[str, Any]) -> None:
    now = timezone.now()
    with rls.fleet("seed the demo's servers"):
        _host("gitlab", "gitlab-com", "GitLab.com", "https://gitlab.com")
        for slug, site in sandbox.items():
            if slug not in REGISTRY:
                continue
            label = f"{REGISTRY[slug].spec.label} sandbox"
            host = _host(slug, f"{slug}-sandbox", label, site["base_url"])
            if Method.OAUTH in REGISTRY[slug].spec.methods and site["apps"]:
                app = site["apps"][0]
                host.client_id = app["client_id"]
                host.options = {"app_name": app["name"]} if slug == "github" else {}
                sealed.put_client_secret(host, app["client_secret"], now=now)
                host.save()


def _host(provider: str, slug: str, label: str, base_url: str) -> CodeHost:
    api_url = REGISTRY[provider].api_url(base_url)
    host, _ = CodeHost.objects.update_or_create(
        slug=slug,
        defaults={"provider": provider, "label": label, "base_url": base_url, "api_url": api_url},
    )
    return host


def _tenant(slug: str) -> list[dict[str, str]]:
    name, wanted = TENANTS[slug]
    now = timezone.now()
    people = {
        role: _person(f"{role}@{slug}.example", f"{role.title()} of {name}") for role in wanted
    }
    if not Tenant.objects.filter(slug=slug).exists():
        tenants.open_tenant(slug=slug, name=name, owner=people[Role.OWNER], now=now)
    owner = access.enter(people[Role.OWNER], slug)
    for role, person in people.items():
        if not person.memberships.filter(tenant=owner.tenant, left_at=None).exists():
            members.join(actor=owner, person=person, role=role, now=now)
    return [
        {"email": person.email, "password": PASSWORD, "tenant": slug, "role": str(role)}
        for role, person in people.items()
    ]


def _person(email: str, name: str) -> User:
    known = User.objects.filter(email=email).first()
    return known or User.objects.create_user(email, PASSWORD, name=name)


def _operator() -> None:
    if not User.objects.filter(email=OPERATOR).exists():
        User.objects.create_superuser(OPERATOR, PASSWORD, name="Operator")


def _known(path: Path) -> dict[str, str]:
    """Tenant → API token of an earlier run: shown once, so this file is its only copy."""
    if not path.exists():
        return {}
    return {row["tenant"]: row["token"] for row in json.loads(path.read_text())["tokens"]}


def _service_token(slug: str, known: dict[str, str]) -> dict[str, Any]:
    secret = known.get(slug, "")
    live = ServiceToken.objects.filter(revoked_at=None)
    if not secret or not live.filter(digest=bearer.digest(secret)).exists():
        ask = tokens.TokenAsk(name=TOKEN_NAME, scopes=sorted(roles.LEAST), role=Role.OWNER)
        secret = tokens.create(actor=_owner(slug), ask=_ending(ask), now=timezone.now()).secret
    return {
        "name": TOKEN_NAME,
        "tenant": slug,
        "scopes": sorted(roles.LEAST),
        "token": secret,
    }


def _ending(ask: tokens.TokenAsk) -> tokens.TokenAsk:
    day = timezone.now().date().toordinal() + 364
    return tokens.TokenAsk(
        name=ask.name,
        scopes=ask.scopes,
        role=ask.role,
        expires_on=timezone.now().date().fromordinal(day),
    )


def _owner(slug: str) -> Actor:
    return access.enter(User.objects.get(email=f"owner@{slug}.example"), slug)


def _instances() -> None:
    for slug, names in INSTANCES.items():
        actor = _owner(slug)
        for name in names:
            try:
                instances.open_instance(actor=actor, name=name, region=settings.MOORING_REGIONS[0])
            except Refusal as refused:
                if refused.code != "X-NAME-01":
                    raise


def _cloud_account(sandbox: dict[str, Any]) -> None:
    """acme's, so that its instances have CodeArts bound from the first visit (product.md U5)."""
    site = sandbox.get("codearts", {"accounts": []})
    pair = next((t for a in site["accounts"] for t in a["tokens"] if t["name"] == CLOUD), None)
    tenant = Tenant.objects.get(slug="acme")
    with rls.tenant(tenant.pk):
        known = PlatformAccount.objects.of(tenant).exclude(secret=None).exists()
    if pair is None or known:
        return
    host = next(one for one in platform.hosts() if one.provider == "codearts")
    platform.connect(
        actor=access.operator(User.objects.get(email=OPERATOR), tenant),
        host=host,
        secret=platform.secret_of(pair["client_id"], pair["token"]),
    )


def _first_binding(sandbox: dict[str, Any]) -> None:
    """One binding that ends soon, so that the first look shows what this is about."""
    site = sandbox.get("gitlab")
    secret = _token_named(site, ENDS_SOON) if site else ""
    if not site or not secret:
        return
    actor = _owner("acme")
    instance = access.get_instance(actor, INSTANCES["acme"][1], "bindings:write")
    with rls.tenant(instance.tenant_id):
        if store.live_binding(instance, "gitlab") is not None:
            return
    ask = TokenAsk(provider="gitlab", token=secret, base_url=site["base_url"])
    token.bind(actor=actor, instance=instance, ask=ask)


def _token_named(site: dict[str, Any], name: str) -> str:
    for account in site["accounts"]:
        for known in account["tokens"]:
            if known["name"] == name:
                return str(known["token"])
    return ""


def _write(
    path: Path, people: list[dict[str, str]], made: list[dict[str, Any]], sandbox: dict[str, Any]
) -> None:
    document = {
        "url": settings.MOORING_URL,
        "sandbox_url": settings.MOORING_SANDBOX_URL,
        "tenants": [{"slug": slug} for slug in TENANTS],
        "users": people,
        "tokens": made,
        "operator": {"email": OPERATOR, "password": PASSWORD},
        "sandbox": {slug: _site(site) for slug, site in sandbox.items()},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(json.dumps(document, indent=2) + "\n")


def _site(site: dict[str, Any]) -> dict[str, Any]:
    return {
        "base_url": site["base_url"],
        "accounts": [
            {
                "login": account["login"],
                "external_id": account["external_id"],
                "clone_username": account["clone_username"],
                "tokens": [
                    {key: known[key] for key in _TOLD if key in known}
                    for known in account["tokens"]
                ],
            }
            for account in site["accounts"]
        ],
    }
