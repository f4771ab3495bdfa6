"""Puts a version where a model server reads, takes it away again, and is killed at each step in turn; prints how many
steps there were: `python tests/online/killed_exports.py REGISTRY MODELS MODEL_PY`, of a registry with two versions.
"""

import os
import resource
import signal
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path

from model_sync import RegistryError, open_registry
from online.export.layout import Layout
from online.export.triton_form import TritonForm

WRITES = {
    "os.rename",
    "os.mkdir",
    "os.chmod",
    "os.remove",
    "os.rmdir",
    "os.link",
    "shutil.copyfile",
    "shutil.rmtree",
}
registry, models = open_registry(sys.argv[1]), Path(sys.argv[2])
shop = models / "shop"


def layout() -> Layout:
    return Layout(models, "shop", TritonForm(Path(sys.argv[3])))


def put() -> None:
    made = layout()
    if 2 not in made.placed():
        made.put(registry, 2, registry.identity(2))


def remove() -> None:
    layout().remove(2)


def forked(work: Callable[[], None], kill_at: int = -1) -> int:
    """Runs it in a process of its own, which is killed before a step. Returns its status."""
    pid = os.fork()
    if pid == 0:
        steps = count()

        def step(event: str, arguments: tuple[object, ...]) -> None:
            is_write = event in WRITES or (event == "open" and arguments[1] not in ("r", None))
            place = str(models.parent)
            if is_write and any(place in str(one) for one in arguments) and next(steps) == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(step)
        try:
            work()
        except BaseException as fault:
            print(repr(fault), file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    return os.waitpid(pid, 0)[1]


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def there() -> list[str]:
    return sorted(path.name for path in shop.iterdir() if path.name.isdecimal())


first = layout()
first.put(registry, 1, registry.identity(1))
first.close()
assert forked(put) == 0
whole, beside = content(shop / "2"), content(shop / "1")
total = 0
for work, before in ((put, remove), (remove, put)):
    for at in count():
        assert forked(before) == 0
        status = forked(work, at)
        assert status in (0, signal.SIGKILL), status
        assert there() in (["1"], ["1", "2"])
        assert content(shop / "1") == beside
        if "2" in there():
            assert content(shop / "2") == whole
        if status == 0:
            break
        assert forked(put) == 0
        assert content(shop / "2") == whole
        total += 1

assert forked(remove) == 0


def put_on_a_full_disk() -> None:
    """Files cannot grow beyond some bytes."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
    try:
        put()
    except (OSError, RegistryError) as fault:
        print(fault, file=sys.stderr)
    else:
        raise AssertionError("it was written")


assert forked(put_on_a_full_disk) == 0
assert there() == ["1"]
assert not any(models.with_name(".models.export").rglob("*.py"))
assert forked(put) == 0
print(total)
