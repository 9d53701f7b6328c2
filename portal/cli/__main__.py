"""`mooring`: the portal from a terminal. Reads arguments, runs one command, says how it went."""

from __future__ import annotations

import io
import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from typing import NoReturn

from portal.cli import apply, builds, code, commands, exporting, keeping, login, tables
from portal.cli.client import VERSION, Client, Refused, Usage

Alone = Callable[[Namespace], int]
Asking = Callable[[Client, Namespace], int]

_WRONG_USAGE, _FAILED, _INTERRUPTED = 2, 1, 130


class Parser(ArgumentParser):
    """Never repeats what was typed where nothing belongs: it may be a token."""

    def error(self, message: str) -> NoReturn:
        known = "there are words or options it does not take (a token is read from standard input)"
        said = known if message.startswith("unrecognized arguments") else message
        super().error(said)


def main(words: Sequence[str] | None = None) -> int:
    """The exit status of the command that was typed; without `words`, on the command line."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    try:
        options = parser().parse_args(words)
        return _run(options)
    except Usage as wrong:
        tables.note(str(wrong))
        return _WRONG_USAGE
    except Refused as refused:
        tables.note(f"{refused.detail} ({refused.code})" if refused.code else refused.detail)
        return _FAILED
    except (KeyError, TypeError):
        tables.note("The answer is not what this version of mooring expects.")
        return _FAILED
    except BrokenPipeError:
        # Whoever read has read enough; without this Python complains once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _FAILED
    except KeyboardInterrupt:
        return _INTERRUPTED


def parser() -> ArgumentParser:
    """Every command with its arguments. None of them takes a token."""
    top = Parser(prog="mooring", description="Bindings of registry instances to their source code.")
    top.add_argument("--version", action="version", version=f"mooring {VERSION}")
    verbs = top.add_subparsers(metavar="COMMAND", required=True)

    def verb(name: str, about: str, *places: str, **how: Alone | Asking) -> ArgumentParser:
        made: ArgumentParser = verbs.add_parser(name, help=about, description=about)
        made.add_argument("--json", action="store_true", help="the API's own objects")
        for place in places:
            made.add_argument(place.lower(), metavar=place)
        made.set_defaults(**{"alone": None, "asking": None, **how})
        return made

    _accounts(verb)
    _bindings(verb)
    _code(verb)
    _files_and_builds(verb)
    return top


def _accounts(verb: Callable[..., ArgumentParser]) -> None:
    enter = verb("login", "sign in and keep the token", alone=login.login)
    enter.add_argument("--url", default="", help="the portal, https://…")
    enter.add_argument("--with-token", action="store_true", help="from standard input")
    verb("logout", "end the token and forget it", alone=login.logout)
    verb("whoami", "who the token is and what it may", asking=commands.whoami)


def _bindings(verb: Callable[..., ArgumentParser]) -> None:
    listed = verb("sources", "the platforms of an instance, worst first", asking=commands.sources)
    listed.add_argument("-i", "--instance", default="", help="name or id; all without it")
    test = verb("test", "try a token, save nothing", "PROVIDER", asking=commands.test)
    bind = verb("bind", "bind an account of a platform", "PROVIDER", asking=commands.bind)
    bind.add_argument("-i", "--instance", required=True, help="name or id")
    for one in (test, bind):
        one.add_argument("--address", default="", help="the platform's server")
        one.add_argument("--username", default="")
    bind.add_argument("--org", default="")
    bind.add_argument("--clone-username", default="")
    bind.add_argument("--expires-on", default="", metavar="DATE")
    bind.add_argument("--manual", action="store_true", help="without webhooks")
    verb("replace", "a new token of the same account", "BINDING", asking=commands.replace)
    verb("rotate", "let the platform give a new token", "BINDING", asking=commands.rotate)
    unbind = verb("unbind", "end a binding", "BINDING", asking=commands.unbind)
    unbind.add_argument("--confirm", default="", metavar="LOGIN", help="when it is in use")
    unbind.add_argument("--revoke", action="store_true", help="end the token at the platform too")
    verb("check", "check a binding now", "BINDING", asking=commands.check)
    ends = verb("expiring", "what ends soon", asking=commands.expiring)
    ends.add_argument("--within", default="30d", metavar="DAYS")


def _code(verb: Callable[..., ArgumentParser]) -> None:
    repos = verb("repos", "repositories of a binding", "BINDING", asking=code.repos)
    repos.add_argument("-q", default="", metavar="TEXT", help="somewhere in the path")
    verb("branches", "branches of a repository", "BINDING", "REPO", asking=code.branches)
    verb("tags", "tags of a repository", "BINDING", "REPO", asking=code.tags)
    verb("resolve", "the commit of a ref", "BINDING", "REPO", "REF", asking=code.resolve)
    verb("why", "why a repository is not there", "BINDING", "LINK", asking=code.why)
    lease = verb("lease", "a clone credential for minutes", "BINDING", "REPO", asking=code.lease)
    lease.add_argument("--ttl", type=int, default=900, metavar="SECONDS")
    lease.add_argument("--kind", default="proxied")
    lease.add_argument("--build", default="", metavar="ID")
    clone = verb("clone", "git clone through the portal", "BINDING", "REPO", asking=code.clone)
    clone.add_argument("dir", nargs="?", default="", metavar="DIR")


def _files_and_builds(verb: Callable[..., ArgumentParser]) -> None:
    export = verb("export", "bindings and triggers as a file", asking=exporting.export)
    export.add_argument("-i", "--instance", default="", help="name or id; all without it")
    verb("plan", "what a file would change", "FILE", asking=apply.plan)
    make = verb("apply", "make it as a file says", "FILE", asking=apply.apply)
    make.add_argument("--allow-switch", action="store_true", help="also to another account")
    run = verb("run", "start a build by hand", "TRIGGER", asking=builds.run)
    run.add_argument("--ref", default="")
    heard = verb("deliveries", "what platforms have sent", asking=builds.deliveries)
    heard.add_argument("--failed", action="store_true")
    heard.add_argument("--replay", action="store_true", help="with --failed: once more")


def _run(options: Namespace) -> int:
    if options.alone is not None:
        return int(options.alone(options))
    return int(options.asking(keeping.client(), options))


if __name__ == "__main__":
    sys.exit(main())
