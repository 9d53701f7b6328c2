"""The words, links and charts of the pages: tables of the interface, one case per row."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from django.template import Context, Template
from django.utils import translation

from portal.templatetags import charts, ui, words

NOW = datetime(2026, 11, 21, 6, 52, tzinfo=UTC)
ENDS = datetime(2026, 11, 27, tzinfo=UTC)


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    with translation.override("en"):
        yield


def drawn(source: str, **context: object) -> str:
    return Template("{% load ui charts %}" + source).render(Context({"now": NOW, **context}))


@pytest.mark.parametrize(
    ("state", "label", "tone", "icon"),
    [
        ("not_offered", "Not offered", "", "off"),
        ("unbound", "Not bound", "", "off"),
        ("suspended", "Paused", "", "lock"),
        ("undecryptable", "Cannot be opened", "bad", "lock"),
        ("pending", "Waiting for confirmation", "info", "info"),
        ("revoked", "Reconnect", "bad", "bad"),
        ("expired", "Ended", "bad", "bad"),
        ("unreachable", "Server unreachable", "bad", "bad"),
        ("insufficient", "A permission is missing", "warn", "warn"),
        ("expiring", "Ends today", "warn", "clock"),
        ("degraded", "Unstable", "warn", "warn"),
        ("rate_limited", "Waiting for the platform", "warn", "clock"),
        ("healthy", "Healthy", "ok", "ok"),
        ("checking", "Checking…", "info", "loop"),
    ],
)
def test_a_state_has_one_word_one_tone_and_one_icon(
    state: str, label: str, tone: str, icon: str
) -> None:
    page = drawn("{% state_pill state %}", state=state)
    assert (str(words.STATES[state].label), words.STATES[state].tone) == (label, tone)
    assert f'class="pill {tone}"' in page
    assert ui.ICONS[icon] in page
    assert label in page


def test_an_end_is_counted_in_days_and_a_missing_listing_is_red() -> None:
    assert words.pill("expiring", days=6).label == "Ends in 6 days"
    assert words.pill("expiring", days=1).label == "Ends in 1 day"
    assert words.pill("expiring", days=0).label == "Ends today"
    assert words.pill("insufficient", severe=True).tone == "bad"


def test_the_states_are_the_same_in_chinese() -> None:
    with translation.override("zh-hans"):
        assert "%" not in drawn("{% state_pill 'expiring' 6 %}")


@pytest.mark.parametrize(
    ("quality", "said", "expected"),
    [
        ("exact", {"at": ENDS}, "in 6 days · 27 Nov 2026"),
        ("exact", {"at": ENDS, "at_midnight": True}, "in 6 days · 27 Nov 2026 at 00:00 UTC"),
        ("stated", {"at": ENDS, "entered_by": "Bob"}, "in 6 days · 27 Nov 2026, entered by Bob"),
        ("renews", {"every": "2 hours"}, "Renews itself · about every 2 hours"),
        ("idle", {}, "No end date · ends if unused for 1 year"),
        ("unknown", {}, "End date unknown"),
        ("never", {}, "No end date"),
    ],
)
def test_an_end_is_said_by_what_we_know(
    quality: str, said: dict[str, object], expected: str
) -> None:
    facts = {"at": None, "entered_by": "", "every": "", "at_midnight": False, **said}
    arguments = "quality at=at entered_by=entered_by every=every at_midnight=at_midnight"
    page = drawn(f"{{% end_words {arguments} as end %}}{{{{ end }}}}", quality=quality, **facts)
    assert page == expected


def test_an_exact_end_without_a_date_is_refused() -> None:
    with pytest.raises(ValueError, match="needs its date"):
        words.end("exact", at=None, now=NOW)


@pytest.mark.parametrize("hours", [-11, 0, 14])
def test_days_left_are_those_of_utc_wherever_the_clock_hangs(hours: int) -> None:
    here = NOW.astimezone(timezone(timedelta(hours=hours)))
    assert words.days_left(ENDS, here) == 6


@pytest.mark.parametrize(
    ("away", "expected"),
    [
        (timedelta(seconds=-20), "just now"),
        (timedelta(seconds=20), "in a moment"),
        (timedelta(minutes=-12), "12 min ago"),
        (timedelta(minutes=22), "in 22 min"),
        (timedelta(hours=-3), "3 h ago"),
        (timedelta(days=-1), "1 day ago"),
        (timedelta(days=9), "in 9 days"),
        (timedelta(days=-80), "2 Sep"),
        (timedelta(days=-800), "12 Sep 2024"),
    ],
)
def test_a_moment_is_said_as_seen_from_now(away: timedelta, expected: str) -> None:
    page = drawn("{% when moment %}", moment=NOW + away)
    assert f">{expected}</time>" in page


def test_a_moment_carries_its_full_utc_time_and_can_be_focused() -> None:
    east = timezone(timedelta(hours=8))
    page = drawn("{% when moment %}", moment=datetime(2026, 11, 21, 14, 40, tzinfo=east))
    assert 'datetime="2026-11-21T06:40:00Z"' in page
    assert 'title="21 Nov 2026, 06:40:00 UTC"' in page
    assert 'tabindex="0"' in page


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Lin Wei", "LW"), ("alice@acme.example", "AL"), ("Acme Iron Foundry", "AF"), ("林薇", "林"),
     ("", "?")],
)  # fmt: skip
def test_initials(name: str, expected: str) -> None:
    assert ui.initials(name) == expected


# ---- external links


@pytest.mark.parametrize(
    "base",
    ["javascript:alert(1)", "data:text/html,x", "//gitlab.acme.example", "ftp://acme.example", "",
     "https://", "https://user@acme.example", "https://acme.example?x=1", "https://acme.example#x",
     "https://acme.example/a b", "https://acme.example/\n"],
)  # fmt: skip
def test_a_link_is_only_built_from_a_plain_base(base: str) -> None:
    with pytest.raises(ui.NotALink):
        ui.external_url(base, "x")
    assert drawn("{% external_link base 'Open' 'x' %}", base=base) == "Open"


def test_a_whole_address_may_stand_alone() -> None:
    whole = "https://gitlab.acme.example/-/tokens?name=mooring&scopes=api"
    assert ui.external_url(whole) == whole


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("//evil.example/x", "https://acme.example/git/evil.example/x"),
        ("a/b?c=d#e", "https://acme.example/git/a/b%3Fc%3Dd%23e"),
        ('"><script>', "https://acme.example/git/%22%3E%3Cscript%3E"),
        ("?", "https://acme.example/git/%3F"),
    ],
)
def test_a_path_never_leaves_its_host(path: str, expected: str) -> None:
    assert ui.external_url("https://acme.example/git/", path) == expected


def test_an_external_link_opens_beside_and_says_so() -> None:
    page = drawn("{% external_link base label path='-/tokens' name='a&b' %}",
                 base="https://gitlab.acme.example", label="Open <b>")  # fmt: skip
    assert 'href="https://gitlab.acme.example/-/tokens?name=a%26b"' in page
    assert 'target="_blank" rel="noreferrer"' in page
    assert "opens gitlab.acme.example in a new tab" in page
    assert "Open &lt;b&gt;" in page


# ---- charts

LANES = [
    charts.Lane("Gitee · <acme>", 0, "bad", "revoked today", "prod-registry"),
    charts.Lane("GitLab · build-bot", 6, "warn", "27 Nov, 9 triggers"),
    charts.Lane("GitLab · ml-runner", 80, "ok", "9 Feb"),
    charts.Lane("GitLab · svc-images-with-a-very-long-name-indeed", 282, "ok", "30 Aug 2027"),
    charts.Lane("Bitbucket · acme", None, "", "renews itself"),
]


def plot(compact: bool = False) -> str:
    return charts.expiry_plot(LANES, today=NOW.date(), compact=compact)


@pytest.mark.parametrize("compact", [False, True])
def test_the_plot_shows_each_lane_in_its_own_way(compact: bool) -> None:
    page = plot(compact)
    assert page.count('class="end bad"') == 1  # the diamond
    assert page.count("<circle") == 2
    assert page.count('class="dashed"') == 1
    assert page.count('class="bar') == 3
    assert ">Today</text>" in page
    assert ">19 Feb</text>" in page


@pytest.mark.parametrize(
    "page",
    [
        plot(),
        charts.life_bar(0.5),
        charts.health_strip([charts.HealthDay(NOW.date(), "ok", "<i>")]),
    ],
)
def test_a_chart_has_a_name_and_neither_script_nor_style_nor_foreign_markup(page: str) -> None:
    assert 'role="img" aria-label="' in page
    assert "<script" not in page
    assert "style=" not in page
    assert "<acme>" not in page
    assert "<i>" not in page


def test_a_long_name_is_cut_and_a_wide_one_earlier() -> None:
    assert "svc-images-with-a-ver" in plot()
    assert "name-indeed" not in plot()
    wide = charts.expiry_plot([charts.Lane("林" * 40, 3, "ok", "")], today=NOW.date())
    assert "林" * 15 + "…" in wide
    assert "林" * 20 not in wide


@pytest.mark.parametrize(("share", "width"), [(-1, 1), (0, 1), (0.02, 2), (1, 100), (7, 100)])
def test_the_life_bar_stays_inside_its_track(share: float, width: int) -> None:
    assert f'<rect width="{width}" height="4"/>' in charts.life_bar(share)


def test_the_strip_counts_its_days_in_words_and_shapes() -> None:
    days = [
        charts.HealthDay(date(2026, 11, 1) + timedelta(days=number), level)
        for number, level in enumerate(["ok"] * 26 + ["slow"] * 2 + ["down", "none"])
    ]
    strip = charts.health_strip(days)
    assert "Health of 30 days: 26 good, 2 slow, 1 failing, 1 unchecked." in strip
    assert strip.count("<rect") == 26 + 2 * 3 + 1 + 1
