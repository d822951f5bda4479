"""The repository as a bundle: which files travel, and a checksum that follows them."""

from __future__ import annotations

import os
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taumltools.batch import bundle
from taumltools.batch.bundle import pack_repository, repository_checksum, repository_files
from taumltools.errors import InputError

ROOT = Path(__file__).resolve().parents[3]


def git(root, *arguments):
    who = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
    subprocess.run(["git", "-C", str(root), *arguments], check=True, capture_output=True, env=os.environ | who)


def write(root, name, text="x"):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def copy(tmp_path):
    """A small project without git."""
    root = tmp_path / "project"
    for name in ("law.cfg", "setup.py", "tasks/job.py", "taumltools/__init__.py", "configs/campaign/tiny.yaml"):
        write(root, name)
    return root


@pytest.fixture
def checkout(copy):
    """The same as a git checkout, with something that git ignores."""
    write(copy, ".gitignore", "__pycache__/\n/store/\n")
    git(copy, "init", "-q")
    git(copy, "add", ".")
    git(copy, "commit", "-q", "-m", "all")
    write(copy, "store/big.root")
    write(copy, "tasks/__pycache__/job.pyc")
    return copy


def names(root):
    return [path.as_posix() for path in repository_files(root)]


PROJECT = ["configs/campaign/tiny.yaml", "law.cfg", "setup.py", "tasks/job.py", "taumltools/__init__.py"]


def test_checkout_gives_what_git_does_not_ignore(checkout):
    write(checkout, "tasks/mine.py")
    write(checkout, "a file with blanks ü.txt")
    (checkout / "setup.py").unlink()
    expected = {*PROJECT, ".gitignore", "tasks/mine.py", "a file with blanks ü.txt"} - {"setup.py"}
    assert names(checkout) == sorted(expected)


def test_copy_without_git_gives_the_known_folders(copy):
    write(copy, "tasks/__pycache__/job.cpython-311.pyc")
    write(copy, "taumltools.egg-info/PKG-INFO")
    write(copy, "my_results/big.root")
    assert names(copy) == PROJECT


def test_copy_inside_another_repository_is_a_copy(tmp_path, copy):
    git(tmp_path, "init", "-q")
    write(tmp_path, ".gitignore", "*\n")
    assert names(copy) == PROJECT


def test_copy_and_checkout_agree_where_there_is_no_git(copy, checkout, monkeypatch):
    with_git = {name for name in names(checkout) if name != ".gitignore"}
    monkeypatch.setenv("PATH", "")
    assert set(names(checkout)) == with_git


def test_other_folder_is_refused(tmp_path):
    write(tmp_path, "law.cfg")
    with pytest.raises(
        InputError, match=r"neither a git checkout nor a copy of this project \(configs, tasks, taumltools"
    ):
        repository_files(tmp_path)


def test_references_of_the_tests_stay_behind(checkout):
    write(checkout, "tests/plots/reference/roc.png")
    write(checkout, "tests/data/tuples.root")
    write(checkout, "tests/plots.py")
    assert [name for name in names(checkout) if name.startswith("tests")] == ["tests/plots.py"]


def test_links_inside_travel_as_links(checkout, tmp_path):
    (checkout / "link.cfg").symlink_to("law.cfg")
    (checkout / "all").symlink_to("configs")
    pack_repository(checkout, tmp_path / "r.tar.gz")
    with tarfile.open(tmp_path / "r.tar.gz") as tar:
        assert {m.name: m.linkname for m in tar if m.issym()} == {"link.cfg": "law.cfg", "all": "configs"}


@pytest.mark.parametrize("target", ["/etc/hostname", "../elsewhere", "missing"])
def test_links_that_jobs_cannot_follow_are_refused(checkout, target):
    write(checkout.parent, "elsewhere")
    (checkout / "link").symlink_to(target)
    with pytest.raises(InputError, match=f"link is a link to {target}, which jobs cannot see"):
        repository_files(checkout)


def test_repository_inside_is_left_out_with_a_warning(checkout, caplog):
    (checkout / "inner").mkdir()
    git(checkout / "inner", "init", "-q")
    write(checkout, "inner/file")
    git(checkout / "inner", "add", ".")
    git(checkout / "inner", "commit", "-q", "-m", "all")
    assert not [name for name in names(checkout) if name.startswith("inner")]
    assert "inner is a git repository of its own; jobs will not have it" in caplog.text


def test_large_files_are_refused_and_named(checkout, tmp_path, monkeypatch):
    write(checkout, "model.h5", "w" * 3000)
    monkeypatch.setattr(bundle, "LARGEST_REPOSITORY", 2000)
    with pytest.raises(InputError, match=r"would travel with each job.*among them model.h5.*\.gitignore"):
        pack_repository(checkout, tmp_path / "r.tar.gz")


# ---------------------------------------------------------------------- checksum

FILES = st.dictionaries(
    st.sampled_from(["a", "b", "ab", "dir/a", "dir/b"]),
    st.tuples(st.binary(max_size=4), st.booleans()),
    max_size=4,
)


def project(folder, files):
    for name in ("law.cfg", "tasks/job.py", "taumltools/__init__.py", "configs/a.yaml"):
        write(folder, name)
    for name, (content, executable) in files.items():
        path = write(folder, f"tasks/{name}")
        path.write_bytes(content)
        path.chmod(0o755 if executable else 0o644)
    return folder


@given(first=FILES, second=FILES)
@settings(max_examples=60, deadline=None)
def test_checksum_changes_exactly_with_the_bundle(tmp_path_factory, first, second):
    one, two = (project(tmp_path_factory.mktemp("p"), files) for files in (first, second))
    assert (repository_checksum(one) == repository_checksum(two)) == (first == second)
    made = [pack_repository(root, root.parent / f"{root.name}.tar.gz").sha256 for root in (one, two)]
    assert (made[0] == made[1]) == (first == second)


def test_checksum_ignores_times_and_what_is_ignored(checkout):
    before = repository_checksum(checkout)
    os.utime(checkout / "law.cfg", (1, 1))
    (checkout / "law.cfg").chmod(0o600)
    write(checkout, "store/more.root")
    write(checkout, "tests/data/more.root")
    git(checkout, "commit", "-q", "--allow-empty", "-m", "nothing")
    assert repository_checksum(checkout) == before
    assert len(before) == 12


@pytest.mark.parametrize(
    "change",
    [
        lambda root: write(root, "law.cfg", "y"),
        lambda root: write(root, "new.py"),
        lambda root: (root / "setup.py").unlink(),
        lambda root: (root / "setup.py").rename(root / "setup2.py"),
        lambda root: (root / "setup.py").chmod(0o755),
        lambda root: ((root / "setup.py").unlink(), (root / "setup.py").symlink_to("law.cfg")),
    ],
    ids=["content", "new", "gone", "renamed", "executable", "link"],
)
def test_checksum_notices(checkout, change):
    before = repository_checksum(checkout)
    change(checkout)
    assert repository_checksum(checkout) != before


def test_this_repository_travels_light(tmp_path):
    made = pack_repository(ROOT, tmp_path / "r.tar.gz")
    assert made.bytes < 3 * 10**6
    with tarfile.open(made.path) as tar:
        found = set(tar.getnames())
    assert {"law.cfg", "tasks/base.py", "taumltools/batch/bundle_job.sh", "taumltools/tuples/tautuple.csv"} <= found
    assert made == pack_repository(ROOT, made.path)
