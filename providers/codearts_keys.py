"""Huawei Cloud: the platform's credential in one text, the signature of a request, the regions.

SDK-HMAC-SHA256 as Huawei's own SDK makes it; the vectors are in the tests.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from hmac import digest as hmac
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from providers.address import split
from providers.errors import TokenRejected

ALGORITHM = "SDK-HMAC-SHA256"
KIND = "application/json"
"""Part of what is signed, so that it is sent without a body too."""

# The family of hosts that serves CodeArts Repo, by region (`providers.md` 8.2).
FAMILIES: Mapping[str, tuple[str, ...]] = {
    "codehub-ext": (
        *("cn-north-1", "cn-north-4", "cn-east-2", "cn-east-3", "cn-south-1", "cn-south-2"),
        *("cn-southwest-2", "sa-brazil-1", "la-north-2", "ap-southeast-3"),
    ),
    "codeartsrepo-ext": ("la-south-2", "tr-west-1", "eu-west-101"),
    "repo": ("me-east-1", "af-south-1", "af-north-1"),
}
REGIONS = {region: family for family, regions in FAMILIES.items() for region in regions}
DOMAIN = "myhuaweicloud.com"

_PRINTABLE = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class Keys:
    """An access key (AK) and its secret key (SK); a temporary pair has a security token too."""

    access: str
    secret: str = field(repr=False)
    security: str = field(default="", repr=False)


def pack(keys: Keys) -> str:
    """One text, to be sealed as the token of a credential. An IAM token holds no space."""
    return " ".join(filter(None, (keys.access, keys.secret, keys.security)))


def unpack(token: str) -> Keys | None:
    """The pair in a token; None for an IAM token. Raises TokenRejected("characters")."""
    parts = token.split(" ")
    if len(parts) == 1:
        return None
    if len(parts) > 3 or not all(map(_PRINTABLE.fullmatch, parts)):
        raise TokenRejected("characters")
    return Keys(*parts)


def signed(keys: Keys, method: str, url: str, body: bytes, now: datetime) -> dict[str, str]:
    """The headers that prove this request. `now`: UTC; Huawei allows a quarter of an hour."""
    headers = {"X-Sdk-Date": f"{now:%Y%m%dT%H%M%SZ}", "Content-Type": KIND}
    if keys.security:
        headers["X-Security-Token"] = keys.security
    covered = {name.lower(): text for name, text in headers.items()}
    covered["host"] = split(url)[0].authority  # as it stands on the wire
    asked = canonical(method, url, covered, body)
    told = f"{ALGORITHM}\n{covered['x-sdk-date']}\n{sha256(asked.encode()).hexdigest()}"
    proof = hmac(keys.secret.encode(), told.encode(), "sha256").hex()
    names = ";".join(sorted(covered))
    headers["Authorization"] = (
        f"{ALGORITHM} Access={keys.access}, SignedHeaders={names}, Signature={proof}"
    )
    return headers


def canonical(method: str, url: str, headers: Mapping[str, str], body: bytes) -> str:
    """The six parts of a request that are signed. `headers`: those covered, in lower case."""
    parts = urlsplit(url)
    path = "/".join(_quoted(unquote(segment)) for segment in parts.path.split("/"))
    query = sorted(parse_qsl(parts.query, keep_blank_values=True))
    lines = [f"{name}:{headers[name].strip()}\n" for name in sorted(headers)]
    return "\n".join(
        (
            method.upper(),
            path if path.endswith("/") else f"{path}/",
            "&".join(f"{_quoted(key)}={_quoted(value)}" for key, value in query),
            "".join(lines),
            ";".join(sorted(headers)),
            sha256(body).hexdigest(),
        )
    )


def _quoted(text: str) -> str:
    return quote(text, safe="~")


# -- addresses -------------------------------------------------------------------------------------


def api_url(base_url: str) -> str:
    """Where the API of a region's repositories is. A stand-in has all of it below its own base."""
    name = urlsplit(base_url).hostname or ""
    region = next((part for part in name.split(".") if part in REGIONS), "")
    if not region:
        return f"{base_url}/v4"
    return f"https://{REGIONS[region]}.{region}.{DOMAIN}/v4"


def service_url(service: str, api: str) -> str:
    """Where another service of the same region is: "iam", "sts"."""
    found = re.fullmatch(rf"https://[a-z-]+\.([a-z0-9-]+)\.{re.escape(DOMAIN)}/v4", api)
    return f"https://{service}.{found[1]}.{DOMAIN}" if found else api.removesuffix("/v4")
