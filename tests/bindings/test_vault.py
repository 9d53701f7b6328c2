"""The vault: what is sealed opens in its own place, with its own key, and nowhere else."""

from __future__ import annotations

import ast
import base64
import copy
import json
import pickle
from pathlib import Path
from uuid import UUID

import pytest
from django.core.serializers.json import DjangoJSONEncoder
from django.template import Context, Template
from hypothesis import given, settings
from hypothesis import strategies as st

from bindings import vault
from bindings.vault import BadKeyRing, KeyRing, Sealed, Tampered, Undecryptable, UnknownKey

ROW = UUID("019321d4-0000-7000-8000-000000000001")
HERE = vault.place("credential.access", ROW)
SECRET = "glpat-test-0123456789abcdef"


def key(letter: str) -> str:
    return base64.urlsafe_b64encode(letter.encode() * 32).decode()


OLD = KeyRing.parse(f"id1:{key('a')}")
BOTH = KeyRing.parse(f"id2:{key('b')},id1:{key('a')}")
NEW = KeyRing.parse(f"id2:{key('b')}")


def sealed(text: str = SECRET, where: str = HERE, keys: KeyRing = OLD) -> Sealed:
    return vault.seal(text, where, keys=keys)


# -- what opens ----------------------------------------------------------------------------------


@given(st.text(max_size=300))
@settings(max_examples=60, deadline=None)
def test_what_was_sealed_opens(text: str) -> None:
    assert vault.open_sealed(sealed(text), HERE, keys=OLD) == text


def test_the_same_secret_is_never_sealed_the_same() -> None:
    assert len({sealed().ciphertext for _ in range(20)}) == 20


def test_a_value_says_version_and_key() -> None:
    made = sealed()
    assert made.ciphertext.startswith(b"\x01\x03id1")
    assert made.key_id == "id1"
    assert SECRET.encode() not in made.ciphertext


def test_the_first_key_seals_and_all_open() -> None:
    assert sealed(keys=BOTH).key_id == "id2"
    assert vault.open_sealed(sealed(keys=OLD), HERE, keys=BOTH) == SECRET


# -- what does not -------------------------------------------------------------------------------


def test_no_byte_can_be_flipped() -> None:
    made = sealed()
    for n in range(len(made.ciphertext)):
        for flip in (0x01, 0x80, 0xFF):
            bent = bytearray(made.ciphertext)
            bent[n] ^= flip
            with pytest.raises(Undecryptable):
                vault.open_sealed(Sealed(bytes(bent)), HERE, keys=OLD)


def test_no_value_can_be_cut_or_lengthened() -> None:
    whole = sealed().ciphertext
    for n in range(len(whole)):
        with pytest.raises(Undecryptable):
            vault.open_sealed(Sealed(whole[:n]), HERE, keys=OLD)
    with pytest.raises(Undecryptable):
        vault.open_sealed(Sealed(whole + b"x"), HERE, keys=OLD)


@pytest.mark.parametrize(
    "where",
    [
        vault.place("credential.access", UUID(int=7)),
        vault.place("credential.refresh", ROW),
        vault.place("codehost.client_secret", ROW),
    ],
)
def test_no_value_opens_in_another_row_or_field(where: str) -> None:
    with pytest.raises(Tampered):
        vault.open_sealed(sealed(), where, keys=OLD)


def test_a_missing_key_is_told_from_damage() -> None:
    with pytest.raises(UnknownKey) as missing:
        vault.open_sealed(sealed(), HERE, keys=NEW)
    assert (missing.value.missing, missing.value.key_id) == (True, "id1")
    wrong = KeyRing.parse(f"id1:{key('c')}")
    with pytest.raises(Tampered) as damaged:
        vault.open_sealed(sealed(), HERE, keys=wrong)
    assert (damaged.value.missing, damaged.value.key_id) == (False, "id1")


@pytest.mark.parametrize(
    "value", [b"", b"\x01", b"\x02\x03id1", b"\x01\x00", b"\x01\xffid1", b"\x01\x03id ", b"junk"]
)
def test_what_is_no_sealed_value_names_no_key(value: bytes) -> None:
    assert Sealed(value).key_id == ""
    with pytest.raises(Tampered):
        vault.open_sealed(Sealed(value), HERE, keys=OLD)


# -- a handle has no face ------------------------------------------------------------------------


def test_a_handle_shows_nothing() -> None:
    made = sealed()
    shown = Template("{{ it }}|{{ it.open }}|{% debug %}").render(Context({"it": made}))
    for text in (repr(made), str(made), f"{made}", shown, repr([made]), repr({"access": made})):
        assert SECRET not in text
        assert repr(made.ciphertext) not in text
    assert repr(made) == str(made) == "<sealed>"


def test_a_handle_is_not_carried_away() -> None:
    made = sealed()
    for away in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            away(made)
    for encoder in (json.JSONEncoder, DjangoJSONEncoder):
        with pytest.raises(TypeError):
            json.dumps({"access": made}, cls=encoder)


def test_handles_are_equal_when_their_bytes_are() -> None:
    made = sealed()
    assert made == Sealed(made.ciphertext)
    assert len({made, Sealed(made.ciphertext), sealed()}) == 2
    assert made != made.ciphertext


def test_an_error_names_the_key_and_no_more() -> None:
    with pytest.raises(Undecryptable) as caught:
        vault.open_sealed(sealed(), HERE, keys=NEW)
    assert str(caught.value) == "sealed with key id1"
    assert caught.value.__cause__ is None


# -- the ring ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        (" , ", "empty"),
        ("id1", "shorter than 32"),
        ("id1:!!!", "not base64"),
        (f"id1:{base64.b64encode(b'short').decode()}", "shorter than 32"),
        (f"id1:{key('a')},id1:{key('b')}", "used twice"),
        (f"id-1:{key('a')}", "letters and digits"),
        (f":{key('a')}", "letters and digits"),
        (f"{'x' * 33}:{key('a')}", "letters and digits"),
        (f"schlüssel:{key('a')}", "letters and digits"),
    ],
)
def test_a_ring_that_cannot_be_used_is_refused_and_not_repeated(text: str, why: str) -> None:
    with pytest.raises(BadKeyRing, match=why) as caught:
        KeyRing.parse(text)
    assert key("a")[:12] not in str(caught.value)


def test_djangos_own_key_is_no_key_of_the_ring() -> None:
    for own in ("a" * 32, key("a")):
        with pytest.raises(BadKeyRing, match="MOORING_SECRET_KEY"):
            KeyRing.parse(f"id1:{key('a')}", secret_key=own)


def test_keys_may_be_written_in_either_alphabet_and_without_padding() -> None:
    raw = bytes(range(224, 256))
    written = {base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode().rstrip("=")}
    assert {KeyRing.parse(f"k:{text}").keys["k"] for text in written} == {raw}


def test_a_ring_shows_no_key() -> None:
    assert repr(BOTH) == "KeyRing()"


def test_fingerprints_tell_secrets_apart_and_outlive_a_rotation() -> None:
    mark = vault.fingerprint(SECRET, keys=OLD)
    assert len(mark) == 12
    assert mark == vault.fingerprint(SECRET, keys=BOTH)
    assert mark != vault.fingerprint(SECRET + "x", keys=OLD)
    assert mark != vault.fingerprint(SECRET, keys=NEW)


# -- who may open --------------------------------------------------------------------------------


def test_only_custody_opens() -> None:
    """Every place that calls the vault, counted: three functions of one room."""
    calls: dict[str, list[str]] = {"seal": [], "open_sealed": []}
    root = Path(vault.__file__).parent.parent
    for top in ("bindings", "portal", "providers"):
        for path in sorted((root / top).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                called = _of_vault(node)
                if called in calls:
                    calls[called].append(path.relative_to(root).as_posix())
    room = "bindings/services/custody"
    assert sorted(calls["open_sealed"]) == [f"{room}/keyring.py"] + [f"{room}/sealed.py"] * 3
    assert sorted(calls["seal"]) == [f"{room}/keyring.py"] + [f"{room}/sealed.py"] * 2


def _of_vault(node: ast.AST) -> str:
    """The name of the vault's function that is called here, "" where none is."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return ""
    of = node.func.value
    return node.func.attr if isinstance(of, ast.Name) and of.id == "vault" else ""
