"""Ids: ordered by time inside, short and typed outside."""

from __future__ import annotations

import time
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.ground import ids


def test_keys_are_version_seven_and_ordered_by_time() -> None:
    before = time.time_ns() // 1_000_000
    made = []
    for _ in range(5):
        made.append(ids.uuid7())
        time.sleep(0.002)
    assert made == sorted(made)
    for key in made:
        assert (key.version, key.variant) == (7, "specified in RFC 4122")
        assert before <= key.int >> 80 <= time.time_ns() // 1_000_000


def test_keys_of_one_millisecond_differ() -> None:
    assert len({ids.uuid7() for _ in range(5000)}) == 5000


@given(st.uuids())
def test_a_public_id_leads_back_to_its_key(key: UUID) -> None:
    public = ids.public("bnd", key)
    assert len(public) == 30
    assert ids.key("bnd", public) == key
    assert ids.key("ins", public) is None


def test_public_ids_are_ordered_like_their_keys() -> None:
    keys = sorted(UUID(int=n << 64) for n in (0, 1, 31, 32, 2**40, 2**63))
    public = [ids.public("bnd", key) for key in keys]
    assert public == sorted(public)
    assert public[0] == "bnd_" + "0" * 26
    assert ids.public("bnd", UUID(int=2**128 - 1)) == "bnd_7" + "z" * 25


@pytest.mark.parametrize(
    "text",
    [
        "",
        "bnd",
        "bnd_",
        "bnd_0",
        "bnd_" + "0" * 25,
        "bnd_" + "0" * 27,
        "bnd_8" + "0" * 25,
        "bnd_" + "Z" * 26,
        "bnd_" + "0" * 25 + "u",
        "bnd_" + "0" * 25 + "l",
        "bnd_" + "٠" * 26,
        "ins_" + "0" * 26,
        "_" + "0" * 26,
        "019321d4-0000-7000-8000-000000000001",
    ],
)
def test_what_is_no_id_is_simply_not_found(text: str) -> None:
    assert ids.key("bnd", text) is None
