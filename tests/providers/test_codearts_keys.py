"""Huawei Cloud: the signature of a request, what a credential is packed in, and the regions."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256

import pytest

from providers import codearts_keys as keyring
from providers.codearts import CodeArts
from providers.codearts_keys import Keys
from providers.errors import TokenRejected

NOW = datetime(2026, 11, 21, 7, 0, 0, tzinfo=UTC)
KEYS = Keys("AKEXAMPLE", "SKEXAMPLE")
HOST = "https://codehub-ext.cn-north-4.myhuaweicloud.com"
LIST = f"{HOST}/v4/user/repositories?limit=20&offset=0"
HOOKS = f"{HOST}/v4/repositories/1/hooks"
BODY = b'{"url":"https://example.com/h","push_events":true}'


@pytest.mark.parametrize(
    ("method", "url", "body", "hashed", "proof"),
    [
        (
            *("GET", LIST, b""),
            "1084c27ef503273c8ddd3cac0e712657feeb57c66ed6302a84a6ad7fda2f76bc",
            "adf5fbc6e8f83c1b8b1534ee7b355136a753a63c1e070ae0d65d11063d68f01a",
        ),
        (
            *("POST", HOOKS, BODY),
            "6d7098f10080ec3738e252326a54c9b35430ad640178f5ebf1d86c184a3e0793",
            "43a417a002df7f4ebaa679fb4fbfa37b263de4cd2225a7898d05915aba7453be",
        ),
    ],
)
def test_a_request_is_signed_as_the_vector_says(method, url, body, hashed, proof):
    headers = keyring.signed(KEYS, method, url, body, NOW)
    covered = {
        "content-type": "application/json",
        "host": "codehub-ext.cn-north-4.myhuaweicloud.com",
        "x-sdk-date": "20261121T070000Z",
    }
    asked = keyring.canonical(method, url, covered, body)
    assert sha256(asked.encode()).hexdigest() == hashed
    assert headers == {
        "X-Sdk-Date": "20261121T070000Z",
        "Content-Type": "application/json",
        "Authorization": "SDK-HMAC-SHA256 Access=AKEXAMPLE, "
        f"SignedHeaders=content-type;host;x-sdk-date, Signature={proof}",
    }


def test_what_is_signed_reads_as_documented():
    covered = {
        "host": "codehub-ext.cn-north-4.myhuaweicloud.com",
        "x-sdk-date": "20261121T070000Z",
        "content-type": "application/json",
    }
    assert keyring.canonical("get", LIST, covered, b"").split("\n") == [
        "GET",
        "/v4/user/repositories/",
        "limit=20&offset=0",
        "content-type:application/json",
        "host:codehub-ext.cn-north-4.myhuaweicloud.com",
        "x-sdk-date:20261121T070000Z",
        "",
        "content-type;host;x-sdk-date",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    ]


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("", "/", ""),
        ("/a/", "/a/", ""),
        ("/a%20b/~c", "/a%20b/~c/", ""),
        ("/x?b=2&a=1&a=0", "/x/", "a=0&a=1&b=2"),
        ("/x?k=%E7%99%BB/%2B~&e=", "/x/", "e=&k=%E7%99%BB%2F%2B~"),
    ],
)
def test_path_and_query_are_quoted_and_sorted(target, path, query):
    lines = keyring.canonical("GET", HOST + target, {"host": "h"}, b"").split("\n")
    assert lines[1:3] == [path, query]


def test_a_port_that_is_not_the_usual_one_is_part_of_the_host():
    near = keyring.signed(KEYS, "GET", "http://127.0.0.1:8080/v4/x", b"", NOW)
    usual = keyring.signed(KEYS, "GET", "http://127.0.0.1/v4/x", b"", NOW)
    assert near["Authorization"] != usual["Authorization"]


def test_a_temporary_pair_brings_its_security_token_and_signs_it():
    keys = Keys("AKEXAMPLE", "SKEXAMPLE", "sandbox-test-security")
    headers = keyring.signed(keys, "GET", LIST, b"", NOW)
    assert headers["X-Security-Token"] == "sandbox-test-security"
    assert "content-type;host;x-sdk-date;x-security-token" in headers["Authorization"]


@pytest.mark.parametrize("keys", [KEYS, Keys("A", "S", "sandbox-test-security")])
def test_a_pair_survives_being_packed(keys):
    assert keyring.unpack(keyring.pack(keys)) == keys
    assert keys.secret not in f"{keys!r}"


def test_an_iam_token_is_no_pair():
    assert keyring.unpack("MIIPsandboxtest") is None


@pytest.mark.parametrize("odd", ["a b c d", "a ", " b", "a b\n", "a 日本", "a\x00 b", "a  b"])
def test_what_no_signature_can_hold_is_refused(odd):
    with pytest.raises(TokenRejected, match="characters"):
        keyring.unpack(odd)


# -- regions ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "api"),
    [
        (
            "https://codehub.devcloud.cn-north-4.huaweicloud.com",
            "https://codehub-ext.cn-north-4.myhuaweicloud.com/v4",
        ),
        (
            "https://codeartsrepo.tr-west-1.huaweicloud.com",
            "https://codeartsrepo-ext.tr-west-1.myhuaweicloud.com/v4",
        ),
        (
            "https://repo.af-south-1.myhuaweicloud.com",
            "https://repo.af-south-1.myhuaweicloud.com/v4",
        ),
        ("https://code.acme.example/huawei", "https://code.acme.example/huawei/v4"),
        ("https://cn-north-9.huaweicloud.com", "https://cn-north-9.huaweicloud.com/v4"),
    ],
)
def test_each_region_has_its_own_family_of_hosts(base, api):
    assert CodeArts.api_url(base) == api


def test_all_regions_are_known_once():
    assert len(keyring.REGIONS) == sum(map(len, keyring.FAMILIES.values())) == 16


@pytest.mark.parametrize(
    ("api", "sts"),
    [
        (
            "https://codehub-ext.cn-east-3.myhuaweicloud.com/v4",
            "https://sts.cn-east-3.myhuaweicloud.com",
        ),
        (
            "https://repo.me-east-1.myhuaweicloud.com/v4",
            "https://sts.me-east-1.myhuaweicloud.com",
        ),
        ("https://code.acme.example/huawei/v4", "https://code.acme.example/huawei"),
        (
            "https://codehub-ext.cn-east-3.myhuaweicloud.com.evil.example/v4",
            "https://codehub-ext.cn-east-3.myhuaweicloud.com.evil.example",
        ),
    ],
)
def test_other_services_are_in_the_same_region(api, sts):
    assert keyring.service_url("sts", api) == sts
