"""Translations made ready for gettext without its programs: a bare machine has no msgfmt.

Formats: https://www.gnu.org/software/gettext/manual/html_node/PO-Files.html and MO-Files.html.
"""

from __future__ import annotations

import ast
import os
import struct
from collections.abc import Iterator
from pathlib import Path

LOCALE = Path(__file__).with_name("locale")
_MAGIC = 0x950412DE
_HEADER = struct.Struct("<7I")
_PLACE = struct.Struct("<2I")  # length, offset


def compile_all(folder: Path = LOCALE) -> list[Path]:
    """Write a `.mo` beside every `.po` that is newer than its own; returns those written.

    Raises ValueError, naming file and line, when a catalogue cannot be read.
    """
    written = []
    for source in sorted(folder.rglob("*.po")):
        target = source.with_suffix(".mo")
        if target.exists() and target.stat().st_mtime >= source.stat().st_mtime:
            continue
        unfinished = target.with_suffix(f".{os.getpid()}.new")
        unfinished.write_bytes(binary(read(source)))
        unfinished.replace(target)
        written.append(target)
    return written


def read(source: Path) -> dict[str, str]:
    """The translations of a `.po` file by gettext's key, without unfinished and uncertain ones."""
    found = {}
    for entry in _entries(source):
        key = entry.get("msgid", "")
        if "msgctxt" in entry:
            key = f"{entry['msgctxt']}\4{key}"
        if "msgid_plural" in entry:
            key = f"{key}\0{entry['msgid_plural']}"
        texts = [text for name, text in entry.items() if name.startswith("msgstr")]
        if all(texts) and "fuzzy" not in entry:
            found[key] = "\0".join(texts)
    return found


def binary(translations: dict[str, str]) -> bytes:
    """A `.mo` file: a header, two tables of places, and the texts, sorted by key."""
    pairs = sorted((key.encode(), text.encode()) for key, text in translations.items())
    count = len(pairs)
    keys_at = _HEADER.size
    texts_at = keys_at + count * _PLACE.size
    offset = texts_at + count * _PLACE.size
    tables, texts = b"", b""
    for column in (0, 1):
        for pair in pairs:
            tables += _PLACE.pack(len(pair[column]), offset + len(texts))
            texts += pair[column] + b"\0"
    return _HEADER.pack(_MAGIC, 0, count, keys_at, texts_at, 0, 0) + tables + texts


def _entries(source: Path) -> Iterator[dict[str, str]]:
    """Entries as keyword → text, with a keyword `fuzzy` where the translation is uncertain."""
    entry: dict[str, str] = {}
    keyword = ""
    for number, line in enumerate(source.read_text("utf-8").splitlines(), start=1):
        begins = not line.startswith(('"', "msgstr", "msgid_plural"))
        if begins and any(name.startswith("msgstr") for name in entry):
            yield entry
            entry = {}
        if line.startswith("#,") and "fuzzy" in line:
            entry["fuzzy"] = line
        if line.strip() and not line.startswith("#"):
            word, text = _parts(line, f"{source}:{number}")
            keyword = word or keyword
            entry[keyword] = entry.get(keyword, "") + text
    if entry.get("msgstr") or "msgstr[0]" in entry:
        yield entry


def _parts(line: str, where: str) -> tuple[str, str]:
    """The keyword of a line, "" when it continues the last, and its text without quotes."""
    word, quote, rest = line.partition('"')
    try:
        return word.strip(), str(ast.literal_eval(quote + rest))
    except (SyntaxError, ValueError):
        raise ValueError(f"{where} is not a line of a catalogue") from None
