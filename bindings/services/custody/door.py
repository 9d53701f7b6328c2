"""The process's one network door, and how a host may be reached through it."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

import structlog
from django.conf import settings

from bindings.models import CodeHost
from bindings.services.custody import sealed
from bindings.services.custody.pace import PACER, budget_of
from bindings.services.custody.sealed import Undecryptable
from providers.http import Door
from providers.types import Host, Profile, Rules

log = structlog.get_logger(__name__)

_doors: dict[int, Door] = {}  # process id → its door: a fork inherits the dictionary, not the door


def door() -> Door:
    """The Door of this process: the installed one, else one made on first use."""
    known = _doors.get(os.getpid())
    return known or _doors.setdefault(os.getpid(), _made())


def door_to(host: CodeHost, *, within: float | None = None) -> Door:
    """The door for an errand at this host that somebody waits for, at the host's own pace.
    `within`: seconds for all its calls together."""
    way = door() if within is None else door().within(within)
    return way.paced(PACER.people(budget_of(host)))


def install(made: Door) -> None:
    """Use `made` in this process from now on. The former one is its owner's to close."""
    _doors[os.getpid()] = made


def _made() -> Door:
    return Door(
        threads=settings.MOORING_SWEEP_THREADS,
        user_agent=f"Mooring/{settings.MOORING_VERSION}",
        trusted=settings.MOORING_CA_BUNDLE,
    )


def rules_for(host: CodeHost) -> Rules:
    """What an operator set for this host, over the server's profile."""
    profile = Profile(host.profile or settings.MOORING_PROFILE)
    opened = (*host.private_cidrs, *settings.MOORING_ALLOW_CIDRS)
    return Rules(
        profile=profile,
        private=opened if profile is Profile.EXTENDED else (),
        ca_bundle=host.ca_bundle if profile is Profile.EXTENDED else "",
        proxy=host.proxy_url or settings.MOORING_EGRESS_PROXY,
        sandbox=sandbox_origin(),
    )


def rules_for_endpoints() -> Rules:
    """How builders may be reached: publicly, and in the ranges an operator opened for them; on
    loopback outside production only."""
    opened = tuple(settings.MOORING_ENDPOINT_ALLOW_CIDRS)
    return Rules(
        private=opened,
        proxy=settings.MOORING_EGRESS_PROXY,
        loopback=() if settings.MOORING_ENV == "production" else opened,
    )


def sandbox_origin() -> tuple[str, int] | None:
    """The one loopback (host, port) that may be dialled; production refuses the setting."""
    if not settings.MOORING_SANDBOX_URL:
        return None
    parts = urlsplit(settings.MOORING_SANDBOX_URL)
    return (parts.hostname or "", parts.port or 80)


def host_value(host: CodeHost) -> Host:
    """The host as providers know it, with its OAuth client. Raises Undecryptable."""
    return _value(host, sealed.client_secret(host))


def host_for_accounts(host: CodeHost) -> Host:
    """The same for calls that an account's own token carries: when the app's secret does not open,
    they go on without it, and what does need the app is refused by the host as a wrong app."""
    try:
        return host_value(host)
    except Undecryptable:
        log.error("the client secret of a host does not open", host=host.slug)
        return _value(host, "")


def _value(host: CodeHost, client_secret: str) -> Host:
    return Host(
        base_url=host.base_url,
        api_url=host.api_url,
        client_id=host.client_id,
        client_secret=client_secret,
        options=host.options,
    )
