"""Connections that dial the judged address, TLS by name, and a deadline that no peer can stretch.

urllib3 speaks HTTP; it never resolves, never follows, never repeats and never chooses a proxy.
"""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooSlow
from dataclasses import dataclass
from datetime import UTC, datetime
from email.errors import MissingHeaderBodySeparatorDefect
from functools import partial
from http.client import HTTPException, HTTPResponse, IncompleteRead  # noqa: TID251 - the door
from ipaddress import ip_address
from time import monotonic
from typing import Final

from urllib3.connection import HTTPConnection
from urllib3.exceptions import HTTPError

from providers import judge
from providers.address import Origin, split
from providers.errors import AddressRefused, BadAnswer, ProviderError, Unreachable
from providers.flow import Flow
from providers.types import Rules
from providers.watchdog import Alarm

CONNECT: Final = 5.0
"""Seconds for one name, one address or one handshake; always below the total deadline."""
KEEP: Final = 300.0
"""Seconds a connection is used again: after that its name is resolved and judged anew."""
PIECE: Final = 65536

# Verification codes and a flag of OpenSSL, by their numbers in x509_vfy.h.
EXPIRED: Final = 10
NO_AUTHORITY: Final = frozenset({2, 18, 19, 20, 21})
OTHER_NAME: Final = frozenset({62, 64})
NO_CHECK_TIME: Final = 0x200000

PROXY: Final = Rules(private=("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"))
"""An outgoing proxy is the operator's own setting: it may stand in a private network."""

_FOLD = re.compile(r"[ \t]*[\r\n]+[ \t]*")
"""A value over several lines, as old servers send it."""


class Network:
    """The four things the door asks of the operating system; a test gives its own."""

    def __init__(self, resolvers: int = 8) -> None:
        self.crew = ThreadPoolExecutor(resolvers, thread_name_prefix="resolver")

    def resolve(self, name: str, port: int, seconds: float) -> Sequence[str]:
        """All addresses of the full name. Raises Unreachable("dns") after `seconds`."""
        full = f"{name}." if "." in name else name  # no search domains
        lookup = self.crew.submit(socket.getaddrinfo, full, port, type=socket.SOCK_STREAM)
        try:
            found = lookup.result(seconds)
        except (TooSlow, OSError, UnicodeError):
            lookup.cancel()
            raise Unreachable("dns", host=name) from None
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))

    def connect(self, address: str, port: int, seconds: float) -> socket.socket:
        """A connected socket. Raises OSError."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.settimeout(seconds)
            sock.connect((address, port))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            sock.close()
            raise
        return sock

    def peer(self, sock: socket.socket) -> str:
        """The address at the other end, to be compared with the judged one."""
        return str(sock.getpeername()[0])

    def now(self) -> float:
        """Seconds that never go back; the age of a kept connection is measured with it."""
        return monotonic()


@dataclass(frozen=True, slots=True)
class Greeting:
    """What a first contact showed. `tls_ms` is None and `tls_version` "" without TLS."""

    address: str
    connect_ms: int
    tls_ms: int | None = None
    tls_version: str = ""
    valid_until: datetime | None = None


class Trust:
    """TLS settings by PEM bundle, each built once: building one costs more than a request."""

    def __init__(self, extra: str = "") -> None:
        self._extra = extra
        self._made: dict[tuple[str, str], ssl.SSLContext] = {}

    def context(self, bundle: str, relax: str = "") -> ssl.SSLContext:
        """Trust for `bundle` ("" is the system's, and what the operator added to it).

        `relax` ("date" or "name") is for a second look that only reads what is wrong.
        Raises Unreachable("tls_authority") when the bundle holds no certificate.
        """
        key = (bundle, relax)
        if key not in self._made:
            self._made[key] = self._make(bundle, relax)
        return self._made[key]

    def _make(self, bundle: str, relax: str) -> ssl.SSLContext:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        made.hostname_checks_common_name = False
        made.set_alpn_protocols(["http/1.1"])
        try:
            if not bundle:
                made.load_default_certs()
            if bundle or self._extra:
                made.load_verify_locations(cadata=bundle or self._extra)
        except (ssl.SSLError, ValueError):
            raise Unreachable("tls_authority") from None
        made.check_hostname = relax != "name"
        if relax == "date":
            made.verify_flags |= NO_CHECK_TIME
        return made


class Wire(HTTPConnection):
    """One connection to one origin: it dials only what was judged at this moment."""

    def __init__(self, origin: Origin, rules: Rules, network: Network, trust: Trust) -> None:
        super().__init__(origin.host, origin.port)
        self._origin, self._rules, self._network, self._trust = origin, rules, network, trust
        self._born = network.now()

    @property
    def usable(self) -> bool:
        """Whether a kept connection may serve once more."""
        return self._network.now() - self._born < KEEP and self.is_connected

    def dial(self, alarm: Alarm) -> Greeting:
        """Resolve, judge, connect, and shake hands where it is https. Raises ProviderError."""
        began = monotonic()
        self._born = self._network.now()
        try:
            address = self._reach(alarm)
            reached = monotonic()
            if self._origin.scheme == "http":
                return Greeting(address, _ms(reached - began))
            tls = self._greet(alarm)
        except BaseException:
            self.close()
            raise
        return Greeting(
            address,
            _ms(reached - began),
            _ms(monotonic() - reached),
            tls.version() or "",
            _ends(tls),
        )

    def ask(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes | None, alarm: Alarm
    ) -> Reply:
        """Send one request and read the head of its answer. Raises ProviderError."""
        if self.sock is None:
            self.dial(alarm)
        alarm.hold(_cut(self.sock))
        self.timeout = alarm.left()
        sock = self.sock  # the library lets go of it where the answer ends with the connection
        try:
            # A host may answer and hang up before it has read everything.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.request(method, target, body, headers)
            # The standard library's own answer: urllib3's would log header text and decode.
            response = super(HTTPConnection, self).getresponse()
        except (HTTPError, HTTPException, OSError, ValueError) as failure:
            raise translate(failure, alarm) from None
        return Reply(response, sock, alarm)

    def _reach(self, alarm: Alarm) -> str:
        """Connect to the first judged address that takes us; the address."""
        origin, proxy = self._origin, self._rules.proxy
        addresses = judge.resolve(
            self._network, origin.host, origin.port, self._rules, alarm.left(CONNECT)
        )
        refusal: ProviderError = Unreachable("refused", host=origin.host)
        for address in addresses:
            try:
                if proxy:
                    self._tunnel_to(address, split(proxy)[0], alarm)
                else:
                    self._plug(address, origin.port, alarm)
            except Unreachable as failure:
                refusal = failure
                self.close()
            else:
                return address
        raise refusal

    def _plug(self, address: str, port: int, alarm: Alarm) -> None:
        try:
            self.sock = self._network.connect(address, port, alarm.left(CONNECT))
        except OSError as failure:
            raise translate(failure, alarm, "refused") from None
        alarm.hold(_cut(self.sock))
        try:
            there = self._network.peer(self.sock)
        except OSError as failure:
            raise translate(failure, alarm) from None
        if ip_address(there) != ip_address(address):
            raise AddressRefused("address_not_public", host=self._origin.host)

    def _tunnel_to(self, address: str, proxy: Origin, alarm: Alarm) -> None:
        """Ask the operator's proxy for the judged address; it learns no name and no token."""
        stations = judge.resolve(self._network, proxy.host, proxy.port, PROXY, alarm.left(CONNECT))
        self._plug(stations[0], proxy.port, alarm)
        host = f"[{address}]" if ":" in address else address
        where = f"{host}:{self._origin.port}"
        try:
            self.sock.settimeout(alarm.left(CONNECT))
            self.sock.sendall(f"CONNECT {where} HTTP/1.1\r\nHost: {where}\r\n\r\n".encode())
            head = b""
            # Byte by byte: what follows the head belongs to the far end.
            while not head.endswith(b"\r\n\r\n") and len(head) < PIECE:
                byte = self.sock.recv(1)
                if not byte:
                    break
                head += byte
        except OSError as failure:
            raise translate(failure, alarm) from None
        if not re.match(rb"HTTP/1\.[01] 2[0-9]{2} ", head):
            raise Unreachable("refused", "the outgoing proxy would not connect")

    def _greet(self, alarm: Alarm) -> ssl.SSLSocket:
        """TLS with the certificate checked by name. Raises Unreachable("tls…")."""
        try:
            return self._shake(self._trust.context(self._rules.ca_bundle), alarm)
        except ssl.SSLCertVerificationError as failure:
            raise self._distrust(failure.verify_code, alarm) from None
        except (OSError, ValueError) as failure:
            raise translate(failure, alarm, "tls") from None

    def _shake(self, context: ssl.SSLContext, alarm: Alarm) -> ssl.SSLSocket:
        tls = context.wrap_socket(
            self.sock, server_hostname=self._origin.host, do_handshake_on_connect=False
        )
        self.sock = tls
        alarm.hold(_cut(tls))
        tls.settimeout(alarm.left(CONNECT))
        tls.do_handshake()
        return tls

    def _distrust(self, code: int, alarm: Alarm) -> Unreachable:
        """Name what is wrong with a certificate, by OpenSSL's verification code."""
        host = self._origin.host
        if code == EXPIRED:
            ended = _ends(self._second_look("date", alarm))
            return Unreachable("tls_expired", host=host, date=f"{ended:%Y-%m-%d}" if ended else "")
        if code in OTHER_NAME:
            return Unreachable(
                "tls_name", host=host, names=_names(self._second_look("name", alarm))
            )
        return Unreachable("tls_authority" if code in NO_AUTHORITY else "tls", host=host)

    def _second_look(self, relax: str, alarm: Alarm) -> ssl.SSLSocket | None:
        """Shake hands once more to read the date or the names of a certificate whose chain holds.

        Everything else about it is still verified; not one byte is sent over it.
        """
        self.close()
        try:
            self._reach(alarm)
            return self._shake(self._trust.context(self._rules.ca_bundle, relax), alarm)
        except (ProviderError, OSError, ValueError):
            return None


class Reply:
    """The head of an answer, and its body in pieces. `whole`: all of the body has arrived."""

    def __init__(self, response: HTTPResponse, sock: socket.socket, alarm: Alarm) -> None:
        self._response, self._sock, self._alarm = response, sock, alarm
        self.status = response.status
        self.headers: dict[str, str] = {}
        self.whole = False
        for name, value in response.msg.items():
            plain, before = _FOLD.sub(" ", value).strip(), self.headers.get(name.lower())
            self.headers[name.lower()] = plain if before is None else f"{before}, {plain}"
        if not self._sound():
            self.close()
            # A head that we have cut off ourselves, when its time was up, is not whole either.
            raise Unreachable("timeout") if alarm.rang else BadAnswer("protocol")
        self.flow = Flow(response.fp, sock, length=response.length, chunked=bool(response.chunked))

    def _sound(self) -> bool:
        """Whether the head can be trusted to say where the body ends."""
        length, coding = self.headers.get("content-length"), self.headers.get("transfer-encoding")
        defects = self._response.msg.defects
        if any(isinstance(defect, MissingHeaderBodySeparatorDefect) for defect in defects):
            return False
        if coding is not None and (length is not None or coding.lower() != "chunked"):
            return False
        return self.status >= 200 and re.fullmatch(r"[0-9]{1,18}", length or "0") is not None

    def pieces(self, *, at_once: bool = False) -> Iterator[bytes]:
        """The body as it came; `at_once`: hand on whatever is there. Raises ProviderError."""
        try:
            yield from self.flow if at_once else self._read()
        except (HTTPException, OSError, ValueError) as failure:
            raise translate(failure, self._alarm) from None
        except BadAnswer:
            if not self._alarm.rang:
                raise
        if self._alarm.rang:
            raise Unreachable("timeout")
        self.close()  # the answer, not the connection: only then may another request follow
        self.whole = True

    def _read(self) -> Iterator[bytes]:
        while piece := self._response.read(PIECE):
            yield piece
        if self._response.length:  # the library takes an early end for the end
            raise BadAnswer("short")

    def close(self) -> None:
        self._response.close()


def translate(failure: Exception, alarm: Alarm, other: str = "reset") -> ProviderError:
    """What a failure of the library means; `other`: the reason for any other OSError.

    The original is dropped: it may hold the request, and with it the token.
    """
    if alarm.rang or isinstance(failure, TimeoutError):
        return Unreachable("timeout")
    if isinstance(failure, ssl.SSLError):
        return Unreachable("tls")
    if isinstance(failure, ConnectionResetError):
        return Unreachable("reset")
    if isinstance(failure, OSError):
        return Unreachable(other)
    if isinstance(failure, IncompleteRead):
        return BadAnswer("short")
    if str(failure).startswith("\x15\x03"):  # a TLS alert where an HTTP status line should be
        return Unreachable("tls")
    return BadAnswer("protocol")


def _cut(sock: socket.socket) -> Callable[[], None]:
    # The plain socket's own method: the TLS one would first say goodbye, and wait.
    return partial(socket.socket.shutdown, sock, socket.SHUT_RDWR)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _ends(tls: ssl.SSLSocket | None) -> datetime | None:
    """Until when the peer's verified certificate is valid."""
    ends = (tls.getpeercert() or {}).get("notAfter") if tls else None
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(ends)), UTC) if ends else None


def _names(tls: ssl.SSLSocket | None) -> str:
    """The first names a verified certificate is for."""
    names = (tls.getpeercert() or {}).get("subjectAltName", ()) if tls else ()
    return ", ".join(str(name[1]) for name in names[:5])
