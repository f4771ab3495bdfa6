"""Which model server a URL names."""

from __future__ import annotations

from compiler.signature import ModelSignature
from online.model_server.address import parse_address
from online.model_server.options import ModelOptions
from online.models import ModelServer


def open_model_server(
    url: str, signature: ModelSignature, options: ModelOptions | None = None
) -> ModelServer:
    """`embedded`, with these options, or one that runs elsewhere: `tfs://host:8500/NAME`,
    `triton://a:8001,b:8001/NAME`. Nothing is contacted yet. Errors: `InputError` for what can be no model server."""
    address = parse_address(url)
    if address is None:
        from online.model_server.embedded import EmbeddedModelServer

        return EmbeddedModelServer(options)
    from online.model_server.remote import RemoteModelServer
    from online.model_server.tfserving import TensorFlowServing
    from online.model_server.triton import Triton

    wire = TensorFlowServing(address) if address.scheme == "tfs" else Triton(address)
    return RemoteModelServer(wire, address, signature)
