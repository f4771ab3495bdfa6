"""The embedded model server: torch in processes of its own, one a version.

`EmbeddedModelServer` starts a *nursery* (`nursery.py`), a process that has imported torch and does nothing
else. For each version it forks a *worker* (`worker.py`), which loads that one version, warms it, and answers
on a Unix socket (`dispatcher.py`, over `wire.py`). So loading never shares an interpreter with serving, a version
that crashes takes no other with it, and an old version's memory is given back whole.
"""

from online.model_server.embedded import EmbeddedModelServer
from online.model_server.options import ModelOptions

__all__ = ["EmbeddedModelServer", "ModelOptions"]
