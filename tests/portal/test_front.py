"""The front end as a whole: what may be counted in its files and in rendered pages."""

from __future__ import annotations

import gzip
import re
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import django_htmx
import pytest
from django import forms
from django.template.loader import get_template, render_to_string
from django.utils import translation

from portal.templatetags import ui

ROOT = Path(__file__).resolve().parents[2]
# A mail is no page: it can load no stylesheet of ours, so it carries its few rules in itself.
TEMPLATES = sorted(
    set((ROOT / "templates").rglob("*.html")) - set((ROOT / "templates" / "email").rglob("*"))
)
STATIC = ROOT / "portal" / "static" / "mooring"
HTMX = Path(django_htmx.__file__).parent / "static" / "django_htmx" / "htmx-2.min.js"

each_template = pytest.mark.parametrize(
    "path", TEMPLATES, ids=[str(path.relative_to(ROOT / "templates")) for path in TEMPLATES]
)


def text_of(path: Path) -> str:
    return re.sub(r"{#.*?#}", "", path.read_text(encoding="utf-8"))


class Outline(HTMLParser):
    """Collects ids and what refers to them, and notices a tag that is closed in the wrong place."""

    VOID = frozenset({"meta", "link", "input", "br", "hr", "img"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.described: list[str] = []
        self.open: list[str] = []
        self.crossed: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.described += (found.get("aria-describedby") or "").split()
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An SVG shape closes itself."""

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.crossed.append(tag)


def page_context(**more: object) -> dict[str, object]:
    acme = SimpleNamespace(slug="acme", name="Acme Foundry")
    person = SimpleNamespace(name="Alice", email="alice@acme.example", initials="A")
    other = SimpleNamespace(slug="globex", name="Globex")
    return {
        "request": SimpleNamespace(
            actor=SimpleNamespace(person=person), path="/", get_full_path=lambda: "/t/acme/"
        ),
        "tenant": acme,
        "role": "admin",
        "memberships": [
            {"tenant": acme, "role": "admin", "attention": 3, "url": "/t/acme/instances/"},
            {"tenant": other, "role": "viewer", "attention": 0, "url": "/t/globex/instances/"},
        ],
        "section": "instances",
        "navigation": [
            ("instances", "Instances", "/t/acme/instances/", "box", 0),
            ("expiry", "Expiry", "/t/acme/expiry/", "cal", 3),
            ("", "Tenant", "", "", 0),
            ("members", "Members", "/t/acme/members/", "users", 0),
        ],
        "crumbs": [("Instances", "/t/acme/instances/"), ("prod-registry", "")],
        "server_version": "1.0.0",
        **more,
    }


# ---- files


@each_template
def test_a_template_compiles(path: Path) -> None:
    assert get_template(str(path.relative_to(ROOT / "templates")))


@each_template
def test_no_template_holds_a_style_a_script_or_a_handler(path: Path) -> None:
    text = text_of(path)
    scripts = re.findall(r"<script\b[^>]*>", text)
    assert not re.search(r"\sstyle\s*=|<style\b|\son[a-z]+\s*=|javascript:", text, re.IGNORECASE)
    assert all("src=" in tag or 'type="application/json"' in tag for tag in scripts)


@each_template
def test_no_template_loads_from_another_host(path: Path) -> None:
    loads = r"""(?:src|href|action|poster|hx-\w+)\s*=\s*["']?\s*(?:https?:)?//"""
    assert not re.search(loads, text_of(path), re.IGNORECASE)


@each_template
def test_what_a_template_includes_or_extends_exists(path: Path) -> None:
    for name in re.findall(r"""{%-?\s*(?:include|extends)\s+["']([^"']+)["']""", text_of(path)):
        assert get_template(name)


@each_template
def test_the_icons_of_a_template_are_drawn(path: Path) -> None:
    named = re.findall(r"""{%\s*icon\s+["'](\w+)["']|symbol=["'](\w+)["']""", text_of(path))
    assert {first or second for first, second in named} <= ui.ICONS.keys()


@each_template
def test_every_word_of_a_template_can_be_translated(path: Path) -> None:
    text = re.sub(r"{%\s*blocktrans.*?{%\s*endblocktrans\w*\s*%}", "", text_of(path), flags=re.S)
    text = re.sub(r"{%\s*block \w+_class\s*%}.*?{%\s*endblock", "{% endblock", text, flags=re.S)
    text = re.sub(r"{%.*?%}|{{.*?}}", "", text, flags=re.S)
    text = re.sub(r"<(script|style)\b.*?</\1>", "", text, flags=re.S)
    said = re.findall(r"""(?:title|aria-label|placeholder|alt)=["']([^"']*)["']""", text)
    said.append(re.sub(r"<[^>]*>|&#?\w+;", " ", text))
    words = set(re.findall(r"[^\W\d_]{2,}", " ".join(said)))
    assert words <= {"Mooring", "English", "EN", "SYS", "UTC", "api", "schema", "json", "简体中文"}


def test_the_style_sheet_loads_nothing() -> None:
    css = (STATIC / "portal.css").read_text(encoding="utf-8")
    assert not re.search(r"@import|url\(|//", re.sub(r"/\*.*?\*/", "", css, flags=re.S))


def test_the_script_is_small_and_calls_no_other_host() -> None:
    script = (STATIC / "portal.js").read_bytes()
    assert len(script) < 4096
    assert b"http:" not in script
    assert b"https:" not in script
    assert b"eval" not in script


def test_both_dark_themes_say_the_same_and_answer_every_light_colour() -> None:
    css = (STATIC / "portal.css").read_text(encoding="utf-8")
    blocks = {}
    for selector, body in re.findall(r"(:root[^{\s]*) {(.*?)\n *}", css, flags=re.S):
        blocks[selector] = dict(re.findall(r"(--[\w-]+): ([^;]+);", body))
    light, chosen = blocks[":root"], blocks[':root[data-theme="dark"]']
    unlike = {name for name in light if not re.match(r"--(font|mono|r\d|s\d)$", name)}
    assert chosen == blocks[":root:not([data-theme])"]
    assert chosen.keys() == unlike


# ---- pages


@pytest.mark.parametrize("theme", ["", "light", "dark"])
@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_the_frame_is_sound_and_carries_theme_and_language(theme: str, language: str) -> None:
    with translation.override(language):
        page = render_to_string("base.html", page_context(theme=theme))
    outline = Outline(page)
    assert not outline.open
    assert not outline.crossed
    assert len(outline.ids) == len(set(outline.ids))
    assert f'<html lang="{language}"' in page
    assert ("data-theme" in page) is bool(theme)
    assert page.count('aria-current="page"') == 3  # the menu, its small form, the path


def test_the_first_page_weighs_at_most_40_kb() -> None:
    page = render_to_string("base.html", page_context())
    files = [STATIC / name for name in ("portal.css", "portal.js", "favicon.svg")] + [HTMX]
    sent = [page.encode(), *(path.read_bytes() for path in files)]
    assert sum(len(gzip.compress(body)) for body in sent) <= 40 * 1024


def test_a_page_links_only_what_exists() -> None:
    page = render_to_string("base.html", page_context(navigation=[], bell=None, jump_url=""))
    assert "/members/" not in page
    assert 'id="jump"' not in page
    assert "#bell" not in page


@pytest.mark.parametrize("name", ["400", "403", "403_csrf", "404", "500", "503"])
def test_an_error_page_stands_without_any_context(name: str) -> None:
    outline = Outline(render_to_string(f"{name}.html"))
    assert not outline.open
    assert not outline.crossed


def test_the_error_pages_speak_the_agreed_words() -> None:
    with translation.override("en"):
        said = {
            "404": render_to_string("404.html"),
            "503": render_to_string("503.html"),
            "500": render_to_string("500.html", {"trace": "req_7"}),
            "403": render_to_string("403.html", {"role": "viewer", "admins": ["Alice", "Bob"]}),
        }
    assert "There is nothing here, or it is not yours to see." in said["404"]
    assert "We are being looked after. Try again in a minute; builds" in said["503"]
    assert "Something failed on our side. Nothing was saved. Trace req_7." in said["500"]
    assert "Your role, Viewer, cannot do this. Ask an admin: Alice, Bob." in said["403"]


# ---- forms


class Bind(forms.Form):
    base_url = forms.CharField(label="Server address", help_text="Start with https://.")
    username = forms.CharField(label="Username", required=False)
    token = forms.CharField(label="Token", widget=forms.PasswordInput)
    mode = forms.ChoiceField(
        label="Mode", choices=[("full", "Full"), ("manual", "Manual")], widget=forms.RadioSelect
    )
    trace = forms.CharField(widget=forms.HiddenInput, required=False)


def test_a_failed_form_keeps_what_was_typed_but_never_a_secret() -> None:
    page = str(Bind({"username": "build-bot", "token": "glpat-test-secret"}))
    assert "build-bot" in page
    assert "glpat-test-secret" not in page


def test_a_failed_form_says_what_is_wrong_at_the_top_and_at_the_field() -> None:
    page = str(Bind({"token": "glpat-test-secret"}))
    outline = Outline(page)
    assert 'href="#id_base_url"' in page.partition('class="field')[0]
    assert page.count('aria-invalid="true"') >= 1
    assert {"id_base_url_helptext", "id_base_url_error"} <= set(outline.described)
    assert set(outline.described) <= set(outline.ids)
    assert not outline.crossed


def test_the_show_button_appears_at_secrets_only_and_needs_script() -> None:
    page = str(Bind())
    assert re.findall(r'data-reveal="(\w+)"', page) == ["id_token"]
    assert re.search(r'class="btn needs-js"[^>]*data-reveal', page)


def test_a_placeholder_that_repeats_the_label_is_dropped() -> None:
    class Named(forms.Form):
        code = forms.CharField(widget=forms.TextInput(attrs={"placeholder": "Code"}))
        path = forms.CharField(widget=forms.TextInput(attrs={"placeholder": "platform/api"}))

    page = str(Named())
    assert 'placeholder="Code"' not in page
    assert 'placeholder="platform/api"' in page
