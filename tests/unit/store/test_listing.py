"""Which products exist; that vanishing files do no harm is in tests/tasks/test_base.py."""

from __future__ import annotations

from taumltools.store import present


def test_products_of_several_folders_are_found_and_others_are_not(tmp_path):
    paths = {3: tmp_path / "a" / "x.txt", 1: tmp_path / "b" / "x.txt", 2: tmp_path / "a" / "model"}
    (tmp_path / "a" / "model").mkdir(parents=True)
    paths[3].write_text("abc")
    (tmp_path / "a" / "other.txt").write_text("")
    found = present(paths)
    assert list(found) == [3, 2]
    assert found[3] == (3, paths[3].stat().st_mtime_ns)


def test_nothing_is_present_where_no_folder_is(tmp_path):
    assert present({0: tmp_path / "no" / "x"}) == {}
    assert present({}) == {}
    assert not (tmp_path / "no").exists()


def test_product_that_vanishes_during_the_look_does_not_hide_others(tmp_path):
    """The look ended at the first name without a file behind it, and branches that were done were made again."""
    paths = {n: tmp_path / f"{n}.txt" for n in range(6)}
    for n in (0, 1, 2, 4, 5):
        paths[n].write_text("x")
    paths[3].symlink_to(tmp_path / "nowhere")
    assert list(present(paths)) == [0, 1, 2, 4, 5]
