"""A virtual environment as a bundle: what travels, and a checksum of what is installed."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from taumltools.batch.bundle import environment_checksum, pack_environment
from taumltools.errors import InputError

SHORT = f"python{sys.version_info.major}.{sys.version_info.minor}"
SITE = f"lib/{SHORT}/site-packages"


def install(prefix, name, files, version="1.0", recorded=True):
    """Put a distribution into an environment as an installer does; file names are relative to site-packages."""
    site = prefix / SITE
    for path, text in files.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(text)
    folder = site / f"{name}-{version}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Name: {name}\nVersion: {version}\n")
    lines = [f"{path},sha256={hash(text):x},{len(text)}" for path, text in files.items()]
    lines += [f"../../../bin/{name},sha256={hash(prefix):x},10", f"{name}/__pycache__/x.pyc,,"]
    if recorded:
        (folder / "RECORD").write_text("\n".join([*lines, f"{folder.name}/RECORD,,"]) + "\n")


@pytest.fixture
def environment(tmp_path):
    """An environment with one package."""
    prefix = tmp_path / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(prefix)], check=True)
    install(prefix, "tiny", {"tiny/__init__.py": "VALUE = 42\n", "tiny/data.csv": "1,2\n"})
    return prefix


def members(bundle):
    with tarfile.open(bundle.path) as tar:
        return {m.name: tar.extractfile(m).read().decode(errors="replace") for m in tar if m.isreg()}


def packed(prefix, **options):
    return members(pack_environment(prefix, prefix.parent / "e.tar.gz", **options))


def test_packages_and_shared_data_travel(environment):
    for path in ("share/Pythia8/a.xml", "share/man/man1/x.1", "bin/script", "include/x.h"):
        (environment / path).parent.mkdir(parents=True, exist_ok=True)
        (environment / path).write_text("x")
    found = packed(environment, with_python=False)
    info = f"{SITE}/tiny-1.0.dist-info"
    assert set(found) == {
        f"{SITE}/tiny/__init__.py", f"{SITE}/tiny/data.csv", f"{info}/METADATA", f"{info}/RECORD", "share/Pythia8/a.xml",
    }  # fmt: skip
    assert found[f"{SITE}/tiny/__init__.py"] == "VALUE = 42\n"


def test_what_jobs_do_not_need_stays_behind(environment):
    left = {
        "tiny/tests/test_a.py": "",
        "tiny/include/a.h": "",
        "tiny/a.a": "",
        "tiny/__pycache__/a.pyc": "",
        "b.pyc": "",
    }
    install(environment, "more", left | {"tiny/testing.py": "", "tiny/included.py": "", "tiny/a.so": ""})
    found = {name.removeprefix(f"{SITE}/") for name in packed(environment, with_python=False)}
    assert not found & set(left)
    assert {"tiny/testing.py", "tiny/included.py", "tiny/a.so"} <= found


def test_tools_of_developers_leave_only_their_metadata(environment):
    install(environment, "mypy", {"mypy/__init__.py": "", "0123__mypyc.so": ""})
    install(environment, "charset", {"4567__mypyc.so": ""})
    found = {name.removeprefix(f"{SITE}/") for name in packed(environment, with_python=False)}
    assert "mypy-1.0.dist-info/METADATA" in found
    assert {name for name in found if "mypy" in name and ".dist-info" not in name} == {"4567__mypyc.so"}


def test_links_out_of_the_environment_become_files(environment, tmp_path, caplog):
    (tmp_path / "cache.py").write_text("cached = 1\n")
    site = environment / SITE
    (site / "linked.py").symlink_to(tmp_path / "cache.py")
    (site / "inside.py").symlink_to("tiny/__init__.py")
    (site / "nowhere.py").symlink_to("missing")
    bundle = pack_environment(environment, tmp_path / "e.tar.gz", with_python=False)
    assert members(bundle)[f"{SITE}/linked.py"] == "cached = 1\n"
    with tarfile.open(bundle.path) as tar:
        assert tar.getmember(f"{SITE}/inside.py").linkname == "tiny/__init__.py"
        assert f"{SITE}/nowhere.py" not in tar.getnames()
    assert "nowhere.py is a link that leads nowhere" in caplog.text


def test_link_to_a_folder_outside_is_refused(environment, tmp_path):
    (tmp_path / "package").mkdir()
    (environment / SITE / "package").symlink_to(tmp_path / "package")
    with pytest.raises(InputError, match=r"package is a link to the folder .*package, which does not travel"):
        packed(environment, with_python=False)


def test_same_environment_same_bytes(environment, tmp_path):
    made = [pack_environment(environment, tmp_path / f"{n}.tar.gz", with_python=False).sha256 for n in range(2)]
    assert made[0] == made[1]


@pytest.fixture
def standalone(tmp_path):
    """A program that looks like a Python of its own, as uv, pyenv and conda install them."""
    base = tmp_path / "standalone"
    for name in (
        f"bin/{SHORT}", f"lib/{SHORT}/os.py", f"lib/{SHORT}/test/test_os.py", f"lib/{SHORT}/config-3.11/x.a",
        f"lib/{SHORT}/lib-dynload/_ssl.so", f"lib/{SHORT}/site-packages/tiny.py", "lib/libpython.so.1", "lib/other.txt",
    ):  # fmt: skip
        (base / name).parent.mkdir(parents=True, exist_ok=True)
        (base / name).write_text("x")
    (base / "lib" / "libpython.so").symlink_to("libpython.so.1")
    answer = f'["3.11.0 (main)", "{SHORT.removeprefix("python")}", "{base}"]'
    (base / "bin" / "python").write_text(f"#!/bin/sh\necho '{answer}'\n")
    (base / "bin" / "python").chmod(0o755)
    return base


def test_standalone_python_travels_along(standalone, tmp_path):
    bundle = pack_environment(standalone, tmp_path / "e.tar.gz")
    with tarfile.open(bundle.path) as tar:
        assert set(tar.getnames()) == {
            f"{SITE}/tiny.py", f"python/bin/{SHORT}", f"python/lib/{SHORT}/os.py",
            f"python/lib/{SHORT}/lib-dynload/_ssl.so", "python/lib/libpython.so", "python/lib/libpython.so.1",
        }  # fmt: skip
        assert tar.getmember("python/lib/libpython.so").linkname == "libpython.so.1"


def test_python_of_the_machine_stays(standalone, tmp_path):
    answer = f'["3.11.0 (main)", "{SHORT.removeprefix("python")}", "/usr"]'
    (standalone / "bin" / "python").write_text(f"#!/bin/sh\necho '{answer}'\n")
    assert set(packed(standalone)) == {f"{SITE}/tiny.py"}


# ---------------------------------------------------------------------- wrong environments


def test_folder_without_python_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"is not a Python environment .*source setup.sh first"):
        environment_checksum(tmp_path)


def test_environment_that_uses_others_is_refused(environment):
    settings = environment / "pyvenv.cfg"
    settings.write_text(settings.read_text().replace("site-packages = false", "site-packages = true"))
    with pytest.raises(InputError, match="uses packages outside of it"):
        pack_environment(environment, environment.parent / "e.tar.gz")


def test_environment_without_packages_is_refused(standalone, tmp_path):
    (standalone / SITE).rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="site-packages does not exist"):
        environment_checksum(standalone)


# ---------------------------------------------------------------------- checksum


def test_checksum_is_stable_and_does_not_depend_on_the_place(environment, tmp_path):
    before = environment_checksum(environment)
    assert len(before) == 12
    (environment / SITE / "tiny" / "__pycache__").mkdir()
    (environment / SITE / "__pycache__").mkdir()
    other = tmp_path / "other"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(other)], check=True)
    install(other, "tiny", {"tiny/__init__.py": "VALUE = 42\n", "tiny/data.csv": "1,2\n"})
    assert environment_checksum(environment) == environment_checksum(other) == before


@pytest.mark.parametrize(
    "change",
    [
        lambda prefix: install(prefix, "second", {"second.py": ""}),
        lambda prefix: install(prefix, "unrecorded", {"unrecorded.py": ""}, recorded=False),
        lambda prefix: (prefix / SITE / "loose.py").write_text(""),
        lambda prefix: (prefix / SITE / "a.pth").write_text("/somewhere\n"),
        lambda prefix: (prefix / SITE / "tiny-1.0.dist-info").rename(prefix / SITE / "tiny-1.1.dist-info"),
        lambda prefix: (prefix / SITE / "tiny-1.0.dist-info" / "RECORD").write_text("tiny/__init__.py,sha256=0,1\n"),
    ],
    ids=["package", "package without record", "module", "path file", "version", "content"],
)
def test_checksum_notices(environment, change):
    before = environment_checksum(environment)
    change(environment)
    assert environment_checksum(environment) != before


def test_path_file_is_noticed_by_its_content(environment):
    (environment / SITE / "a.pth").write_text("/somewhere\n")
    before = environment_checksum(environment)
    (environment / SITE / "a.pth").write_text("/elsewhere\n")
    assert environment_checksum(environment) != before


def test_checksum_of_the_real_environment_is_cheap():
    started = time.process_time()
    environment_checksum(Path(sys.prefix))
    assert time.process_time() - started < 2  # 0.25 s on a quiet machine
