"""Every promise, asked of every provider in the catalogue."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from providers.catalogue import REGISTRY
from providers.http import Door
from tests.judges.listening import OpenDoor, QuickDoor, judged, judging
from tests.judges.where import DESCRIPTION
from tests.providers import contract, contract_code, contract_hooks, contract_oauth
from tests.providers.cast import CASTS
from tests.providers.contract import PROMISES, Promise
from tests.providers.stage import Stage

PARTS = (contract, contract_code, contract_hooks, contract_oauth)


@pytest.fixture(scope="module")
def doors() -> Iterator[tuple[Door, Door]]:
    with OpenDoor() as patient, QuickDoor() as hasty:
        yield patient, hasty


ASKED = [
    pytest.param(promise, slug, id=f"{promise.name}-{slug}")
    for promise in PROMISES
    for slug, provider in REGISTRY.items()
    if promise.needs is None or promise.needs in provider.spec.capabilities
]


@pytest.mark.parametrize(("promise", "slug"), ASKED)
def test_promise(promise: Promise, slug: str, sandbox, doors, tmp_path):
    with judging():
        promise.keep(Stage(slug, sandbox, *doors, tmp_path), *promise.case)


def test_what_github_was_asked_was_judged_by_its_own_description():
    """After the promises: the judge, where it is installed, has seen the calls of the adapter."""
    if DESCRIPTION.is_file():
        assert len(judged) > 40
        assert {one.partition(" ")[0] for one in judged} == {"GET", "POST", "PATCH", "DELETE"}


def test_every_provider_is_asked_and_every_chapter_of_promises_is_there():
    assert set(CASTS) == set(REGISTRY)
    numbers = {promise.number for promise in PROMISES}
    assert numbers >= {str(number) for number in (*range(9), *range(10, 22), 24, 27, 28)}


def test_all_parts_of_the_contract_are_registered():
    homes = {promise.keep.__module__ for promise in PROMISES}
    assert homes == {part.__name__ for part in PARTS}
