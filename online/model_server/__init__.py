"""The embedded model server: torch in processes of its own, one a version.

`EmbeddedModelServer` starts a *nursery* (`nursery.py`), a process that has imported torch and does nothing
else. For each version it forks a *worker* (`worker.py`), which loads that one version, warms it, and answers
over a Unix socket. So loading never shares an interpreter with serving, a version that crashes takes no other
with it, and an old version's memory is given back whole.
"""

from online.model_server.embedded import EmbeddedModelServer

__all__ = ["EmbeddedModelServer"]
