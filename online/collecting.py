"""Python's collector of garbage, in a process that serves."""

import gc


def spare_what_is_there() -> None:
    """What this process has by now it has to its end, so the collector need not look at it any more: it holds up all
    threads while it looks, for a tenth of a second where torch is loaded."""
    gc.collect()
    gc.freeze()
