"""The number of a port, as an option's type."""

from __future__ import annotations

import argparse


def port_number(text: str) -> int:
    """Errors: argparse's, for what is no port; gRPC would take what is left of 65,536."""
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"a port is 0 to 65535: {text}")
    return int(text)
