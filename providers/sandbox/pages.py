"""The few pages a browser sees: sign in, consent, and a plain refusal."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from providers.sandbox.records import Account
from providers.sandbox.wire import Answer, html_answer

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;background:#f4f5f7;color:#1c1e21;margin:0}
main{max-width:26rem;margin:12vh auto;background:#fff;border:1px solid #d5d9de;border-radius:8px;
padding:2rem}
h1{font-size:1.25rem;margin:0 0 1rem}
button{display:block;width:100%;margin:.5rem 0;padding:.6rem 1rem;font:inherit;border-radius:6px;
border:1px solid #b9c0c8;background:#fff;cursor:pointer;text-align:left}
button.go{background:#1f6feb;border-color:#1f6feb;color:#fff;text-align:center}
small{color:#5b6470}
"""


def page(title: str, content: str, status: int = 200) -> Answer:
    """A whole page. `content` is HTML already."""
    return html_answer(
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><main><h1>{escape(title)}</h1>{content}"
        f"<p><small>Sandbox code host: nothing here is real.</small></p></main></body></html>",
        status,
    )


def sign_in(label: str, action: str, back: str, accounts: Iterable[Account]) -> Answer:
    """Choose who you are; no password."""
    buttons = "".join(
        f'<button name="account" value="{escape(a.login)}">Continue as {escape(a.login)}'
        f"<br><small>{escape(a.name)}</small></button>"
        for a in accounts
    )
    hidden = f'<input type="hidden" name="return_to" value="{escape(back)}">'
    form = f'<form method="post" action="{escape(action)}">{hidden}{buttons}</form>'
    return page(f"Sign in to {label}", form)


def consent(label: str, app: str, login: str, scopes: Iterable[str], action: str) -> Answer:
    """Authorize or cancel."""
    wanted = "".join(f"<li><code>{escape(scope)}</code></li>" for scope in scopes)
    wanted = wanted or "<li>public information only</li>"
    return page(
        f"Authorize {app}",
        f"<p>{escape(app)} asks for access to the {escape(label)} account "
        f"<strong>{escape(login)}</strong>:</p><ul>{wanted}</ul>"
        f'<form method="post" action="{escape(action)}">'
        '<button class="go" name="decision" value="authorize">Authorize</button>'
        '<button name="decision" value="cancel">Cancel</button></form>'
        f'<p><a href="{escape(action)}&amp;prompt=select_account">Use another account</a></p>',
    )


def refusal(title: str, sentence: str, status: int) -> Answer:
    return page(title, f"<p>{escape(sentence)}</p>", status)
