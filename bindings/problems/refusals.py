"""The refusals that somebody reacts to by more than showing them."""

from __future__ import annotations

from portal.ground.refusals import NotAllowed, NotYours, Refusal

__all__ = ["AlreadyBound", "NotAllowed", "NotYours", "OtherAccount", "Refusal"]


class AlreadyBound(Refusal):
    """The instance has a live binding of this platform: pages offer unbind and switch."""

    def __init__(self, prefix: str, *, login: str, binding: str) -> None:
        super().__init__(f"{prefix}-DUP-01", login=login, extra={"binding": binding})


class OtherAccount(Refusal):
    """The new credential is of another account; the old one stays in service: pages offer to sign
    in as the bound account, and to switch."""

    def __init__(self, prefix: str, *, new: str, old: str) -> None:
        super().__init__(f"{prefix}-ACC-01", new=new, old=old)
