"""The judge of our requests to GitHub is not asleep. What it judges is in
`tests/providers/test_contract.py`: every request of every promise that the adapter keeps."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.judges.listening import document


@pytest.mark.parametrize(
    ("request_line", "body", "complaint"),
    [
        ("GET /users/octavia/projects/7", None, "is not described"),
        ("GET /user/repos?page=x", None, "is no integer"),
        ("GET /user/repos?everything=1", None, "there is no parameter everything"),
        ("GET /user/repos?sort=size", None, "is none of"),
        ("POST /repos/a/b/hooks", b'{"config": {"url": 7}}', "is no string"),
        ("POST /repos/a/b/hooks", b'{"hook": true}', "has no hook"),
        ("POST /repos/a/b/git/refs", b'{"ref": "refs/heads/x"}', "sha is missing"),
        ("DELETE /repos/a/b/hooks/x", None, "is no integer"),
        ("GET /user", b"{}", "no body is described"),
    ],
)
def test_the_judge_finds_what_is_wrong(
    judges: Path, request_line: str, body: bytes | None, complaint: str
) -> None:
    method, _, target = request_line.partition(" ")
    assert any(complaint in told for told in document().complaints(method, target, body))


@pytest.mark.parametrize(
    ("request_line", "body"),
    [
        ("GET /user/repos?per_page=100&sort=full_name", None),
        ("GET /repos/octavia/harbor/git/ref/heads/topic/01", None),
        (
            "POST /repos/a/b/hooks",
            b'{"config": {"url": "https://a.example/", "insecure_ssl": "0"}}',
        ),
    ],
)
def test_the_judge_lets_pass_what_is_right(
    judges: Path, request_line: str, body: bytes | None
) -> None:
    method, _, target = request_line.partition(" ")
    assert document().complaints(method, target, body) == []
