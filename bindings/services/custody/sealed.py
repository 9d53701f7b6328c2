"""Seal and open what rows hold: the only callers of the vault."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from bindings import vault
from bindings.models import Binding, CodeHost, Credential, PlatformAccount
from bindings.vault import Sealed, Undecryptable
from providers.types import Credential as Secret
from providers.types import Expiry, Method, Quality

__all__ = [
    "Undecryptable",
    "client_fingerprint",
    "client_secret",
    "open_access",
    "platform_secret",
    "put",
    "put_client_secret",
    "put_platform_secret",
    "seal_shortly",
    "secret_of",
    "unseal_shortly",
]

ACCESS, REFRESH, CLIENT = "credential.access", "credential.refresh", "codehost.client_secret"
STRONGBOX = "strongbox.secret"
PLATFORM = "platformaccount.secret"


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


def put_client_secret(host: CodeHost, secret: str, *, now: datetime) -> None:
    """Write the OAuth client's secret into the (unsaved) columns of a host."""
    host.client_secret = _seal(secret, CLIENT, host.pk)
    host.client_secret_set_at = now if secret else None


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


def seal_shortly(secret: str, key: UUID) -> bytes:
    """A one-time secret as it may lie in Redis for minutes (`portal.ground.strongbox`)."""
    return vault.seal(secret, vault.place(STRONGBOX, key)).ciphertext


def unseal_shortly(ciphertext: bytes, key: UUID) -> str:
    """What `seal_shortly` has sealed. Raises Undecryptable."""
    return vault.open_sealed(Sealed(ciphertext), vault.place(STRONGBOX, key))


def client_secret(host: CodeHost) -> str:
    """The opened OAuth client secret of a host, "" if it has none. Raises Undecryptable."""
    return _open(host.client_secret, CLIENT, host.pk)


def client_fingerprint(host: CodeHost) -> str:
    """The fingerprint of a host's OAuth client secret, "" if it has none. Raises Undecryptable."""
    secret = client_secret(host)
    return vault.fingerprint(secret) if secret else ""
