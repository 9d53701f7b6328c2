#!/usr/bin/env python
"""Django's command line, with PostgreSQL and Redis of our own where none are given."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

from portal import embedded
from portal.env import BadSetting

# These read and write no row, so nothing is started for them.
_NO_SERVICES = {"help", "--help", "-h", "version", "--version", "collectstatic", "compilemessages"}
_NO_SERVICES |= {"makemessages", "sandbox"}


def main() -> None:
    """Run the command of the command line; what cannot start is said in one sentence."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    command = sys.argv[1] if len(sys.argv) > 1 else "help"
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup stays nohup
            signal.signal(number, _leave)
    try:
        missing = embedded.fill_in(os.environ)
        with embedded.services(frozenset() if command in _NO_SERVICES else missing):
            from django.core.management import execute_from_command_line

            execute_from_command_line(sys.argv)
    except (embedded.CannotStart, BadSetting) as trouble:
        sys.exit(f"mooring: {trouble}")
    except KeyboardInterrupt:
        sys.exit(130)


def _leave(number: int, frame: FrameType | None) -> None:
    """End the way an exception does, so that our services are ended too."""
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
