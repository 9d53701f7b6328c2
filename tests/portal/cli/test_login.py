"""Signing in and out: where the token is kept, who may read it, to whom it is sent."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from portal.tenants.models import ServiceToken
from tests.portal.cli.conftest import Terminal

RING = """#!/bin/sh
# A key ring as secret-tool speaks to one: everything but the secret is in the arguments.
echo "$@" >> "$HOME/arguments"
case "$1" in
  store) cat > "$HOME/ring" ;;
  lookup) cat "$HOME/ring" ;;
  clear) rm "$HOME/ring" ;;
esac
"""


def kept(terminal: Terminal) -> Path:
    return terminal.home / ".config" / "mooring" / "login.json"


@pytest.fixture
def away(terminal: Terminal) -> Terminal:
    """A terminal whose environment names no portal and no token."""
    return terminal.without("MOORING_URL", "MOORING_TOKEN")


def test_a_token_from_standard_input_is_kept_for_its_owner_alone(
    away: Terminal, site: str, secret: str
) -> None:
    said = away.process("login", "--url", site, "--with-token", typed=f"{secret}\n")
    assert said.status == 0, said.err
    assert secret not in said.out + said.err
    assert stat.S_IMODE(kept(away).stat().st_mode) == 0o600
    assert stat.S_IMODE(kept(away).parent.stat().st_mode) == 0o700
    assert away.mooring("whoami", "--json").json["tenant"]["slug"] == "acme"


def test_logging_out_ends_the_token(away: Terminal, site: str, secret: str) -> None:
    away.mooring("login", "--url", site, "--with-token", typed=secret)
    assert away.mooring("logout").status == 0
    assert not kept(away).exists()
    assert ServiceToken.objects.filter(revoked_at=None).count() == 0
    assert away.mooring("whoami").status == 2
    away.having(MOORING_URL=site, MOORING_TOKEN=secret).mooring("whoami").refused("X-AUTH-02")


def test_a_wrong_token_is_not_kept(away: Terminal, site: str) -> None:
    wrong = "mrg_" + "0" * 49
    said = away.mooring("login", "--url", site, "--with-token", typed=wrong)
    said.refused("X-AUTH-02")
    assert not kept(away).exists()


def test_a_kept_token_is_not_sent_to_another_portal(away: Terminal, site: str, secret: str) -> None:
    away.mooring("login", "--url", site, "--with-token", typed=secret)
    other = away.having(MOORING_URL="http://127.0.0.1:1").mooring("whoami")
    assert other.status == 2
    assert "No token for" in other.err


def test_a_file_others_can_read_is_not_used(away: Terminal, site: str, secret: str) -> None:
    away.mooring("login", "--url", site, "--with-token", typed=secret)
    kept(away).chmod(0o644)
    said = away.mooring("whoami")
    assert said.status == 2
    assert "chmod 600" in said.err


def test_a_key_ring_is_preferred_and_gets_no_secret_as_argument(
    away: Terminal, site: str, secret: str
) -> None:
    programs = away.home / "bin"
    programs.mkdir()
    ring = programs / "secret-tool"
    ring.write_text(RING)
    ring.chmod(0o755)
    having = away.having(PATH=f"{programs}:{away.environment['PATH']}")
    having.mooring("login", "--url", site, "--with-token", typed=secret)
    assert secret not in kept(away).read_text()
    assert secret not in (away.home / "arguments").read_text()
    assert having.mooring("whoami").status == 0
    assert having.mooring("logout").status == 0
    assert not (away.home / "ring").exists()


@pytest.mark.parametrize("typed", ["", "two\nlines", "mrg_with space"])
def test_what_is_no_token_is_wrong_usage(away: Terminal, site: str, typed: str) -> None:
    said = away.mooring("login", "--url", site, "--with-token", typed=typed)
    assert said.status == 2
