"""Proofs of deliveries: the published vectors, and everything that must not pass."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha1, sha256
from hmac import digest

import pytest

from providers.errors import DeliveryRefused
from providers.signatures import require_hmac, require_standard, require_word

HELLO = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
TALE = "It's a Secret to Everybody"
MAIN = b'{"ref":"refs/heads/main"}'
BARE = "b207d041ea2c868d2f0a04f9476df323457b51444dc832111123f3f753cffda5"
KEY = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
ID, AT = "3a427872-00df-429c-9bc9-a9475de2efe4", 1790000000
STANDARD = "v1,skinAj5mU9Hz0E55l9HjSexMUszeStUwa8ekPJNjF/s="


def signed(signature: str = STANDARD, *, name: str = ID, at: str = str(AT)) -> dict[str, str]:
    return {"webhook-id": name, "webhook-timestamp": at, "webhook-signature": signature}


def sign(message: str, key: bytes) -> str:
    return "v1," + b64encode(digest(key, message.encode() + MAIN, "sha256")).decode()


# -- HMAC of the body: GitHub, Bitbucket, Gitea ---------------------------------------------------


def test_the_published_vectors_hold() -> None:
    require_hmac(HELLO, b"Hello, World!", (TALE,))
    require_hmac(f"sha256={BARE}", MAIN, ("test-secret",))
    require_hmac(BARE, MAIN, ("test-secret",), prefix="")


def test_the_secret_before_a_rotation_still_holds() -> None:
    require_hmac(HELLO, b"Hello, World!", ("new-test-secret", TALE))
    require_hmac(HELLO, b"Hello, World!", (TALE, "old-test-secret"))


@pytest.mark.parametrize(
    "header",
    [
        "sha256=",
        HELLO[:-1],
        HELLO + "0",
        " " + HELLO,
        HELLO + " ",
        HELLO.removeprefix("sha256="),
        HELLO.replace("sha256", "sha1"),
        HELLO.replace("sha256", "SHA256"),
        "sha256=" + "0" * 64,
        "sha256=" + "g" * 64,
        f"sha256={'0' * 64}, {HELLO}",
        "sha256=é",
        "sha256=\ud800",
        "sha256=" + "a" * 100_000,
        "sha1=" + digest(TALE.encode(), b"Hello, World!", sha1).hex(),
        "sha256=" + digest(b"", b"Hello, World!", sha256).hex(),
    ],
)
def test_a_forged_delivery_is_refused(header: str) -> None:
    with pytest.raises(DeliveryRefused, match="mismatch"):
        require_hmac(header, b"Hello, World!", (TALE,))


def test_one_changed_byte_is_refused() -> None:
    with pytest.raises(DeliveryRefused, match="mismatch"):
        require_hmac(HELLO, b"Hello, World?", (TALE,))


@pytest.mark.parametrize("secrets", [(), ("",), ("", "")])
def test_without_a_secret_nothing_passes(secrets: tuple[str, ...]) -> None:
    empty = "sha256=" + digest(b"", MAIN, sha256).hex()
    with pytest.raises(DeliveryRefused, match="no_secret"):
        require_hmac(empty, MAIN, secrets)
    with pytest.raises(DeliveryRefused, match="no_secret"):
        require_word("", secrets)
    with pytest.raises(DeliveryRefused, match="no_secret"):
        require_standard(signed(sign(f"{ID}.{AT}.", b"")), MAIN, secrets, AT)


def test_an_empty_secret_beside_a_real_one_opens_nothing() -> None:
    empty = "sha256=" + digest(b"", MAIN, sha256).hex()
    with pytest.raises(DeliveryRefused, match="mismatch"):
        require_hmac(empty, MAIN, ("", "test-secret"))


def test_without_a_proof_nothing_passes() -> None:
    with pytest.raises(DeliveryRefused, match="missing"):
        require_hmac("", MAIN, ("test-secret",))
    with pytest.raises(DeliveryRefused, match="missing"):
        require_word("", ("test-secret",))
    for name in signed():
        with pytest.raises(DeliveryRefused, match="missing"):
            require_standard({**signed(), name: ""}, MAIN, (KEY,), AT)
    with pytest.raises(DeliveryRefused, match="missing"):
        require_standard({}, MAIN, (KEY,), AT)


# -- Standard Webhooks: GitLab --------------------------------------------------------------------


def test_the_standard_vector_holds() -> None:
    require_standard(signed(), MAIN, (KEY,), AT)


@pytest.mark.parametrize("away", [-300, -299.5, 0, 299.5, 300])
def test_five_minutes_of_skew_are_allowed(away: float) -> None:
    require_standard(signed(), MAIN, (KEY,), AT + away)


@pytest.mark.parametrize("away", [-301, 301, -86_400, 10.0**9])
def test_an_old_or_early_delivery_is_stale(away: float) -> None:
    with pytest.raises(DeliveryRefused, match="stale"):
        require_standard(signed(), MAIN, (KEY,), AT + away)


@pytest.mark.parametrize("at", ["abc", "-1", "1e9", "1790000000.0", "٣", "9" * 5000])
def test_a_time_that_is_none_is_stale_even_when_signed(at: str) -> None:
    proof = sign(f"{ID}.{at}.", bytes(range(32)))
    with pytest.raises(DeliveryRefused, match="stale"):
        require_standard(signed(proof, at=at), MAIN, (KEY,), AT)


def test_one_of_several_signatures_is_enough() -> None:
    require_standard(signed(f"v1,AAAA v2,x {STANDARD}"), MAIN, (KEY,), AT)
    require_standard(signed(), MAIN, ("whsec_dGVzdA==", KEY), AT)


def test_a_secret_that_is_no_base64_is_its_own_key() -> None:
    secret = "whsec_current_0123456789abcdef0123456789ab"
    require_standard(signed(sign(f"{ID}.{AT}.", secret.encode())), MAIN, (secret,), AT)


@pytest.mark.parametrize(
    "headers",
    [
        signed(name="another"),
        signed(at=str(AT + 1)),
        signed(STANDARD.removeprefix("v1,")),
        signed(STANDARD.replace("v1,", "v1a,")),
        signed(STANDARD.replace("v1,", "V1,")),
        signed(STANDARD.replace("=", "")),
        signed("é"),
        signed(name="é"),
    ],
)
def test_id_time_and_body_are_all_covered(headers: dict[str, str]) -> None:
    with pytest.raises(DeliveryRefused, match="mismatch"):
        require_standard(headers, MAIN, (KEY,), AT)
    with pytest.raises(DeliveryRefused, match="mismatch"):
        require_standard(signed(), MAIN + b" ", (KEY,), AT)


# -- the plain word: GitLab without signing, Codeup, CodeArts -------------------------------------


def test_the_word_itself_is_a_proof() -> None:
    require_word("test-secret", ("test-secret",))
    require_word("old-test-secret", ("test-secret", "old-test-secret"))


@pytest.mark.parametrize(
    "word", ["test-secre", "test-secret ", " test-secret", "TEST-SECRET", "é" * 9]
)
def test_another_word_is_none(word: str) -> None:
    with pytest.raises(DeliveryRefused, match="mismatch"):
        require_word(word, ("test-secret",))


def test_no_refusal_tells_what_was_expected() -> None:
    with pytest.raises(DeliveryRefused) as failure:
        require_word("wrong", ("test-secret",))
    assert "test-secret" not in repr(failure.value) + str(failure.value.facts)
