"""Signing in: closed sign-up, a second step where it is required, a fresh sign-in for risky acts.

The only file of tenancy that knows allauth. Wiring: `Adapter` and `SecondStepAdapter` are named in
the settings, `SecondStep` is a middleware, `guard` is put on the admin in `portal/urls.py`.
"""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar, cast
from urllib.parse import urlencode
from uuid import UUID

import structlog
from allauth.account import app_settings
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.decorators import secure_admin_login
from allauth.account.signals import authentication_step_completed
from allauth.account.utils import user_pk_to_url_str
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from django.conf import settings
from django.contrib.admin import AdminSite
from django.contrib.auth.models import AnonymousUser
from django.db.models import Exists, OuterRef
from django.dispatch import receiver
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from portal.ground import choices, sealing, turns
from portal.ground.middleware import Next
from portal.tenants import access
from portal.tenants.access import Actor
from portal.tenants.models import Membership, Role, User

log = structlog.get_logger(__name__)

FACTOR = "factor.seed"
_ANY_ROW = UUID(int=0)
_SEEDS = frozenset({"secret", "seed"})  # of a code app, of recovery codes
V = TypeVar("V", bound=Callable[..., HttpResponseBase])

_SEEN_AT = "second_step_seen_at"  # session key, Unix seconds
_SEEN_SECONDS = 300

# Where a person without a second step may go, to set one up or to leave.
_OPEN_TO_ALL = ("/accounts/", "/me/", "/static/", "/help/", "/healthz", "/readyz", "/metrics")


class Adapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth ships no types
    """People come by invitation only; the words are ours."""

    error_messages: Mapping[str, Any] = {
        **DefaultAccountAdapter.error_messages,
        "email_password_mismatch": _("That email and password do not match."),
        "too_many_login_attempts": _("Too many tries. Wait 5 minutes, or use a passkey."),
        "incorrect_code": _("That code is not right. Codes change every 30 seconds."),
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        """Failures count per account *and* address: allauth's key is the account alone, and so a
        stranger could keep anybody out with five wrong guesses every five minutes."""
        key: str = super()._get_login_attempts_cache_key(request, **credentials)
        return f"{key}:{self.get_client_ip(request)}"

    def post_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponseBase:
        """Signed in: a person's own language wins over the browser's, unless they chose one."""
        response = cast(HttpResponseBase, super().post_login(request, user, **kwargs))
        if user.language and settings.LANGUAGE_COOKIE_NAME not in request.COOKIES:
            choices.remember_language(response, user.language)
        return response


class SocialAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]  # allauth ships no types
    """Binding is not signing in: no account is ever made from a code host's."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: object) -> bool:
        return False


class SecondStepAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # allauth ships no types
    """Second factors, in our words."""

    error_messages: Mapping[str, Any] = {
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": _("That code is not right. Codes change every 30 seconds."),
    }

    def encrypt(self, text: str) -> str:
        """Seeds at rest are sealed. allauth does not say whose, so they are tied to their field
        and not to a row."""
        return base64.b64encode(sealing.seal(text, FACTOR, _ANY_ROW)).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """One that does not open becomes a seed nobody knows: every code is wrong, and the person
        comes in by another factor; an empty one would make codes that anybody can compute."""
        try:
            return sealing.unseal(base64.b64decode(encrypted_text), FACTOR, _ANY_ROW)
        except (sealing.DoesNotOpen, ValueError) as shut:
            log.error("the seed of a second step does not open", reason=type(shut).__name__)
            return base64.b32encode(secrets.token_bytes(20)).decode()


def sealed_seeds() -> list[bytes]:
    """The ciphertexts of all second steps, for counting them by key."""
    rows = Authenticator.objects.exclude(type=Authenticator.Type.WEBAUTHN)
    return [
        base64.b64decode(data[name])
        for data in rows.values_list("data", flat=True)
        for name in _SEEDS
        if name in data
    ]


def reseal_seeds(again: Callable[[bytes], bytes | None]) -> int:
    """Seal the seeds anew where `again` gives another ciphertext; how many. One that was changed
    meanwhile is sealed with the active key already."""
    moved = 0
    for row in Authenticator.objects.exclude(type=Authenticator.Type.WEBAUTHN).iterator():
        fresh = dict(row.data)
        for name in _SEEDS & fresh.keys():
            sealed = again(base64.b64decode(fresh[name]))
            fresh[name] = base64.b64encode(sealed).decode() if sealed else fresh[name]
        if fresh != row.data:
            same = Authenticator.objects.filter(pk=row.pk, data=row.data)
            moved += same.update(data=fresh)
    return moved


class SecondStep:
    """Operators and tenant owners need a second factor in production, whichever way they came in
    (`security.md` 13). Without one the API does not know them, and pages lead to setting one up."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response
        self.required = settings.MOORING_ENV == "production"

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not self._stops(request):
            return self.get_response(request)
        if not request.path.startswith("/api/"):
            return turns.to(request, reverse("mfa_index"))
        request.user = AnonymousUser()
        return self.get_response(request)

    def _stops(self, request: HttpRequest) -> bool:
        if not self.required or request.path.startswith(_OPEN_TO_ALL):
            return False
        return isinstance(request.user, User) and _lacks_second_step(request, request.user)


def _lacks_second_step(request: HttpRequest, person: User) -> bool:
    """Must this person have a second factor, and has none? Who has one is asked again after five
    minutes, everybody else at each request: somebody may just have made them an owner."""
    if time.time() - request.session.get(_SEEN_AT, 0) < _SEEN_SECONDS:
        return False
    factors = Authenticator.objects.exclude(type=Authenticator.Type.RECOVERY_CODES)
    owned = Membership.objects.filter(role=Role.OWNER, left_at=None)
    has, owns = User.objects.values_list(
        Exists(factors.filter(user_id=OuterRef("pk"))), Exists(owned.filter(user=OuterRef("pk")))
    ).get(pk=person.pk)
    if has:
        request.session[_SEEN_AT] = time.time()
    return not has and (person.is_staff or owns)


def recent_sign_in(view: V) -> V:
    """For acts that need a sign-in of the last 15 minutes: asks again, then leads back to the page.

    What was typed is not kept: it may hold a token. Needs `request.actor`.
    """

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        actor: Actor | None = vars(request)["actor"]  # set by the middleware Tenancy
        if actor is None or actor.recent(timezone.now()):
            return view(request, *args, **kwargs)
        back = urlencode({"next": turns.came_from(request)})
        return turns.to(request, f"{reverse('account_reauthenticate')}?{back}")

    return cast(V, guarded)


def guard(site: AdminSite) -> None:
    """The admin has no sign-in of its own: one door, with its limits and its second step."""
    site.login = secure_admin_login(site.login)  # type: ignore[method-assign]  # as allauth says


def first_sign_in_link(person: User) -> str:
    """A link that works once and lets this person choose a password."""
    key = app_settings.PASSWORD_RESET_TOKEN_GENERATOR().make_token(person)
    where = {"uidb36": user_pk_to_url_str(person), "key": key}
    return f"{settings.MOORING_URL}{reverse('account_reset_password_from_key', kwargs=where)}"


@receiver(authentication_step_completed, dispatch_uid="portal.tenants.signin")
def _proved(request: HttpRequest, **_: Any) -> None:
    """Every completed step, at sign-in and when asked again, restarts the 15 minutes."""
    request.session[access.SIGNED_IN] = time.time()
