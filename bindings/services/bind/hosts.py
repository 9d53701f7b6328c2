"""Find the server somebody means: an offered one, or the one whose address they typed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils.text import slugify

from bindings import problems
from bindings.models import CodeHost
from bindings.services.browse import offers
from bindings.services.custody.door import door, rules_for
from bindings.services.keep.doctor import SECONDS, Hint
from bindings.services.keep.steps import KEYS, Step
from portal.ground import ids, rls
from portal.ground.refusals import Refusal
from portal.tenants.models import Instance, Tenant
from providers import address as addresses
from providers.catalogue import REGISTRY
from providers.errors import AddressRefused, ProviderError
from providers.types import Can, Rules

_SLASHES_OF_A_BARE_SERVER = 2  # https://host
_LONGEST_ADDRESS = 300  # the columns of CodeHost


@dataclass(frozen=True, slots=True)
class Found:
    """The server, which is unsaved when an address was typed for the first time; what to tell;
    and the project whose link was pasted."""

    host: CodeHost
    hints: tuple[Hint, ...] = ()
    project: str = ""


def offered(tenant: Tenant, provider: str) -> list[CodeHost]:
    """The enabled servers of a provider that this tenant may use: operators' first, then its own.
    Opens the tenant's scope."""
    return offers.of_tenant(tenant).get(provider, [])


def is_offered(tenant: Tenant, provider: str) -> bool:
    """May this tenant bind the provider at all? Where addresses are typed, always."""
    kind = REGISTRY.get(provider)
    if kind is None:
        return False
    if Can.TYPED_ADDRESS in kind.spec.capabilities:
        return True
    return bool(offers.with_account(tenant, provider, offered(tenant, provider)))


def check_offer(instance: Instance, provider: str) -> None:
    """Refuse a provider that is not offered to the tenant, or not in the instance's region."""
    kind = REGISTRY.get(provider)
    if kind is None or not is_offered(instance.tenant, provider):
        raise not_offered(provider)
    if instance.region not in settings.MOORING_REGIONS:
        raise Refusal(
            f"{kind.spec.prefix}-OFF-02",
            field="provider",
            platform=kind.spec.label,
            region=instance.region,
        )


def not_offered(provider: str) -> Refusal:
    """The refusal of a provider this tenant cannot bind."""
    return Refusal(f"{problems.prefix_of(provider)}-OFF-01", field="provider")


def find(*, tenant: Tenant, provider: str, address: str = "", host: str = "") -> Found:
    """The server meant by an id, a slug, a typed address, or by nothing: the default one.

    A typed address is judged and, for a pasted link, the server behind it is asked for without
    the token. Raises Refusal: X-HOST-01, *-ADDR-*, *-OFF-01.
    """
    known = offered(tenant, provider)
    if host:
        return Found(_by_name(known, provider, host))
    spec = REGISTRY[provider].spec
    if address and Can.TYPED_ADDRESS in spec.capabilities:
        return _by_address(tenant, known, provider, address)
    wanted = spec.default_address
    for candidate in known:
        if candidate.base_url == wanted:
            return Found(candidate)
    if known:
        return Found(known[0])
    if wanted and Can.TYPED_ADDRESS in spec.capabilities:
        return _by_address(tenant, known, provider, wanted)
    raise Refusal(f"{spec.prefix}-OFF-01", platform=spec.label)


def judge(*, tenant: Tenant, provider: str, address: str) -> str:
    """Judge a typed address by its text alone, while nobody has been asked: the server it seems to
    mean. Raises Refusal *-ADDR-*."""
    rules = rules_for(_blank(tenant, provider))
    try:
        return str(addresses.parse(address, rules=rules).origin)
    except ProviderError as error:
        raise _refused(provider, error, rules) from None


def _by_name(known: list[CodeHost], provider: str, host: str) -> CodeHost:
    for candidate in known:
        if host in (candidate.slug, candidate.public_id):
            return candidate
    raise Refusal("X-HOST-01", field="host", platform=REGISTRY[provider].spec.label)


def _by_address(tenant: Tenant, known: list[CodeHost], provider: str, text: str) -> Found:
    kind, way = REGISTRY[provider], door().within(SECONDS)
    probe = _blank(tenant, provider)
    rules = rules_for(probe)
    offered_here = {host.base_url for host in known}

    def answers(base_url: str) -> bool:
        # A bare server is asked by the ladder anyway; only a path needs to be told apart.
        bare = base_url.count("/") == _SLASHES_OF_A_BARE_SERVER
        if base_url in offered_here or (bare and not typed.path):
            return True
        return kind.recognise(way, kind.api_url(base_url), rules)

    try:
        typed = addresses.parse(text, rules=rules)
        server = addresses.locate(typed, answers)
        if len(kind.api_url(server.base_url)) > _LONGEST_ADDRESS:
            raise AddressRefused("too_long")
    except ProviderError as error:
        refused = _refused(provider, error, rules)
        if not isinstance(error, AddressRefused):
            refused.steps = _unreached(error, refused)
        raise refused from None
    hints: tuple[Hint, ...] = ()
    project = server.project.removeprefix("/")
    if server.notice:
        code = f"{kind.spec.prefix}-{server.notice}"
        hints = (Hint("base_url", server.base_url, code, {"path": project}),)
    return Found(_known_or_new(tenant, known, probe, server.base_url), hints, project)


def _unreached(error: ProviderError, refused: Refusal) -> list[dict[str, Any]]:
    """The six steps, when asking which part of a link is the server failed already: the test ran,
    and ended there."""
    failed = "tls" if error.reason.startswith("tls") else "server"
    steps = {key: Step(key) for key in KEYS}
    steps[failed] = Step(failed, "failed", 0, refused.code, refused.facts)
    if failed == "tls":
        steps["server"] = Step("server", "ok", 0)
    return [step.shown() for step in steps.values()]


def _refused(provider: str, error: ProviderError, rules: Rules) -> Refusal:
    refused = problems.refusal(
        error,
        prefix=REGISTRY[provider].spec.prefix,
        moment=problems.Moment.BIND,
        egress=", ".join(settings.MOORING_EGRESS_RANGES),
        policy_hint=rules.profile.value,
    )
    refused.field = "base_url"
    return refused


def _known_or_new(
    tenant: Tenant, known: list[CodeHost], probe: CodeHost, base_url: str
) -> CodeHost:
    for host in known:  # operators' first
        if host.base_url == base_url:
            return host
    with rls.tenant(tenant.pk):
        if CodeHost.objects.filter(
            provider=probe.provider, base_url=base_url, enabled=False
        ).exists():
            raise not_offered(probe.provider)
    probe.base_url, probe.api_url = base_url, REGISTRY[probe.provider].api_url(base_url)
    name = base_url.split("://", 1)[1]
    probe.label = name[:80]
    words = slugify(name.replace(".", "-").replace(":", "-"))
    probe.slug = f"{words[:48]}-{str(probe.pk)[-8:]}"
    return probe


def _blank(tenant: Tenant, provider: str) -> CodeHost:
    # Unknown servers are asked gently: 2 at once, 2 a second (security.md 6, providers.md 13).
    return CodeHost(
        id=ids.uuid7(), owner=tenant, provider=provider, per_minute=120, at_once=2, offered=False
    )
