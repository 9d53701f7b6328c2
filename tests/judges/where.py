"""Where the judges are, and what to do when they are not."""

from pathlib import Path

MODULES = Path(__file__).parent / "node_modules"
DESCRIPTION = MODULES / "@octokit/openapi/generated/api.github.com.json"
HINT = "the judges of GitHub are not installed: run `npm ci` in tests/judges (Node 20)"
