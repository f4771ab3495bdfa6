"""An exporter, by what its user says."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from featdsl.errors import InputError
from online.export.control import Control, LooksByItself, ReloadedConfig, TritonControl
from online.export.exporter import KEPT_BESIDE, TIMEOUT_S, Exporter
from online.export.layout import Form, Layout
from online.export.saved_model_form import SavedModelForm
from online.export.triton_form import TritonForm
from online.model_server.address import parse_address
from online.model_server.remote import Wire
from online.model_server.tfserving import TensorFlowServing
from online.model_server.triton import Triton


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """`runs`: of Triton, the model.py of the user's own; `convert`: for TensorFlow Serving, the command that makes a
    SavedModel; `server_config`: its configuration file. The others: see `Exporter`."""

    follow: str = ""
    route: str = ""
    kept: int = KEPT_BESIDE
    timeout_s: float = TIMEOUT_S
    runs: Path | None = None
    convert: Sequence[str] = ()
    server_config: Path | None = None


def open_exporter(registry_url: str, to: str, models: Path, options: ExportOptions) -> Exporter:
    """An exporter of a registry to the model server `to`, a URL as scoring servers have it, which reads the folder
    `models`. Errors: `InputError`."""
    address = parse_address(to)
    if address is None:
        raise InputError(
            "the embedded model server takes versions from the registry by itself",
            help="export to triton://host:8001/NAME or tfs://host:8500/NAME",
        )
    if address.unversioned:
        raise InputError(f"versions cannot be given to a server that has none: {to}")
    stopped = threading.Event()
    form: Form
    control: Control
    wire: Wire
    if address.scheme == "triton":
        if options.convert or options.server_config:
            raise InputError("--convert and --server-config are for TensorFlow Serving")
        form, control, wire = TritonForm(options.runs), TritonControl(address.name), Triton(address)
    else:
        if options.runs:
            raise InputError("--model-py is for Triton")
        if not options.convert:
            raise InputError(
                "a graph of torch is no graph of TensorFlow: say with --convert what makes a SavedModel of a version",
                help="examples/tfserving/saved_model_layout.py is such a command; Triton runs the graph as it is",
            )
        if address.label and options.server_config is None:
            raise InputError(
                f"the label {address.label} is moved by the server's configuration: say which file that is",
                help="--server-config FILE, as the server has it from --model_config_file",
            )
        form, wire = (
            SavedModelForm(options.convert, options.timeout_s, stopped.is_set),
            TensorFlowServing(address),
        )
        control = LooksByItself()
        if options.server_config is not None:
            folder = models.absolute() / address.name
            control = ReloadedConfig(options.server_config, address.name, folder, address.label)
    layout = Layout(models, address.name, form)
    try:
        return Exporter(
            registry_url, layout, wire, control, address,
            follow=options.follow, route=options.route, kept=options.kept, timeout_s=options.timeout_s, stopped=stopped,
        )  # fmt: skip
    except BaseException:
        layout.close()
        raise
