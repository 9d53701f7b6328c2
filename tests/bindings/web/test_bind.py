"""The token form: tested before anything is saved, with and without JavaScript."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from bindings.models import Binding
from portal.tenants.models import Instance
from tests.bindings.api import rows
from tests.bindings.sources import GitHub, GitLab, live, stored
from tests.bindings.web.conftest import Address
from tests.bindings.web.reading import read
from tests.people import Somebody

HTMX = {"HX-Request": "true"}
CHINESE = {"Accept-Language": "zh-hans"}


def typed(gitlab: GitLab, name: str = "full", **more: str) -> dict[str, str]:
    return {"base_url": gitlab.base_url, "username": "", "token": gitlab.token(name), **more}


# -- the empty form -------------------------------------------------------------------------------


def test_the_form_asks_for_what_is_needed_and_no_more(
    alice: Somebody, gitlab: GitLab, at: Address
) -> None:
    page = read(alice.client.get(at.bind()))
    assert page.fields["base_url"]["value"] == "https://gitlab.com"
    assert page.fields["base_url"]["placeholder"] == "https://you-gitlab.com"
    assert page.fields["token"]["type"] == "password"
    assert "expires_on" not in page.fields
    assert page.text.count("(optional)") == 1
    assert "Username (optional)" in page.text


def test_the_guide_leads_to_a_filled_in_page_of_the_server(
    alice: Somebody, gitlab: GitLab, at: Address, instance: Instance
) -> None:
    page = read(alice.client.get(at.bind()))
    filled = "/-/user_settings/personal_access_tokens?name=mooring-prod-registry&scopes=api"
    assert [url for words, url in page.links.items() if words.startswith("Open GitLab")] == [
        f"https://gitlab.com{filled}"
    ]
    answer = alice.client.post(
        f"{at.bind()}address/", {"base_url": "https://gitlab.example.org/users/sign_in"}
    )
    assert f"https://gitlab.example.org{filled}" in read(answer).links.values()


def test_an_address_is_judged_while_it_is_typed(
    alice: Somebody, gitlab: GitLab, at: Address
) -> None:
    whole = "Enter a full address that starts with https:// or http://."
    client = alice.client
    for address, said in {
        "gitlab.example.org": whole,
        "ftp://gitlab.example.org": whole,
        "http://192.0.2.7": "This address is inside a private network",
        "https://me:secret@gitlab.example.org": "Take the user name and password out",
        "http://gitlab.example.org:1024": "HTTP port 1024 is not allowed. Allowed: 80, 21, 443",
    }.items():
        answer = client.post(f"{at.bind()}address/", {"base_url": address})
        assert said in read(answer).text
        assert "secret" not in answer.content.decode()
    assert gitlab.sandbox.state()["requests"].get("gitlab", {}) == {}


# -- the connection test --------------------------------------------------------------------------


def test_a_token_that_passes_is_shown_and_nothing_is_saved(
    alice: Somebody, gitlab: GitLab, at: Address, instance: Instance
) -> None:
    answer = alice.client.post(at.test(), typed(gitlab), headers=HTMX)
    page = read(answer)
    assert answer.status_code == 200
    assert "Bind build-bot to prod-registry?" in page.text
    assert "ends in 300 days" in page.text
    assert "Matches the owner of the token: build-bot (Build Bot)." in page.text
    assert page.fields["username"]["value"] == "build-bot"
    for step in ("Server found", "Token accepted", "Permissions", "Webhooks can reach us"):
        assert step in page.text
    assert live(instance) == []


def test_htmx_never_gets_the_secret_field(alice: Somebody, gitlab: GitLab, at: Address) -> None:
    for name in ("full", "registry", "revoked"):
        page = read(alice.client.post(at.test(), typed(gitlab, name), headers=HTMX))
        assert "token" not in page.fields
        assert gitlab.token(name) not in page.source


def test_without_javascript_the_page_returns_without_the_token(
    alice: Somebody, gitlab: GitLab, at: Address
) -> None:
    answer = alice.client.post(at.test(), typed(gitlab))
    page = read(answer)
    assert answer.status_code == 200
    assert "Bind build-bot to prod-registry?" in page.text
    assert "Paste the token again. For safety we do not keep it after an error." in page.text
    assert page.fields["base_url"]["value"] == gitlab.base_url
    assert "value" not in page.fields["token"]
    assert gitlab.token() not in page.source


@pytest.mark.parametrize(
    ("name", "headline", "code"),
    [
        (
            "registry",
            "GitLab accepted the token, but it cannot do this job. Nothing has been saved.",
            "GL-SCOPE-01",
        ),
        ("revoked", "GitLab refused the token. Nothing has been saved.", "GL-TOK-01"),
        ("ended", "GitLab refused the token. Nothing has been saved.", "GL-TOK-0"),
        ("deploy", "GitLab refused the token. Nothing has been saved.", "GL-TOK-03"),
    ],
)
@pytest.mark.parametrize("page_of", ["test", "bind"])
def test_a_token_that_does_not_do_is_explained_with_its_code(
    alice: Somebody,
    gitlab: GitLab,
    at: Address,
    instance: Instance,
    name: str,
    headline: str,
    code: str,
    page_of: str,
) -> None:
    where = at.test() if page_of == "test" else at.bind()
    answer = alice.client.post(where, typed(gitlab, name))
    page = read(answer)
    assert answer.status_code == 422
    assert headline in page.text
    assert code in page.text
    assert any(url.startswith(f"/help/errors/{code}") for url in page.links.values())
    assert gitlab.token(name) not in page.source
    assert live(instance) == []


def test_a_scope_that_is_missing_leads_to_the_page_that_makes_the_right_token(
    alice: Somebody, gitlab: GitLab, at: Address
) -> None:
    page = read(alice.client.post(at.test(), typed(gitlab, "registry"), headers=HTMX))
    links = [url for words, url in page.links.items() if words.startswith("Create the right token")]
    assert len(links) == 1
    assert links[0].startswith(f"{gitlab.base_url}/-/user_settings/personal_access_tokens?")


def test_a_server_that_cannot_be_reached_is_not_the_tokens_fault(
    alice: Somebody, gitlab: GitLab, at: Address
) -> None:
    answer = alice.client.post(at.test(), typed(gitlab, base_url="https://gitlab.invalid"))
    page = read(answer)
    assert answer.status_code == 422
    assert "GL-ADDR-0" in page.text
    assert page.fields["base_url"]["aria-invalid"] == "true"


def test_a_pasted_project_link_becomes_its_server(
    alice: Somebody, gitlab: GitLab, at: Address
) -> None:
    link = f"{gitlab.base_url}/platform/api"
    for headers in (HTMX, {}):
        answer = alice.client.post(at.test(), typed(gitlab, base_url=link), headers=headers)
        page = read(answer)
        assert page.fields["base_url"]["value"] == gitlab.base_url
        assert "You pasted a project link. We kept the server part and will preselect" in page.text


def test_the_right_name_is_one_click_away(alice: Somebody, gitlab: GitLab, at: Address) -> None:
    wrong = typed(gitlab, username="mallory")
    page = read(alice.client.post(at.test(), wrong, headers=HTMX))
    assert "The token belongs to build-bot, not mallory. Use build-bot?" in page.text
    assert page.fields["use_username"]["value"] == "build-bot"
    again = wrong | {"use_username": "build-bot"}
    page = read(alice.client.post(at.test(), again, headers=HTMX))
    assert "Bind build-bot to prod-registry?" in page.text
    assert page.fields["username"]["value"] == "build-bot"


def test_the_end_date_appears_where_the_server_does_not_tell_it(
    alice: Somebody, gitlab: GitLab, at: Address, instance: Instance
) -> None:
    gitlab.fault("status:404", "/api/v4/personal_access_tokens/self")
    for headers in (HTMX, {}):
        page = read(alice.client.post(at.test(), typed(gitlab), headers=headers))
        assert page.fields["expires_on"]["type"] == "date"
        assert "please enter the date" in page.text
    known = typed(gitlab, expires_on="2027-05-01")
    assert alice.client.post(at.bind(), known).status_code == 302
    (binding,) = live(instance)
    assert (binding.quality, binding.stated_by) == ("stated", "Alice")


def test_a_date_out_of_reach_is_refused_at_its_field(
    alice: Somebody, gitlab: GitLab, at: Address
) -> None:
    answer = alice.client.post(at.bind(), typed(gitlab, expires_on="2020-01-01"))
    page = read(answer)
    assert answer.status_code == 422
    assert "Choose a date between tomorrow and" in page.text
    assert page.fields["expires_on"]["aria-invalid"] == "true"


def test_an_empty_form_says_what_to_fill_in(alice: Somebody, gitlab: GitLab, at: Address) -> None:
    for where in (at.bind(), at.test()):
        answer = alice.client.post(where, {"base_url": "", "token": "   "})
        page = read(answer)
        assert answer.status_code == 422
        assert page.text.count("Fill in this field.") == 2  # the summary, and the field
        assert page.links["Personal access token"] == "#id_token"
    assert "请填写此项。" in read(alice.client.post(at.bind(), {}, headers=CHINESE)).text


# -- bound ----------------------------------------------------------------------------------------


def test_confirm_binds_and_says_so_in_the_exact_words(
    alice: Somebody, gitlab: GitLab, at: Address, instance: Instance
) -> None:
    client = alice.client
    answer = client.post(at.bind(), typed(gitlab))
    assert answer.headers["Location"] == at.sources
    page = read(client.get(at.sources))
    assert "You have successfully bound your GitLab account." in page.text
    assert "build-bot is bound to prod-registry. 12 repositories can be built." in page.text
    assert "Bound Open GitLab" in page.rows["row-gitlab"]
    assert gitlab.token() not in page.source
    assert gitlab.token() not in str(dict(client.session))


def test_the_same_in_chinese(alice: Somebody, gitlab: GitLab, at: Address) -> None:
    client = alice.client
    client.post(at.bind(), typed(gitlab), headers=CHINESE)
    text = read(client.get(at.sources, headers=CHINESE)).text
    assert "您已成功绑定 GitLab 账号。" in text
    assert "已将 build-bot 绑定到 prod-registry，可构建 12 个仓库。" in text


def test_a_binding_for_manual_builds_only(
    alice: Somebody, gitlab: GitLab, at: Address, instance: Instance
) -> None:
    client = alice.client
    assert client.post(at.bind(), typed(gitlab, "reduced")).status_code == 422
    answer = client.post(at.bind(), typed(gitlab, "reduced", manual="on"))
    assert answer.status_code == 302
    assert "Bound for manual builds." in read(client.get(at.sources)).text
    assert live(instance)[0].mode == "manual"


def test_a_second_account_is_refused_until_the_first_is_unbound(
    alice: Somebody, binding: Binding, at: Address, instance: Instance, gitlab: GitLab
) -> None:
    said = "GitLab is already bound to build-bot. Unbind it first, or switch account."
    for answer in (alice.client.get(at.bind()), alice.client.post(at.bind(), typed(gitlab))):
        page = read(answer)
        assert answer.status_code == 409
        assert said in page.text
        assert page.links["Unbind"] == at.of(binding, "unbind/")
    chinese = read(alice.client.get(at.bind(), headers=CHINESE)).text
    assert "GitLab 已绑定 build-bot，请先解绑或切换账号。" in chinese
    assert [one.pk for one in live(instance)] == [binding.pk]


# -- who may --------------------------------------------------------------------------------------


def test_binding_needs_a_sign_in_of_the_last_quarter_of_an_hour(
    alice: Somebody, gitlab: GitLab, at: Address
) -> None:
    from datetime import timedelta

    late = alice.signed_in(ago=timedelta(minutes=16))
    answer = late.get(at.bind())
    assert answer.headers["Location"] == (
        f"/accounts/reauthenticate/?next={at.bind().replace('/', '%2F')}"
    )
    part = late.post(
        at.test(),
        typed(gitlab),
        headers={**HTMX, "HX-Current-URL": f"http://testserver{at.sources}"},
    )
    assert part.headers["HX-Redirect"].endswith(at.sources.replace("/", "%2F"))


def test_a_role_too_low_is_told_whom_to_ask(bob: Somebody, at: Address) -> None:
    answer = bob.client.get(at.bind())
    assert answer.status_code == 403
    said = "Your role, Developer, cannot do this. Ask an admin: Alice."
    assert said in read(answer).text


def test_an_unknown_platform_is_nothing_and_one_without_server_is_not_offered(
    alice: Somebody, at: Address, db: Any
) -> None:
    assert alice.client.get(at.bind("sourceforge")).status_code == 404
    answer = alice.client.get(at.bind("gitee"))
    assert answer.status_code == 422
    assert "Gitee is not switched on here." in read(answer).text


# -- by consent where both ways exist -------------------------------------------------------------


def test_gitlab_offers_consent_where_an_app_is_registered(
    alice: Somebody, near: Any, at: Address
) -> None:
    assert "instead of pasting a token" not in read(alice.client.get(at.bind())).text
    rows.host("gitlab", client_id="test", base_url=near.base("gitlab"))
    page = read(alice.client.get(at.bind()))
    link = page.links["Sign in at GitLab instead of pasting a token"]
    consent = read(alice.client.get(f"{at.bind()}{link.partition('/bind/')[2]}"))
    assert "Go to the source code repository to bind account" in consent.text


def test_a_form_of_another_site_binds_nothing(
    alice: Somebody, gitlab: GitLab, at: Address, instance: Instance
) -> None:
    from datetime import timedelta

    client: Client = alice.signed_in(ago=timedelta(), enforce_csrf_checks=True)
    assert client.post(at.bind(), typed(gitlab)).status_code == 403
    assert live(instance) == []


def test_a_github_binding_is_reconnected_by_consent(
    alice: Somebody, github: GitHub, instance: Instance, at: Address
) -> None:
    binding = github.bind(alice.actor, instance)
    again = f"{at.bind('github')}?reconnect={binding.public_id}"
    page = read(alice.client.get(again))
    assert "Sign in there as octavia: another account is refused." in page.text
    assert page.fields["binding"]["value"] == binding.public_id
    assert stored(binding).unbound_at is None
