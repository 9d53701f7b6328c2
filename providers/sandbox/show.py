"""What the control API shows of the world: the shapes of `.local/demo.json` and more."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any

from providers.sandbox.records import Account, Hook, Repository, Token
from providers.sandbox.world import Site, World


def state(world: World) -> dict[str, Any]:
    return {
        "now": world.now(),
        "skew": world.skew,
        "providers": {slug: _site(site) for slug, site in world.sites.items()},
        "faults": world.faults.show(),
        **world.ledger.show(),
    }


def _site(site: Site) -> dict[str, Any]:
    return {
        "base_url": f"{site.world.origin}/{site.slug}",
        "apps": [
            {"client_id": a.client_id, "client_secret": a.secret, "name": a.name}
            for a in site.apps.values()
        ],
        "accounts": [account(site, a) for a in site.accounts.values()],
        "repositories": [_repository(r) for r in site.repositories.values()],
        "hooks": [hook(site, h) for h in site.hooks.values()],
    }


def account(site: Site, known: Account) -> dict[str, Any]:
    now = site.world.now()
    tokens = [token(t, now) for t in site.tokens.values() if t.login == known.login]
    dialect = site.world.dialects[site.slug]
    return {
        "login": known.login,
        "external_id": dialect.external_id(known),
        "clone_username": dialect.clone_username(known),
        "name": known.name,
        "kind": known.kind,
        "state": known.state,
        "tokens": tokens,
    }


def token(known: Token, now: float) -> dict[str, Any]:
    end = known.expires
    said = {
        "name": known.name,
        "kind": known.kind,
        "scopes": known.scopes,
        "expires_on": None if end is None else datetime.fromtimestamp(end, UTC).date().isoformat(),
        "expires_at": end,
        "state": known.state(now),
        "generation": known.generation,
        "family": known.family,
        "token": known.text,
    }
    if known.refresh:
        said["refresh_token"] = known.refresh
    if known.client_id:
        said["client_id"] = known.client_id
    return said


def _repository(known: Repository) -> dict[str, Any]:
    names = ("id", "path", "visibility", "default_branch", "archived", "roles", "former_paths")
    return {name: getattr(known, name) for name in names}


def hook(site: Site, known: Hook, *, full: bool = False) -> dict[str, Any]:
    """`full`: with the deliveries, headers and bodies included."""
    repository = site.repositories[known.repository]
    said: dict[str, Any] = {
        "id": known.id,
        "repository": repository.path,
        "repository_id": known.repository,
        "url": known.url,
        "events": known.events,
        "active": known.active,
        "settings": known.settings,
        "has_secret": bool(known.secret),
        "has_signing_key": bool(known.signing_key),
        "failures": known.failures,
        "disabled": known.off_for_good,
        "deliveries": len(known.deliveries),
    }
    if full:
        said["deliveries"] = [dataclasses.asdict(d) for d in known.deliveries]
    return said
