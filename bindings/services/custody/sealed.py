"""Seal and open what rows hold: the only callers of the vault."""

from __future__ import annotations

import secrets
from contextlib import suppress
from datetime import datetime, timedelta
from uuid import UUID

from bindings import vault
from bindings.models import Binding, CodeHost, Credential, Endpoint, Hook, PlatformAccount
from bindings.vault import Sealed, Undecryptable
from providers.types import Credential as Secret
from providers.types import Expiry, Method, Quality

__all__ = [
    "Undecryptable",
    "client_fingerprint",
    "client_secret",
    "fingerprint",
    "forget_former",
    "former_of",
    "hook_secrets",
    "keep_former",
    "nobodys_secret",
    "open_access",
    "platform_secret",
    "put",
    "put_client_secret",
    "put_platform_secret",
    "put_shared_secret",
    "renew",
    "seal_for",
    "secret_of",
    "shared_secrets",
    "spent_before",
    "unseal_for",
]

ACCESS, REFRESH, CLIENT = "credential.access", "credential.refresh", "codehost.client_secret"
PLATFORM = "platformaccount.secret"
HOOK, ENDPOINT = "hook.secret", "endpoint.secret"
OVERLAP = timedelta(hours=24)
"""For how long the secret before the newest one of a hook or an endpoint still counts."""


def _seal(text: str, field: str, row: UUID) -> Sealed | None:
    return vault.seal(text, vault.place(field, row)) if text else None


def _open(sealed: Sealed | None, field: str, row: UUID) -> str:
    return vault.open_sealed(sealed, vault.place(field, row)) if sealed is not None else ""


def put(row: Credential, secret: Secret, *, now: datetime) -> None:
    """Write `secret` into the (unsaved) columns of `row`. The row's key has to be known."""
    row.access = _seal(secret.token, ACCESS, row.binding_id)
    row.refresh = _seal(secret.refresh_token, REFRESH, row.binding_id)
    row.key_id = vault.ring().active
    row.fingerprint = vault.fingerprint(secret.token)
    row.scopes = None if secret.scopes is None else sorted(s[:100] for s in secret.scopes)
    row.expires_at, row.quality = secret.expiry.at, secret.expiry.quality
    row.refresh_expires_at = secret.refresh_expires_at
    row.issued_at = now
    row.previous_refresh = None
    row.renew_failures, row.renew_failing_since, row.renew_refused_at = 0, None, None


def renew(row: Credential, secret: Secret, *, spent: str, now: datetime) -> None:
    """Write a successor into the (unsaved) columns of `row`. The refresh token that was spent for
    it stays until the new pair has worked once."""
    put(row, secret, now=now)
    row.previous_refresh = _seal(spent, REFRESH, row.binding_id)
    with suppress(Undecryptable):  # one row, one key; what does not open stays as it is
        kept = _open(row.previous_access, ACCESS, row.binding_id)
        row.previous_access = _seal(kept, ACCESS, row.binding_id)


def open_access(ciphertext: bytes | None, row: UUID) -> str:
    """The access token of a row whose columns came from a plain statement. Raises Undecryptable,
    also where there is none: an empty token is never sent."""
    return vault.open_sealed(Sealed(ciphertext or b""), vault.place(ACCESS, row))


def secret_of(row: Credential, binding: Binding) -> Secret:
    """The opened credential of a binding. Raises Undecryptable."""
    return Secret(
        token=open_access(row.access.ciphertext if row.access else None, row.binding_id),
        refresh_token=_open(row.refresh, REFRESH, row.binding_id),
        username=binding.username,
        clone_username=binding.clone_username,
        organization=binding.organization,
        scopes=None if row.scopes is None else frozenset(row.scopes),
        expiry=Expiry(row.expires_at, Quality(row.quality)),
        refresh_expires_at=row.refresh_expires_at,
        kind=Method(binding.kind),
    )


def spent_before(row: Credential) -> str:
    """The refresh token before this one, "" once the pair has worked. Raises Undecryptable."""
    return _open(row.previous_refresh, REFRESH, row.binding_id)


def keep_former(row: Credential) -> bool:
    """Set the stored secret aside in the (unsaved) columns of `row`, under the active key; False,
    and nothing set aside, when it does not open."""
    try:
        access = open_access(row.access.ciphertext if row.access else None, row.binding_id)
        refresh = _open(row.refresh, REFRESH, row.binding_id)
    except Undecryptable:
        forget_former(row)
        return False
    row.previous_access = _seal(access, ACCESS, row.binding_id)
    row.previous_refresh = _seal(refresh, REFRESH, row.binding_id)
    return True


def forget_former(row: Credential) -> None:
    """Nothing is set aside in the (unsaved) columns of `row` any more."""
    row.previous_access = row.previous_refresh = row.previous = row.rollback_until = None


def former_of(row: Credential, binding: Binding) -> Secret:
    """The secret that was set aside. Raises Undecryptable, also where there is none."""
    kept = row.previous_access
    return Secret(
        token=open_access(kept.ciphertext if kept else None, row.binding_id),
        refresh_token=_open(row.previous_refresh, REFRESH, row.binding_id),
        username=binding.username,
        clone_username=(row.previous or {}).get("clone_username", ""),
        organization=binding.organization,
        kind=Method(binding.kind),
    )


def put_client_secret(host: CodeHost, secret: str, *, now: datetime) -> None:
    """Write the OAuth client's secret into the (unsaved) columns of a host."""
    host.client_secret = _seal(secret, CLIENT, host.pk)
    host.client_secret_set_at = now if secret else None
    host.renew_after = None  # whatever it refused was the former one


def put_platform_secret(account: PlatformAccount, secret: str, *, now: datetime) -> None:
    """Write the credential of a cloud account into its (unsaved) columns."""
    account.secret = _seal(secret, PLATFORM, account.pk)
    account.key_id = vault.ring().active
    account.fingerprint = vault.fingerprint(secret)
    account.entered_at = now


def platform_secret(account: PlatformAccount) -> str:
    """The opened credential of a cloud account, "" of one that was disconnected. Raises
    Undecryptable."""
    return _open(account.secret, PLATFORM, account.pk)


def put_shared_secret(row: Hook | Endpoint, secret: str, *, now: datetime) -> None:
    """Write the secret that both sides know into the (unsaved) columns of a hook or an endpoint;
    the one before counts for another day. What does not open any more is dropped."""
    before = ""
    with suppress(Undecryptable):
        before = _open(row.secret, _shared(row), row.pk)
    row.previous_secret = _seal(before, _shared(row), row.pk)
    row.previous_until = now + OVERLAP if before else None
    row.secret = _seal(secret, _shared(row), row.pk)
    row.key_id = vault.ring().active


def shared_secrets(row: Hook | Endpoint, *, now: datetime) -> tuple[str, ...]:
    """The secrets that count now, the newest first; () where there is none. Raises
    Undecryptable."""
    found = [_open(row.secret, _shared(row), row.pk)]
    if row.previous_until is not None and now < row.previous_until:
        found.append(_open(row.previous_secret, _shared(row), row.pk))
    return tuple(secret for secret in found if secret)


def hook_secrets(
    key: UUID,
    secret: bytes | None,
    previous: bytes | None,
    previous_until: datetime | None,
    *,
    now: datetime,
) -> tuple[str, ...]:
    """As `shared_secrets`, of a hook whose columns were read without a row: a delivery is taken in
    before anything else is known of it. Raises Undecryptable."""
    columns = [secret, previous if previous_until is not None and now < previous_until else None]
    opened = [unseal_for(bytes(column), HOOK, key) for column in columns if column is not None]
    return tuple(word for word in opened if word)


def nobodys_secret(key: UUID) -> bytes:
    """The column of a hook that does not exist: opening it costs what a real one costs."""
    return seal_for(secrets.token_urlsafe(32), HOOK, key)


def _shared(row: Hook | Endpoint) -> str:
    return HOOK if isinstance(row, Hook) else ENDPOINT


def seal_for(text: str, field: str, row: UUID) -> bytes:
    """Ciphertext for those who stand below the vault (`portal.ground.sealing`)."""
    return vault.seal(text, vault.place(field, row)).ciphertext


def unseal_for(ciphertext: bytes, field: str, row: UUID) -> str:
    """What `seal_for` has sealed. Raises Undecryptable."""
    return vault.open_sealed(Sealed(ciphertext), vault.place(field, row))


def fingerprint(secret: Secret) -> str:
    """What tells this access token from others, as its row has it."""
    return vault.fingerprint(secret.token)


def client_secret(host: CodeHost) -> str:
    """The opened OAuth client secret of a host, "" if it has none. Raises Undecryptable."""
    return _open(host.client_secret, CLIENT, host.pk)


def client_fingerprint(host: CodeHost) -> str:
    """The fingerprint of a host's OAuth client secret, "" if it has none. Raises Undecryptable."""
    secret = client_secret(host)
    return vault.fingerprint(secret) if secret else ""
