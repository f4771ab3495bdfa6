"""Where a model server is: `embedded`, `tfs://host:8500/NAME`, `triton://a:8001,b:8001/NAME`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl

from featdsl.errors import InputError
from online.model_server import tls
from online.model_server.tls import Tls, tls_of

EMBEDDED = "embedded"
PORTS = {"tfs": 8500, "triton": 8001}
"""The usual gRPC port of each."""
EXAMPLES = "embedded, tfs://host:8500/NAME or triton://host:8001/NAME"

_OPTIONS = {
    "tfs": ("signature", "label", "rows", *tls.OPTIONS),
    "triton": ("rows", "contents", "versions", *tls.OPTIONS),
}
_CHOICES = {
    "rows": (
        ("once", "repeat"),
        "rows=once sends what is per request as one row, rows=repeat one for each candidate",
    ),
    "versions": (
        ("numbered", "none"),
        "versions=none is for a server whose model has no versions: what it runs is taken for the one that serves",
    ),
    "contents": (
        ("raw", "typed"),
        "contents=raw sends tensors as bytes, contents=typed as lists of numbers",
    ),
}
_URL = re.compile(r"(?P<scheme>[a-z]+)://(?P<hosts>[^/?#]*)(?:/(?P<name>[^?#]*))?(?:\?(?P<query>[^#]*))?")
_HOST = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[\w.-]+)(?::(?P<port>\d+))?")


@dataclass(frozen=True, slots=True)
class ModelServerAddress:
    """A model server that is not ours to start. `hosts`: host:port each; `name`: what it calls the model.
    `signature` of it, "" for its default one; `label`: the one whose version is followed, "" to follow the registry;
    `repeat_rows`: inputs per request are sent as a row for each candidate; `typed_contents`: tensors of the KServe
    protocol are sent as lists of numbers, for servers that take no bytes; `unversioned`: what it runs has no number and
    is taken for any; `tls`: None for a connection without."""

    scheme: str
    hosts: tuple[str, ...]
    name: str
    signature: str = ""
    label: str = ""
    repeat_rows: bool = False
    typed_contents: bool = False
    unversioned: bool = False
    tls: Tls | None = None


def parse_address(url: str) -> ModelServerAddress | None:
    """None for `embedded`. Errors: `InputError` for what can be no model server."""
    if url == EMBEDDED:
        return None
    found = _URL.fullmatch(url)
    if found is None or found["scheme"] not in PORTS:
        raise InputError(f"not a model server: {url}", help=f"it is {EXAMPLES}")
    scheme, name = found["scheme"], found["name"] or ""
    if not name or "/" in name:
        raise InputError(
            f"a model server's URL ends with the model's name there: {url}",
            help=f"such as {scheme}://{found['hosts'] or 'host'}/NAME",
        )
    hosts = tuple(_host(url, scheme, text) for text in found["hosts"].split(","))
    if len(set(hosts)) != len(hosts):
        raise InputError(f"a host stands twice in: {url}")
    options = _options(url, scheme, found["query"] or "")
    return ModelServerAddress(
        scheme,
        hosts,
        name,
        signature=options.get("signature", ""),
        label=options.get("label", ""),
        repeat_rows=options.get("rows") == "repeat",
        typed_contents=options.get("contents") == "typed",
        unversioned=options.get("versions") == "none",
        tls=tls_of(options, url),
    )


def _host(url: str, scheme: str, text: str) -> str:
    found = _HOST.fullmatch(text)
    port = PORTS[scheme] if found is None or found["port"] is None else int(found["port"])
    if found is None or not 0 < port < 65536:
        raise InputError(
            f"not a host of a model server: `{text}` in {url}",
            help=f"write {scheme}://host:{PORTS[scheme]}/NAME, or {scheme}://a:{PORTS[scheme]},b:{PORTS[scheme]}/NAME",
        )
    return f"{found['host']}:{port}"


def _options(url: str, scheme: str, query: str) -> dict[str, str]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    for name, value in options.items():
        if name not in _OPTIONS[scheme]:
            raise InputError(
                f"not an option of a {scheme}:// server: {name} in {url}",
                help=f"there are: {', '.join(_OPTIONS[scheme])}",
            )
        choices, help = _CHOICES.get(name, ((value,), ""))
        if not value or value not in choices:
            raise InputError(f"not a value of the option {name}: `{value}` in {url}", help=help)
    return options
