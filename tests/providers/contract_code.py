"""What every provider promises about repositories and refs (`providers.md` 15)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from providers.errors import BadAnswer, NotFound, TokenRejected, Unreachable
from tests.providers.canned import canned
from tests.providers.contract import promise
from tests.providers.stage import Stage, all_refs, all_repositories, pages


@promise("13")
def two_hundred_and_fifty_repositories_come_whole_once_and_in_order(stage: Stage) -> None:
    account = stage.account()
    before = all_repositories(account)
    more = 300 - len(before)  # the last page is exactly full
    made = stage.sandbox.add_repositories(stage.slug, stage.cast.crowd, count=more)
    found = [page.items for page in pages(lambda cursor: account.repositories(cursor=cursor))]
    ids = [one.id for items in found for one in items]
    # Where no total is told, an empty page is the end.
    assert tuple(len(items) for items in found if items) == stage.cast.pages
    assert len(set(ids)) == 300
    assert {one["external_id"] for one in made} <= set(ids)
    again = all_repositories(account)
    assert [one.id for one in again] == ids


@promise("13")
def an_error_on_page_two_fails_the_listing(stage: Stage) -> None:
    stage.sandbox.add_repositories(stage.slug, stage.cast.crowd, count=120)
    stage.fault("status:500", f"{stage.cast.listing}", after=1)
    account = stage.account()
    with pytest.raises(Unreachable):
        all_repositories(account)


@promise("3")
def a_token_revoked_between_two_pages_fails_the_listing(stage: Stage) -> None:
    stage.sandbox.add_repositories(stage.slug, stage.cast.crowd, count=120)
    account = stage.account()
    page = account.repositories()
    stage.sandbox.revoke("full", stage.slug, stage.cast.login)
    with pytest.raises(TokenRejected):
        account.repositories(cursor=page.next)


@promise("14")
def a_next_link_to_another_origin_is_not_followed(stage: Stage) -> None:
    account = stage.account()
    with canned({}) as elsewhere:
        away = f"{elsewhere.base_url}/page/2"
        stage.fault("foreign_next", stage.cast.listing, value=away, times=1)
        # Where pages have numbers no link is read, and a cursor that is one is refused.
        cursor = account.repositories().next or away
        with pytest.raises(BadAnswer, match="foreign_link"):
            account.repositories(cursor=cursor)
        assert elsewhere.asked == []


@promise("15", '"', "%", "+", "a+b", "日本", "%2e%2e", "no such thing", "'; --")
def a_search_of_odd_characters_finds_nothing_and_breaks_nothing(stage: Stage, sought: str) -> None:
    account = stage.account()
    assert all_repositories(account, sought) == []
    for ask in (account.branches, account.tags):
        assert all_refs(ask, stage.cast.many, sought) == []


@promise("15")
def a_search_finds_what_holds_it_anywhere_in_any_case(stage: Stage) -> None:
    account = stage.account()
    everything = all_repositories(account)
    for sought in (stage.cast.rich.upper(), stage.cast.rich[3:8], stage.cast.rich[-2:]):
        found = all_repositories(account, sought)
        assert found == [one for one in everything if sought.lower() in one.path.lower()]
        assert stage.cast.rich in {one.path for one in found}


@promise("15")
def a_moved_repository_is_found_again_by_its_old_path_and_its_id(stage: Stage) -> None:
    account, path = stage.account(), stage.cast.rich
    before = account.repository(path)
    moved = f"{path}-moved"
    stage.sandbox.change_repository(stage.slug, path, path=moved)
    for asked in (before.id, moved, *([path] if stage.cast.forwards else [])):
        assert account.repository(asked).path == moved
        assert account.repository(asked).id == before.id
        assert account.branches(asked).items == account.branches(moved).items
        assert account.resolve_ref(asked, "main").name == "main"


@promise("16")
def what_is_hidden_or_not_there_is_not_found(stage: Stage) -> None:
    account, cast = stage.account(), stage.cast
    for path in (cast.secret, f"{cast.crowd}/no-such-thing", "999999999"):
        asks: tuple[Callable[[str], object], ...] = (
            account.repository,
            account.branches,
            account.tags,
            account.clone,
            lambda path: account.resolve_ref(path, "main"),
        )
        for ask in asks:
            with pytest.raises(NotFound) as caught:
                ask(path)
            assert caught.value.reason == "unknown"


@promise("17")
def who_may_add_hooks_follows_the_role(stage: Stage) -> None:
    account, cast = stage.account(), stage.cast
    if not cast.roles:
        assert account.repository(cast.rich).hookable is None
        return
    assert account.repository(cast.read).hookable is False
    found = {}
    for role in (cast.below, cast.enough):
        stage.sandbox.set_role(stage.slug, cast.login, role, repository=cast.write)
        seen = account.repository(cast.write)
        found[role] = seen.hookable
        listed = all_repositories(account)
        assert next(one for one in listed if one.path == cast.write).access == seen.access
    assert found == {cast.below: False, cast.enough: True}


@promise("17")
def null_permissions_leave_the_right_to_add_hooks_open(stage: Stage) -> None:
    if stage.cast.rights:
        stage.fault("set_keys", "**", value={stage.cast.rights: None})
    else:  # it is told by lists alone, and they are refused
        stage.fault("status:400", stage.cast.listing)
    assert stage.account().repository(stage.cast.rich).hookable is None


@promise("18")
def a_null_list_is_an_empty_one(stage: Stage) -> None:
    stage.fault("null_json", stage.cast.listing, value=stage.cast.nothing)
    assert stage.account().repositories().items == ()


@promise("18")
def new_keys_and_ids_as_texts_do_no_harm(stage: Stage) -> None:
    stage.fault("set_keys", "**", value={stage.cast.id_key: "77", "brand_new": {"deep": [None]}})
    account = stage.account()
    who = account.identify()
    assert (who.id == "77") is stage.cast.numbered
    assert {one.id for one in account.repositories().items} == {"77"}


@promise("18")
def a_missing_key_is_a_bad_answer_that_names_it(stage: Stage) -> None:
    account, cast = stage.account(), stage.cast
    asks: list[tuple[Callable[[], object], str]] = []
    asks += [(account.identify, key) for key in cast.account_keys]
    asks += [(account.repositories, key) for key in cast.repository_keys]
    for ask, key in asks:
        stage.sandbox.clear_faults()
        stage.fault("drop_keys", value=[key])
        with pytest.raises(BadAnswer) as caught:
            ask()
        assert (caught.value.reason, f"'{key}'" in caught.value.detail) == ("shape", True)


@promise("4")
def a_repository_is_described(stage: Stage) -> None:
    account, cast = stage.account(), stage.cast
    found = account.repository(cast.rich)
    assert (found.path, found.default_branch, found.visibility) == (cast.rich, "main", "private")
    assert found.clone_url == f"{stage.sandbox.base(stage.slug)}/{cast.rich}.git"
    assert (found.archived, found.empty, found.owner) == (
        False,
        False,
        cast.rich.rpartition("/")[0],
    )
    assert account.repository(cast.empty).empty
    assert account.repository(found.id) == found


# -- refs ------------------------------------------------------------------------------------------


@promise("16")
def every_branch_and_tag_is_what_git_says(stage: Stage) -> None:
    account = stage.account()
    for path in (stage.cast.rich, stage.cast.many):
        truth = stage.truth(path)
        branches = all_refs(account.branches, path)
        tags = all_refs(account.tags, path)
        assert {ref.full: ref.commit for ref in (*branches, *tags)} == truth
        assert len(branches) + len(tags) == len(truth)
        assert [ref.name for ref in branches if ref.default] == ["main"]


@promise("16")
def every_ref_resolves_to_what_git_says(stage: Stage) -> None:
    account, path = stage.account(), stage.cast.rich
    for full, commit in stage.truth(path).items():
        for asked in (full, full.split("/", 2)[2]):
            found = account.resolve_ref(path, asked)
            assert (found.full, found.commit) == (full, commit)
        for digits in (commit, commit[:7], commit.upper()):
            found = account.resolve_ref(path, digits)
            assert (found.kind, found.commit) == ("commit", commit)


@promise("16")
def a_branch_wins_over_a_tag_of_its_name(stage: Stage) -> None:
    account, path = stage.account(), stage.cast.twins
    truth = stage.truth(path)
    assert account.resolve_ref(path, "stable").commit == truth["refs/heads/stable"]
    assert account.resolve_ref(path, "refs/tags/stable").commit == truth["refs/tags/stable"]
    assert truth["refs/heads/stable"] != truth["refs/tags/stable"]


@promise("16", "nope", "refs/heads/nope", "refs/tags/main", "f" * 40, "../main", "", "refs/x/y")
def an_unknown_ref_is_named(stage: Stage, ref: str) -> None:
    with pytest.raises(NotFound) as caught:
        stage.account().resolve_ref(stage.cast.rich, ref)
    assert (caught.value.reason, caught.value.facts["ref"]) == ("ref", ref)


@promise("16")
def an_empty_repository_is_a_valid_state(stage: Stage) -> None:
    account, path = stage.account(), stage.cast.empty
    assert account.branches(path).items == account.tags(path).items == ()
    assert account.branches(path, matching="ma").items == ()
    with pytest.raises(NotFound) as caught:
        account.resolve_ref(path, "main")
    assert caught.value.reason == "empty"


@promise("15", "topic/01", "PIC/01", "build-01", "main")
def a_search_for_refs_finds_each_once(stage: Stage, sought: str) -> None:
    account, path = stage.account(), stage.cast.many
    truth = stage.truth(path)
    for space, ask in (("heads", account.branches), ("tags", account.tags)):
        found = all_refs(ask, path, sought)
        names = [full.split("/", 2)[2] for full in truth if full.startswith(f"refs/{space}/")]
        wanted = [name for name in names if sought.lower() in name.lower()]
        assert sorted(ref.name for ref in found) == sorted(wanted)
