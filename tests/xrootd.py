"""A real xrootd server on loopback, from Debian's packages, which are unpacked and not installed."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest
import XRootD.client  # noqa: F401  before a test imports TensorFlow: the other order ends in a segmentation fault

PACKAGES = (
    "xrootd-server", "xrootd-server-plugins", "xrootd-plugins", "libxrdserver3", "libxrdcl3", "libxrdutils3",
    "libxrdcrypto2", "libxrdapputils2", "libxrdxml3", "libxrdhttputils2", "libxrdcryptolite2",
)  # fmt: skip
NOBODY = 65534


def install(folder: Path) -> str:
    """Unpack the server below ``folder``; why it cannot be, or empty."""
    if (folder / "root/usr/bin/xrootd").exists():
        return ""
    if absent := [name for name in ("apt-get", "dpkg-deb", "setpriv") if shutil.which(name) is None]:
        return f"the xrootd server needs {', '.join(absent)} (Debian)"
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["apt-get", "download", "-q", *PACKAGES], cwd=folder, capture_output=True, text=True, timeout=120
    )
    if done.returncode:
        subprocess.run(["apt-get", "update", "-q"], capture_output=True, timeout=300, check=False)
        done = subprocess.run(
            ["apt-get", "download", "-q", *PACKAGES], cwd=folder, capture_output=True, text=True, timeout=120
        )
    if done.returncode:
        return f"the packages of the xrootd server cannot be downloaded: {done.stderr[-300:]}"
    for package in folder.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", str(package), str(folder / "root")], check=True)
    return ""


class Server:
    """One server that exports a folder; it can be killed and started again at the same port.

    Args:
        software: from :func:`install`.
        folder: of the server; ``data`` below it is exported.
    """

    def __init__(self, software: Path, folder: Path):
        self.software, self.folder = software, folder
        self.data, self.run = folder / "data", folder / "run"
        for path in (self.data, self.run):
            path.mkdir(parents=True)
            path.chmod(0o777)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process: subprocess.Popen | None = None
        self.timer: threading.Timer | None = None
        (folder / "x.cfg").write_text(
            f"xrd.port {self.port}\nall.export {self.data}\nall.adminpath {self.run}\nall.pidpath {self.run}\n"
            "xrd.network nodnr\noss.localroot /\n"
        )

    def url(self, name: str) -> str:
        """Address of a file."""
        return f"root://127.0.0.1:{self.port}/{self.data}/{name}"

    def start(self) -> None:
        """Start, and wait until it answers."""
        user = ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"] if os.getuid() == 0 else []
        log = (self.folder / "server.log").open("ab")
        self.process = subprocess.Popen(
            [*user, str(self.software / "root/usr/bin/xrootd"), "-c", str(self.folder / "x.cfg"), "-I", "v4"],
            cwd=self.run, stdout=log, stderr=log, start_new_session=True,
            env=os.environ | {"LD_LIBRARY_PATH": str(self.software / "root/usr/lib/x86_64-linux-gnu")},
        )  # fmt: skip
        log.close()
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError(f"the server did not start:\n{(self.folder / 'server.log').read_text()[-2000:]}")

    def start_after(self, seconds: float) -> None:
        """Start later, in a thread; the fixture waits for it, or it would fail in the middle of another test."""
        self.timer = threading.Timer(seconds, self.start)
        self.timer.start()

    def kill(self) -> None:
        """SIGKILL, as a crash."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


@pytest.fixture(scope="session")
def xrootd_world():
    """A folder that the server's user, nobody, can read."""
    folder = Path(tempfile.mkdtemp(prefix="xrootd-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def xrootd_software(xrootd_world):
    if reason := install(xrootd_world / "software"):
        if os.environ.get("TAUML_REQUIRE_CONDOR") == "1":  # as in continuous integration
            pytest.fail(reason)
        pytest.skip(reason)
    return xrootd_world / "software"


@pytest.fixture
def xrootd_server(xrootd_software, xrootd_world):
    one = Server(xrootd_software, Path(tempfile.mkdtemp(prefix="server-", dir=xrootd_world)) / "it")
    one.folder.parent.chmod(0o755)
    one.start()
    yield one
    if one.timer is not None:
        one.timer.join()
    one.kill()
