"""Signatures, judged by the format's own verifier and by the fifteen lines we print."""

from __future__ import annotations

import base64
import time

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from bindings.services.tell import signing

# api.md 6.3
SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
BODY = b'{"ref":"refs/heads/main"}'
EVENT = "3a427872-00df-429c-9bc9-a9475de2efe4"


def test_the_published_vector() -> None:
    assert signing.headers([SECRET], event=EVENT, at=1790000000, body=BODY) == {
        "webhook-id": EVENT,
        "webhook-timestamp": "1790000000",
        "webhook-signature": "v1,skinAj5mU9Hz0E55l9HjSexMUszeStUwa8ekPJNjF/s=",
    }


def test_a_new_secret_is_32_bytes_and_never_the_same() -> None:
    made = signing.new_secret()
    assert made.startswith("whsec_")
    assert len(base64.b64decode(made.removeprefix("whsec_"))) == 32
    assert made != signing.new_secret()


def test_strangers_verify_it_with_either_secret_and_not_once_it_was_touched() -> None:
    new, old = signing.new_secret(), signing.new_secret()
    sent = signing.headers([new, old], event="evt_test", at=int(time.time()), body=BODY)
    for secret in (new, old):
        assert Webhook(secret).verify(BODY, sent) == {"ref": "refs/heads/main"}
    for wrong in (signing.new_secret(), SECRET):
        with pytest.raises(WebhookVerificationError):
            Webhook(wrong).verify(BODY, sent)
    for touched in ({"webhook-id": "evt_other"}, {"webhook-timestamp": str(int(time.time()) - 1)}):
        with pytest.raises(WebhookVerificationError):
            Webhook(new).verify(BODY, sent | touched)
    with pytest.raises(WebhookVerificationError):
        Webhook(new).verify(BODY + b" ", sent)
