"""`mooring login`: a terminal that waits, and somebody who approves it in a browser."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from portal import embedded
from portal.tenants.models import ServiceToken
from tests.journeys.conftest import Enter
from tests.people import Somebody

ROOT = Path(embedded.__file__).parent.parent


def test_a_terminal_signs_in_through_the_browser(
    enter: Enter, site: str, alice: Somebody, tmp_path: Path
) -> None:
    home = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    waiting = subprocess.Popen(
        [sys.executable, "-m", "portal.cli", "login", "--url", site, "--json"],
        env=home | {"BROWSER": "true", "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert waiting.stderr is not None
    page = waiting.stderr.readline().split()[-1]
    visit = enter(alice)
    visit.open(page.removeprefix(site))
    visit.says("wants to act as you in Acme.")
    assert visit.judge("terminal") == []
    port = page.partition("port=")[2].partition("&")[0]
    visit.hosts.add(f"http://127.0.0.1:{port}")
    visit.press("Approve")
    visit.says("Approved. Go back to the terminal.")
    out, _err = waiting.communicate(timeout=30)
    assert waiting.returncode == 0
    me = json.loads(out)
    token = ServiceToken.objects.get(owner=alice.person)
    assert (me["kind"], me["id"]) == ("token", token.public_id)
    kept = json.loads((tmp_path / ".config" / "mooring" / "login.json").read_text())
    assert kept["token"] not in visit.page.url + visit.page.content() + out
