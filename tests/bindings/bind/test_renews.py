"""A binding by consent renews itself: its refresh token, both ends and the way back are kept."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.urls import reverse
from django.utils import timezone

from bindings.models import Binding
from bindings.services.bind import grant, links
from bindings.services.browse.specs import consent_of
from bindings.services.custody import sealed
from bindings.services.keep import upkeep
from portal.tenants.models import Instance, Tenant
from tests.bindings import renewals
from tests.bindings.renewals import ACCOUNT
from tests.bindings.sources import credential, stored
from tests.hosts import Sandbox
from tests.people import Somebody

BACK = "http://127.0.0.1:8000/oauth/callback/somewhere/"


def bound(near: Sandbox, alice: Somebody, instance: Instance, provider: str) -> Binding:
    """alice consents at the host, and confirms."""
    host = renewals.host(near, provider)
    begun = links.begin(
        actor=alice.actor, instance=instance, provider=provider, host=host.slug
    ).authorization
    attempt = links.waiting(tenant_id=begun.tenant_id, authorization_id=begun.pk)
    asked = consent_of(attempt.host)
    query = {
        "client_id": host.client_id,
        "redirect_uri": BACK,
        "response_type": "code",
        "scope": asked.scope_separator.join(asked.scopes_for(attempt.mode)),
        "state": "test-state",
    }
    back = near.authorize(provider, f"{asked.authorize_url}?{urlencode(query)}", ACCOUNT[provider])
    code = parse_qs(urlsplit(back).query)["code"][0]
    pending = grant.finish(
        actor=alice.actor, attempt=attempt, code=code, redirect_uri=BACK, verifier=""
    )
    return grant.confirm(actor=alice.actor, binding=pending)


@pytest.mark.parametrize("provider", ["gitlab", "gitea", "bitbucket", "gitee", "github"])
def test_what_a_consent_brings_is_kept_and_renewed(
    near: Sandbox, alice: Somebody, instance: Instance, provider: str
) -> None:
    binding = bound(near, alice, instance, provider)
    row, kept, now = stored(binding), credential(binding), timezone.now()
    assert row.renews is True
    assert sealed.secret_of(kept, row).refresh_token
    assert kept.expires_at is not None
    assert kept.expires_at > now
    assert kept.redirect_uri == BACK
    assert kept.renew_at is not None
    assert now < kept.renew_at <= kept.expires_at - timedelta(minutes=15)
    renewals.change(binding, renew_at=now)
    assert upkeep.run().outcomes == {"stored": 1}
    assert credential(binding).redirect_uri == BACK


def test_the_page_says_that_it_renews_itself(
    near: Sandbox, alice: Somebody, instance: Instance, acme: Tenant
) -> None:
    binding = bound(near, alice, instance, "gitlab")
    page = alice.client.get(reverse("binding", args=[acme.slug, binding.public_id]))
    assert "Renews itself" in page.content.decode()
