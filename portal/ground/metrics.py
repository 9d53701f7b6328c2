"""Every family of figures, named once (`api.md` 7), and the text Prometheus reads.

Counters and histograms are counted where things happen. Gauges are read from tables when somebody
asks: whoever knows such figures hands in a function with `read_with`. Labels never hold a tenant,
an account or an address typed by a tenant.

With PROMETHEUS_MULTIPROC_DIR in the environment (prometheus_client reads it) the processes of a
machine add up; without it each process tells its own figures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Gauges = Iterable[Metric]

_OWN = CollectorRegistry(auto_describe=True)
_readers: list[Callable[[], Gauges]] = []


def _counter(name: str, help: str, *labels: str) -> Counter:
    return Counter(f"mooring_{name}", help, labels, registry=_OWN)


def _seconds(name: str, help: str, *labels: str) -> Histogram:
    return Histogram(f"mooring_{name}", help, labels, registry=_OWN)


http_requests = _counter("http_requests_total", "Answered requests.", "route", "status")
http_request_seconds = _seconds("http_request_seconds", "Time to an answer.", "route")

checks = _counter("checks_total", "Checks of bindings.", "provider", "result")
provider_requests = _counter(
    "provider_requests_total", "Calls to code hosts.", "provider", "host", "outcome"
)
provider_request_seconds = _seconds("provider_request_seconds", "Time of a call.", "provider")
refreshes = _counter("refreshes_total", "Refreshed OAuth tokens.", "provider", "result")

deliveries = _counter("deliveries_total", "Received webhooks.", "provider", "outcome")
delivery_ingest_seconds = _seconds("delivery_ingest_seconds", "Time to store a webhook.")
events = _counter("events_total", "Events recorded.", "type")
outgoing_attempts = _counter("outgoing_attempts_total", "Deliveries to endpoints.", "result")
git_proxy_bytes = _counter("git_proxy_bytes_total", "Bytes passed on to git clients.")

GAUGES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "bindings": ("Live bindings.", ("provider", "state")),
    "check_due_lag_seconds": ("How long the oldest due check has waited.", ()),
    "provider_rate_remaining": ("What a host still allows.", ("provider", "host")),
    "open_refresh_intents": ("Refreshes whose outcome is unknown.", ()),
    "outbox_oldest_seconds": ("How long the oldest outgoing event has waited.", ()),
    "leases_active": ("Clone leases in force.", ("kind",)),
    "drills_running": (
        "Fire drills that run: what they show is rehearsed.",
        ("provider", "scenario"),
    ),
    "mass_guard_active": ("1 while a host's verdicts are held back.", ("host",)),
    "key_rows": ("Sealed rows under each key.", ("key_id",)),
}


def gauge(name: str, values: Mapping[tuple[str, ...], float]) -> GaugeMetricFamily:
    """A gauge of GAUGES with its values by label values, in the order of its labels. Raises
    KeyError for a name that is not there."""
    help, labels = GAUGES[name]
    family = GaugeMetricFamily(f"mooring_{name}", help, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family


def expiry_days(
    counts: Mapping[str, tuple[Mapping[float, int], int]],
) -> HistogramMetricFamily:
    """`credential_expiry_days`: provider → (days left at most → how many, how many in all)."""
    family = HistogramMetricFamily(
        "mooring_credential_expiry_days", "Days until credentials end.", labels=("provider",)
    )
    for provider, (below, every) in counts.items():
        buckets = [(f"{days:g}", float(n)) for days, n in sorted(below.items())]
        # No sum: days add up to nothing anybody wants to know, and ends may lie in the past.
        family.add_metric([provider], [*buckets, ("+Inf", float(every))], sum_value=None)
    return family


def read_with(reader: Callable[[], Gauges]) -> None:
    """Called once, while the applications load: `reader` gives gauges whenever somebody asks."""
    _readers.append(reader)


def text() -> bytes:
    """All families in the text format of Prometheus."""
    registry = CollectorRegistry()
    try:
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # typed but for this
    except ValueError:  # no folder was set: this process alone
        registry = _OWN
    asked = CollectorRegistry()
    asked.register(_Readers())
    return bytes(generate_latest(registry) + generate_latest(asked))


class _Readers(Collector):
    def collect(self) -> Iterator[Metric]:
        for reader in _readers:
            yield from reader()
