"""The process that workers are forked from: `python -m online.model_server.nursery FOLDER ALIVE`.

With an order as a third argument it becomes that worker itself.

It reads orders from its standard input, a JSON line each ({"versions": [[handle, directory], …], "socket", "options"}),
forks a worker, and answers with a line {"pid"}. An order without a socket only warms it. When its input ends, as
the server stopped or was killed, FOLDER (sockets, copies of models) is removed and it ends. Workers end with the
server too, but not with the nursery: they watch ALIVE, a pipe whose other end only the server holds.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn


def main() -> int:
    import torch

    from featdsl.errors import InputError
    from featdsl.torch.saved_model import load_dense
    from online.collecting import spare_what_is_there

    folder, alive = sys.argv[1], int(sys.argv[2])
    if len(sys.argv) > 3:
        _become_worker(folder, alive, json.loads(sys.argv[3]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's ^C goes to all; the server decides
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no zombies
    # orders and answers keep the first pipes; what a library prints goes to the log
    orders, answers = os.fdopen(os.dup(0), "r"), os.dup(1)
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    torch.set_num_threads(
        1
    )  # a fork has no threads but its own, and waits for ever for those that torch has begun
    warmed = False
    while line := orders.readline():
        order = json.loads(line)
        if not warmed:
            # the first load imports two seconds' worth of torch: once, here, for all workers
            with contextlib.suppress(InputError):
                load_dense(Path(order["versions"][0][1]))
                warmed = True
            spare_what_is_there()
        if "socket" not in order:
            continue
        pid = os.fork()
        if pid == 0:
            orders.close()
            os.close(answers)
            _become_worker(folder, alive, order)
        try:
            os.write(answers, json.dumps({"pid": pid}).encode() + b"\n")
        except BrokenPipeError:  # the server has ended meanwhile, and the worker ends with it
            break
    shutil.rmtree(folder, ignore_errors=True)
    return 0


def _become_worker(folder: str, alive: int, order: dict[str, Any]) -> NoReturn:
    status = 1
    try:
        import torch

        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        if order["options"]["device"] != "cpu" and torch.cuda._is_in_bad_fork():
            # something has looked for devices already, and after that a fork has none: begin from the start
            os.set_inheritable(alive, True)
            arguments = [folder, str(alive), json.dumps(order)]
            os.execv(sys.executable, [sys.executable, "-m", "online.model_server.nursery", *arguments])
        from online.model_server.options import ModelOptions
        from online.model_server.worker import serve

        options = ModelOptions.of_json(order["options"])
        serve(str(order["socket"]), order["versions"], options, alive=alive)
        status = 0
    finally:
        os._exit(status)


if __name__ == "__main__":
    sys.exit(main())
