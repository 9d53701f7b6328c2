"""Signing in and out on this machine."""

from __future__ import annotations

import platform
from argparse import Namespace

from portal.cli import browser, keeping, tables
from portal.cli.client import Client, Refused


def login(options: Namespace) -> int:
    """Get a token, from a browser or from standard input, and keep it once the portal has said
    whose it is."""
    site = keeping.meant(options.url)
    if options.with_token:
        token = keeping.secret("API token")
    else:
        token = browser.approved(site, platform.node())
    portal = Client(site, token)
    me = portal.get("/me").body
    where = keeping.keep(site, token)
    line = f"{me['name']} in {me['tenant']['name']} at {site}. The token is kept in {where}."
    tables.show(options.json, me, [tables.clean(line)])
    return 0


def logout(options: Namespace) -> int:
    """End the token, and keep it no longer; one that has ended already is only forgotten."""
    portal = keeping.client()
    try:
        portal.ask("DELETE", "/tokens/self")
    except Refused as refused:
        if refused.status != 401:
            raise
    keeping.forget(portal.site)
    tables.show(options.json, {}, [f"Signed out of {portal.site}. The token has ended."])
    return 0
