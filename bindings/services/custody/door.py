"""The process's one network door, and how a host may be reached through it."""

from __future__ import annotations

import os
from functools import lru_cache
from urllib.parse import urlsplit

from django.conf import settings

from bindings.models import CodeHost
from bindings.services.custody import sealed
from providers.http import Door
from providers.types import Host, Profile, Rules


def door() -> Door:
    """The Door of this process. Made on first use, so that every fork has its own."""
    return _door(os.getpid())


@lru_cache(maxsize=1)
def _door(_pid: int) -> Door:
    return Door(threads=settings.MOORING_SWEEP_THREADS)


def rules_for(host: CodeHost) -> Rules:
    """What an operator set for this host, over the server's profile."""
    profile = Profile(host.profile or settings.MOORING_PROFILE)
    return Rules(
        profile=profile,
        private=tuple(host.private_cidrs) if profile is Profile.EXTENDED else (),
        ca_bundle=host.ca_bundle if profile is Profile.EXTENDED else "",
        proxy=host.proxy_url or settings.MOORING_EGRESS_PROXY,
        sandbox=sandbox_origin(),
    )


def sandbox_origin() -> tuple[str, int] | None:
    """The one loopback (host, port) that may be dialled; production refuses the setting."""
    if not settings.MOORING_SANDBOX_URL:
        return None
    parts = urlsplit(settings.MOORING_SANDBOX_URL)
    return (parts.hostname or "", parts.port or 80)


def host_value(host: CodeHost) -> Host:
    """The host as providers know it, with its OAuth client. Raises Undecryptable."""
    return Host(
        base_url=host.base_url,
        api_url=host.api_url,
        client_id=host.client_id,
        client_secret=sealed.client_secret(host),
    )
