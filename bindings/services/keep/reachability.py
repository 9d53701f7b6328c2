"""Can a code host deliver to us? As far as our own address tells; only a delivery proves it."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from django.conf import settings

_NEVER_PUBLIC = (".local", ".internal", ".lan", ".localhost", ".home.arpa", ".corp")


def can_reach_us(base_url: str) -> bool:
    """Is our public address one that a host at `base_url` may be able to call? An address inside
    a network is only reachable for a host that is inside one as well."""
    return not _inside(settings.MOORING_URL) or _inside(base_url)


def _inside(url: str) -> bool:
    name = (urlsplit(url).hostname or "").lower()
    try:
        return not ipaddress.ip_address(name).is_global
    except ValueError:
        return name == "localhost" or "." not in name or name.endswith(_NEVER_PUBLIC)
