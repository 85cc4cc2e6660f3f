# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cache: keys, atomic artefacts, and what is forgotten."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from devcluster import cache


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AMBIENT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def write(target: Path) -> None:
    (target / "file").write_text("content")


def test_key_tells_inputs_apart(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("a")
    two.write_text("b")
    keys = [cache.key("ab", "c"), cache.key("a", "bc"), cache.key("abc"), cache.key(one), cache.key(two)]
    assert len(set(keys)) == len(keys)
    assert cache.key("ab", one) == cache.key("ab", one)


def test_key_of_a_directory_sees_names_and_contents(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "file").write_text("a")
    before = cache.key(folder)
    (folder / "sub" / "file").rename(folder / "sub" / "other")
    renamed = cache.key(folder)
    (folder / "sub" / "other").write_text("b")
    assert len({before, renamed, cache.key(folder)}) == 3


def test_artefact_is_built_once(own_cache: Path) -> None:
    built = []

    def build(target: Path) -> None:
        built.append(target)
        write(target)

    first = cache.artefact("thing", "1", build)
    assert cache.artefact("thing", "1", build) == first == own_cache / "artefacts" / "thing-1"
    assert (first / "file").read_text() == "content"
    assert len(built) == 1


def test_a_killed_build_leaves_nothing_under_the_name(own_cache: Path) -> None:
    def killed(target: Path) -> None:
        (target / "half").write_text("a")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.artefact("thing", "1", killed)
    assert not (own_cache / "artefacts" / "thing-1").exists()
    again = cache.artefact("thing", "1", write)
    assert [path.name for path in again.iterdir()] == ["file"]


def test_the_newest_and_what_was_used_today_is_kept(own_cache: Path) -> None:
    for number in range(4):
        cache.artefact("thing", str(number), write)
    assert len(list((own_cache / "artefacts").iterdir())) == 4


def test_of_older_ones_two_are_kept_and_other_names_left_alone(own_cache: Path) -> None:
    cache.artefact("thing-else", "1", write)
    for number in range(4):
        path = cache.artefact("thing", str(number), write)
        os.utime(path, (number, number))
    kept = sorted(path.name for path in (own_cache / "artefacts").iterdir())
    assert kept == ["thing-2", "thing-3", "thing-else-1"]


def test_copy_of_a_read_only_tree_can_be_removed(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    (source / "sub" / "file").write_text("a")
    (source / "sub" / "file").chmod(0o444)
    (source / "sub").chmod(0o555)
    cache.copy_tree(source, tmp_path / "copy")
    (source / "sub").chmod(0o755)
    assert (tmp_path / "copy" / "sub" / "file").read_text() == "a"
    assert (tmp_path / "copy" / "sub").stat().st_mode & 0o200
    assert (tmp_path / "copy" / "sub" / "file").stat().st_mode & 0o200
