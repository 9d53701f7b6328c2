"""Renewing a credential on request: over the API, on its page, and by the box of the bind form."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from bindings.models import Binding
from portal.ground import rls
from portal.tenants.models import Instance, Tenant
from tests.bindings import renewals
from tests.bindings.renewals import TOKEN_PATH, pair, refreshes
from tests.bindings.sources import GitHub, GitLab, credential, events, opened, stored, told
from tests.hosts import Sandbox
from tests.people import Somebody

ROTATE = "/api/v4/personal_access_tokens/self/rotate"


def rotate(client: Client, binding: Binding, **body: Any) -> Any:
    path = f"/api/v1/bindings/{binding.public_id}/rotations"
    return client.post(path, body, content_type="application/json")


def test_a_gitlab_token_gets_a_successor(
    gitlab: GitLab, alice: Somebody, binding: Binding, acme: Tenant
) -> None:
    before, day = opened(binding), timezone.now().date() + timedelta(days=100)
    answer = rotate(alice.api(), binding, expires_on=day.isoformat())
    assert answer.status_code == 200
    said = answer.json()
    assert said["credential"]["generation"] == 2
    assert said["credential"]["expires_at"] == f"{day}T00:00:00Z"
    assert opened(binding) != before
    assert before not in answer.content.decode()
    assert opened(binding) not in answer.content.decode()
    (event,) = events(acme, "binding.rotated")
    assert event.actor["kind"] == "token"
    assert event.data["generation"] == 2


def test_a_pair_is_refreshed_now(near: Sandbox, alice: Somebody, instance: Instance) -> None:
    binding = pair(near, "gitlab", instance, due=False)
    assert rotate(alice.api(), binding).json()["credential"]["generation"] == 2
    assert refreshes(near, "gitlab") == 1


def test_what_cannot_be_renewed_says_so(
    github: GitHub, alice: Somebody, instance: Instance, second_instance: Instance
) -> None:
    """An app whose tokens do not end has no refresh token either."""
    bound = github.bind(alice.actor, instance)
    answer = rotate(alice.api(), bound)
    assert (answer.status_code, answer.json()["code"]) == (409, "X-STATE-02")
    pair_of = pair(github.sandbox, "gitlab", second_instance)
    dated = rotate(alice.api(), pair_of, expires_on="2027-01-01")
    assert (dated.status_code, dated.json()["code"]) == (409, "X-STATE-02")


def test_an_old_gitlab_says_no(gitlab: GitLab, alice: Somebody, binding: Binding) -> None:
    gitlab.fault("old_version", value="16.9.0")
    answer = rotate(alice.api(), binding)
    assert (answer.status_code, answer.json()["code"]) == (422, "GL-ROT-01")
    assert stored(binding).status == "active"
    assert renewals.intent(binding) is None


def test_a_token_without_the_right_says_no(
    gitlab: GitLab, alice: Somebody, instance: Instance
) -> None:
    binding = gitlab.bind(alice.actor, instance)
    gitlab.sandbox.change_token("full", "gitlab", "build-bot", scopes=["read_api"])
    answer = rotate(alice.api(), binding)
    assert (answer.status_code, answer.json()["code"]) == (422, "GL-ROT-01")


def test_an_answer_that_is_lost_is_said_to_be(
    gitlab: GitLab, alice: Somebody, binding: Binding
) -> None:
    gitlab.fault("lost_answer", ROTATE, times=1)
    answer = rotate(alice.api(), binding)
    assert (answer.status_code, answer.json()["code"]) == (504, "GL-ROT-02")
    left = renewals.intent(binding)
    assert left is not None
    assert left.purpose == "rotate"
    assert gitlab.asked(ROTATE) == 1


def test_a_refused_pair_cannot_be_renewed(
    near: Sandbox, alice: Somebody, instance: Instance
) -> None:
    binding = pair(near, "gitee", instance, due=False)
    near.fault("gitee", "token_error", TOKEN_PATH["gitee"], value="invalid_grant")
    answer = rotate(alice.api(), binding)
    assert (answer.status_code, answer.json()["code"]) == (422, "GE-ROT-01")
    assert stored(binding).status == "active"


def test_an_end_out_of_range_is_refused_before_anything_is_sent(
    gitlab: GitLab, alice: Somebody, binding: Binding
) -> None:
    answer = rotate(alice.api(), binding, expires_on="2020-01-01")
    assert (answer.status_code, answer.json()["code"]) == (422, "GL-EXP-02")
    assert gitlab.asked(ROTATE) == 0


def test_the_consent_is_kept_and_given_up_by_patch(
    gitlab: GitLab, alice: Somebody, binding: Binding
) -> None:
    def patch(wanted: bool) -> Any:
        path = f"/api/v1/bindings/{binding.public_id}"
        client = alice.api()
        tag = client.get(path).headers["ETag"]
        body = {"auto_rotate": wanted}
        return client.patch(path, body, content_type="application/json", headers={"If-Match": tag})

    assert patch(True).json()["auto_rotate"] is True
    assert credential(binding).renew_at is not None
    assert patch(False).json()["auto_rotate"] is False
    assert credential(binding).renew_at is None


# -- pages ---------------------------------------------------------------------------------------


def test_the_page_asks_and_rotates(
    gitlab: GitLab, alice: Somebody, binding: Binding, acme: Tenant
) -> None:
    client, here = alice.client, [acme.slug, binding.public_id]
    overview = client.get(reverse("binding", args=here)).content.decode()
    assert reverse("rotate", args=here) in overview
    asked = client.get(reverse("rotate", args=here)).content.decode()
    assert "GitLab will make a new token and end the old one. Continue?" in asked
    done = client.post(reverse("rotate", args=here), follow=True)
    assert "GitLab has made a new token. Nothing else changed." in done.content.decode()
    assert credential(binding).generation == 2
    assert told(acme, "binding.rotated") == ["binding.rotated"]


def test_the_page_says_what_stood_in_the_way(
    gitlab: GitLab, alice: Somebody, binding: Binding, acme: Tenant
) -> None:
    gitlab.fault("old_version", value="16.9.0")
    page = reverse("rotate", args=[acme.slug, binding.public_id])
    answer = alice.client.post(page)
    assert answer.status_code == 422
    assert "GL-ROT-01" in answer.content.decode()


def test_viewers_see_no_button(
    gitlab: GitLab, carol: Somebody, binding: Binding, acme: Tenant
) -> None:
    here = [acme.slug, binding.public_id]
    overview = carol.client.get(reverse("binding", args=here)).content.decode()
    assert reverse("rotate", args=here) not in overview


@pytest.mark.parametrize("ticked", [True, False])
def test_the_box_of_the_bind_form_is_the_owners_consent(
    gitlab: GitLab, alice: Somebody, instance: Instance, acme: Tenant, ticked: bool
) -> None:
    page = reverse("bind", args=[acme.slug, instance.name, "gitlab"])
    assert 'name="auto_rotate"' in alice.client.get(page).content.decode()
    typed = {"base_url": gitlab.base_url, "token": gitlab.token()}
    alice.client.post(page, typed | ({"auto_rotate": "on"} if ticked else {}))
    with rls.tenant(acme.pk):
        bound = Binding.objects.of(acme).get(instance=instance, unbound_at=None)
    assert bound.auto_rotate is ticked
    assert (credential(bound).renew_at is not None) is ticked


def test_only_who_can_rotate_is_offered_the_box(
    near: Sandbox, alice: Somebody, instance: Instance, acme: Tenant
) -> None:
    page = reverse("bind", args=[acme.slug, instance.name, "gitea"])
    assert 'name="auto_rotate"' not in alice.client.get(page).content.decode()


def test_the_page_keeps_the_owners_word_for_later(alice: Somebody, binding: Binding) -> None:
    page = reverse("rotate", args=["acme", binding.public_id])
    before = credential(binding).generation
    said = alice.client.post(page, {"auto": "on"}, follow=True).content.decode()
    assert "We renew this token for you before it ends." in said
    assert (stored(binding).auto_rotate, credential(binding).generation) == (True, before)
    assert "Stop renewing it by itself" in alice.client.get(page).content.decode()
    said = alice.client.post(page, {"auto": "off"}, follow=True).content.decode()
    assert "This token is no longer renewed by itself." in said
    assert stored(binding).auto_rotate is False
