# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a tree may be rendered to, and where folders are made."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.errors import AmbientError
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.disk import foresee_tree, write_tree
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.files import make_folder, write_if_changed

FILES = {"README.md": "a mesh\n", "000-namespaces/namespace-shop.yaml": "kind: Namespace\n"}


def refused(dest: Path) -> str:
    """Why neither check mode nor a run takes the place; nothing is written."""
    before = sorted(dest.iterdir()) if dest.is_dir() else None
    with pytest.raises(AmbientError) as foreseen:
        foresee_tree(dest, FILES)
    with pytest.raises(AmbientError) as found:
        write_tree(dest, FILES)
    assert str(found.value) == str(foreseen.value)
    assert (sorted(dest.iterdir()) if dest.is_dir() else None) == before
    return str(found.value)


@pytest.mark.parametrize(
    "place",
    ["/", "//", "/etc", "/etc/mesh", "/usr", "/usr/share/mesh", "/usr/local", "/proc/mesh", "/tmp", "/var", "/opt"],
)
def test_folders_of_the_system_are_refused(place: str) -> None:
    text = refused(Path(place))
    assert "system" in text and text.endswith("Render into a folder of its own")


def test_a_way_round_leads_nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "link").symlink_to("/etc")
    assert "belongs to the system" in refused(tmp_path / "link")
    assert "belongs to the system" in refused(tmp_path / "link/mesh")
    monkeypatch.chdir("/")
    assert "belongs to the system" in refused(Path("etc"))
    assert "is a folder of the system" in refused(Path("tmp/../"))


def test_the_home_directory_is_refused_and_what_is_in_it_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert "is a home directory" in refused(tmp_path)
    assert "is a home directory" in refused(Path("/home/somebody"))
    assert write_tree(tmp_path / "mesh", FILES).written


@pytest.mark.parametrize("place", [".git", ".git/mesh"])
def test_what_belongs_to_git_is_refused(tmp_path: Path, place: str) -> None:
    assert "belongs to Git" in refused(tmp_path / place)


def test_a_folder_with_files_of_others_is_refused(tmp_path: Path) -> None:
    for name in ("b", "c", "d", ".ssh", "e"):
        (tmp_path / name).touch()
    assert "holds what render has not written: .ssh, b, c and 2 more. Render" in refused(tmp_path)


def test_a_fresh_checkout_is_taken_and_what_others_put_beside_the_tree_stays(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".gitignore").touch()
    assert write_tree(tmp_path, FILES).written
    (tmp_path / "kustomization.yaml").touch()
    assert write_tree(tmp_path, {"README.md": "another\n"}).removed
    assert (tmp_path / "kustomization.yaml").exists()


def test_a_tree_whose_list_is_lost_is_taken_for_ours(tmp_path: Path) -> None:
    write_tree(tmp_path, FILES)
    (tmp_path / ".alauda.ambient.files").unlink()
    assert write_tree(tmp_path, FILES).written == ()


@pytest.mark.parametrize("path", ["/objects", "/objects/guard.json", "//objects/x/guard.json"])
def test_no_new_folder_is_made_in_the_root(path: str) -> None:
    with pytest.raises(AmbientError, match=r"/objects: would be a new folder in /\. Is a variable in the path empty"):
        make_folder(Path(path))
    with pytest.raises(AmbientError, match="would be a new folder in /"):
        write_if_changed(Path(path) / "x", "x")
    assert not Path("/objects").exists()
