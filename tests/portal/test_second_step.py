"""Seeds of second steps are sealed at rest, move with the key ring, and fail closed."""

from __future__ import annotations

import base64
from typing import Any

import psycopg
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import (
    TOTP,
    format_hotp_value,
    generate_totp_secret,
    hotp_value,
    yield_hotp_counters_from_time,
)

from bindings.services.custody import keyring
from tests.people import Somebody

Superuser = psycopg.Connection[Any]
SECOND = "test2:" + "B" * 43


def with_a_code_app(somebody: Somebody) -> str:
    """Give somebody a code app, as allauth makes one; its secret."""
    secret = generate_totp_secret()
    TOTP.activate(somebody.person, secret)
    return secret


def code_of(secret: str) -> str:
    return format_hotp_value(hotp_value(secret, next(yield_hotp_counters_from_time())))


def test_the_seed_of_a_code_app_is_sealed(alice: Somebody, superuser: Superuser) -> None:
    secret = with_a_code_app(alice)
    (row,) = superuser.execute("SELECT data::text FROM mfa_authenticator").fetchall()
    assert secret not in row[0]
    assert keyring.rows_by_key() == {"test1": 1}
    assert TOTP(Authenticator.objects.get()).validate_code(code_of(secret))


def test_seeds_move_to_a_new_key(alice: Somebody, settings: Any) -> None:
    secret = with_a_code_app(alice)
    codes = RecoveryCodes.activate(alice.person).get_unused_codes()
    settings.MOORING_KEYS = f"{SECOND},{settings.MOORING_KEYS}"
    assert sum(batch.moved for batch in keyring.reseal()) == 2
    settings.MOORING_KEYS = SECOND
    assert keyring.rows_by_key() == {"test2": 2}
    app, paper = Authenticator.objects.order_by("type").reverse()
    assert TOTP(app).validate_code(code_of(secret))
    assert RecoveryCodes(paper).get_unused_codes() == codes


def test_a_seed_that_does_not_open_lets_nobody_in(alice: Somebody, settings: Any) -> None:
    secret = with_a_code_app(alice)
    settings.MOORING_KEYS = SECOND
    app = TOTP(Authenticator.objects.get())
    assert not app.validate_code(code_of(secret))
    assert not app.validate_code(code_of(base64.b32encode(b"").decode()))
