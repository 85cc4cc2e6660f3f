# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A tree on disk: whatever fails or dies at whatever step, no file is half written and nothing is lost."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.errors import AmbientError
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.disk import (
    LIST_FILE,
    foresee_tree,
    write_tree,
)

OLD = {"a/one.yaml": "old one\n", "a/two.yaml": "two\n", "b/three.yaml": "three\n", "README.md": "old\n"}
NEW = {"a/one.yaml": "new one\n", "a/two.yaml": "two\n", "c/four.yaml": "four\n", "README.md": "new\n"}
WRITTEN, REMOVED = ("README.md", "a/one.yaml", "c/four.yaml"), ("b/three.yaml",)
FOREIGN = "a/theirs.yaml"
WRITES = {"os.mkdir", "os.rename", "os.remove", "os.link", "os.rmdir"}
MOST_STEPS = 100
Snapshot = dict[str, tuple[str, int, int]]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with the old files, and one of somebody else."""
    dest = tmp_path / "tree"
    write_tree(dest, OLD)
    (dest / FOREIGN).write_text("theirs\n")
    return dest


def snapshot(dest: Path) -> Snapshot:
    """Text, inode and time of every file that is not hidden, and the empty folders."""
    found: Snapshot = {}
    for path in sorted(dest.rglob("*")):
        name = str(path.relative_to(dest))
        if not name.startswith("."):
            stat = path.stat()
            found[name] = (path.read_text(), stat.st_ino, stat.st_mtime_ns) if path.is_file() else ("", 0, 0)
    return found


def texts(found: Snapshot) -> dict[str, str]:
    """The text of each file."""
    return {name: text for name, (text, inode, dummy) in found.items() if inode}


def holds(dest: Path, files: dict[str, str]) -> bool:
    """Whether the tree holds these files, the foreign one, and nothing of a write that did not end."""
    hidden = [path.name for path in dest.iterdir() if path.name.startswith(".")]
    listed = json.loads((dest / LIST_FILE).read_text())["files"]
    return texts(snapshot(dest)) == {**files, FOREIGN: "theirs\n"} and hidden == [LIST_FILE] and listed == sorted(files)


def in_child(action: Callable[[], object], at_step: Callable[[int], None]) -> tuple[int, str]:
    """Run in a child process in which `at_step(n)` comes before the n-th change on disk: wait status, what it says.

    It says "untouched" where `at_step` did nothing.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child:
        os.close(writer)
        with os.fdopen(reader) as pipe:
            said = pipe.read()
        return os.waitpid(child, 0)[1], said
    steps = 0
    armed = True
    touched = False  # stays set where at_step raises

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal steps, touched
        if armed and (event in WRITES or (event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR))):
            steps += 1
            before = touched
            touched = True
            at_step(steps)
            touched = before

    said = ""
    try:
        sys.addaudithook(hook)
        action()
        said = "done" if touched else "untouched"
    except AmbientError as error:
        said = f"refused: {error}"
    except BaseException as error:  # a bug: the parent says so
        said = f"crashed: {error!r}"
    armed = False
    os.write(writer, said.encode())
    os._exit(0)


def failing_at(number: int) -> Callable[[int], None]:
    def at_step(step: int) -> None:
        if step == number:
            raise OSError(errno.ENOSPC, "No space left on device")

    return at_step


def dying_at(number: int) -> Callable[[int], None]:
    def at_step(step: int) -> None:
        if step == number:
            os.kill(os.getpid(), signal.SIGKILL)

    return at_step


def test_what_is_written_and_what_stays(tree: Path) -> None:
    before = snapshot(tree)
    foreseen = foresee_tree(tree, NEW)
    assert (foreseen.written, foreseen.removed) == (WRITTEN, REMOVED)
    assert foreseen.before == {
        "README.md": "old\n",
        "a/one.yaml": "old one\n",
        "c/four.yaml": "",
        "b/three.yaml": "three\n",
    }
    assert snapshot(tree) == before
    assert write_tree(tree, NEW) == foreseen
    after = snapshot(tree)
    assert holds(tree, NEW) and "b" not in after
    assert after["a/two.yaml"] == before["a/two.yaml"] and after[FOREIGN] == before[FOREIGN]
    assert write_tree(tree, NEW).written == () and snapshot(tree) == after


def test_a_failure_at_any_step_leaves_the_old_tree(tree: Path) -> None:
    before = snapshot(tree)
    failed = tolerated = 0
    for number in range(1, MOST_STEPS):
        dummy, said = in_child(lambda: write_tree(tree, NEW), failing_at(number))
        if said == "untouched":
            break
        if said == "done":  # it does without a link, and leaves the clean-up to the next write
            assert texts(snapshot(tree)) == {**NEW, FOREIGN: "theirs\n"}
            tolerated += 1
            write_tree(tree, OLD)
            before = snapshot(tree)
            continue
        failed += 1
        assert said.startswith("refused: ") and "No space left on device" in said, said
        assert snapshot(tree) == before, f"step {number}: {said}"
    else:
        pytest.fail("no end to the steps")
    assert failed >= 14 and tolerated >= 5, "staging, journal, replacing and clean-up were all tried"
    assert holds(tree, NEW)


def test_a_failure_that_stays_is_mended_by_the_next_write(tree: Path) -> None:
    for number in range(1, MOST_STEPS):

        def broken_from_here(step: int, first: int = number) -> None:
            failing_at(step)(step) if step >= first else None

        dummy, said = in_child(lambda: write_tree(tree, NEW), broken_from_here)
        assert said in ("done", "untouched") or said.startswith("refused: "), said
        assert set(texts(snapshot(tree)).values()) <= {*OLD.values(), *NEW.values(), "theirs\n"}, "each file is whole"
        if said == "untouched":
            break
        write_tree(tree, OLD)
        assert holds(tree, OLD)
    else:
        pytest.fail("no end to the steps")


def test_killed_at_any_step_the_next_write_converges(tmp_path: Path) -> None:
    undecided = 0
    for number in range(1, MOST_STEPS):
        dest = tmp_path / str(number)
        write_tree(dest, OLD)
        (dest / FOREIGN).write_text("theirs\n")
        before = snapshot(dest)
        status, dummy = in_child(lambda: write_tree(dest, NEW), dying_at(number))  # noqa: B023
        if status == 0:
            break
        assert os.WTERMSIG(status) == signal.SIGKILL
        left = snapshot(dest)
        for name, text in texts(left).items():
            assert text in (OLD.get(name), NEW.get(name), "theirs\n"), "each file is whole"
        kept = {name for name in OLD if name in NEW}
        assert kept <= set(left), "what was and will be there is there at any moment"
        undecided += texts(left) not in ({**OLD, FOREIGN: "theirs\n"}, {**NEW, FOREIGN: "theirs\n"})

        foreseen = foresee_tree(dest, NEW)
        assert (foreseen.written, foreseen.removed) in ((WRITTEN, REMOVED), ((), ())), (
            "check mode sees the old or the new"
        )
        if number % 2:
            done = write_tree(dest, NEW)
            assert (done.written, done.removed) == (foreseen.written, foreseen.removed)
            assert holds(dest, NEW) and snapshot(dest)["a/two.yaml"] == before["a/two.yaml"]
        else:
            write_tree(dest, OLD)
            assert holds(dest, OLD)
            if foreseen.written:
                assert snapshot(dest) == before, "put back, not written anew"
    else:
        pytest.fail("no end to the steps")
    assert undecided, "some kills came while the files were replaced"


def test_killed_while_it_takes_back(tree: Path) -> None:
    middle = next(number for number in range(1, MOST_STEPS) if _killed_between(tree, number))
    for number in range(1, MOST_STEPS):
        status, dummy = in_child(lambda: write_tree(tree, OLD), dying_at(number))
        if status == 0:
            break
        assert set(texts(snapshot(tree)).values()) <= {*OLD.values(), *NEW.values(), "theirs\n"}
    assert number > 3 and holds(tree, OLD), f"killed first at {middle}"


def _killed_between(tree: Path, number: int) -> bool:
    """Whether a kill at this step leaves a tree that is neither the old nor the new; if not, it is the old again."""
    in_child(lambda: write_tree(tree, NEW), dying_at(number))
    if texts(snapshot(tree)) not in ({**OLD, FOREIGN: "theirs\n"}, {**NEW, FOREIGN: "theirs\n"}):
        return True
    write_tree(tree, OLD)
    return False


def test_a_disk_that_is_full_in_the_middle_of_a_file(tree: Path) -> None:
    before = snapshot(tree)
    big = {**NEW, "c/four.yaml": "x" * 200_000}

    def with_a_limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        write_tree(tree, big)

    dummy, said = in_child(with_a_limit, lambda step: None)
    assert said.startswith(f"refused: {tree}") and "File too large" in said and said.endswith("are in place")
    assert snapshot(tree) == before and holds(tree, OLD)


def test_a_first_write_that_fails_leaves_no_folder(tmp_path: Path) -> None:
    dest = tmp_path / "no" / "such" / "tree"
    for number in range(1, MOST_STEPS):
        dummy, said = in_child(lambda: write_tree(dest, NEW), failing_at(number))
        if said in ("done", "untouched"):
            break
        assert not (tmp_path / "no").exists(), f"step {number}: {said}"
    assert number > 10 and texts(snapshot(dest)) == NEW


def test_a_file_system_without_links(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    write_tree(tree, NEW)
    assert holds(tree, NEW)


def test_two_writes_at_once(tree: Path) -> None:
    import fcntl

    handle = os.open(tree, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    with pytest.raises(AmbientError, match="another run is writing this tree"):
        write_tree(tree, NEW)
    os.close(handle)
    write_tree(tree, NEW)
    assert holds(tree, NEW)


def test_a_link_in_the_tree_leads_nothing_out_of_it(tree: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "three.yaml").write_text("precious\n")
    (tree / "b/three.yaml").unlink()
    (tree / "b").rmdir()
    (tree / "b").symlink_to(outside)
    assert write_tree(tree, NEW).removed == ()
    assert (outside / "three.yaml").read_text() == "precious\n"
    with pytest.raises(AmbientError, match=f"{tree}/b: is a link, not a folder"):
        write_tree(tree, {**NEW, "b/five.yaml": "five\n"})
    assert sorted(path.name for path in outside.iterdir()) == ["three.yaml"]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        (LIST_FILE, "{", "the list of our own files cannot be read"),
        (".alauda.ambient.staging/journal", "", "the journal of a write that did not end cannot be read"),
        (".alauda.ambient.staging/journal", '[{"x": 1}]', "the journal of a write that did not end cannot be read"),
        ("a/one.yaml/x", "", "Is a directory"),
        ("c", "", "Not a directory|File exists"),
        (".alauda.ambient.staging", "", "File exists"),
    ],
)
def test_what_stands_in_the_way_is_named(tree: Path, name: str, text: str, says: str) -> None:
    place = tree / name
    if place.parent.is_file():
        place.parent.unlink()
    place.parent.mkdir(exist_ok=True)
    place.write_text(text)
    before = snapshot(tree)
    with pytest.raises(AmbientError, match=says) as caught:
        write_tree(tree, NEW)
    assert str(tree) in caught.value.path and caught.value.hint
    assert snapshot(tree) == before


def test_a_journal_leads_nothing_out_of_the_tree(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious\n")
    staging = tree / ".alauda.ambient.staging"
    staging.mkdir()
    steps = [
        {"number": 0, "path": "../precious", "existed": False},
        {"number": 1, "path": str(tmp_path / "precious"), "existed": False},
    ]
    (staging / "journal").write_text(json.dumps(steps))
    write_tree(tree, NEW)
    assert holds(tree, NEW) and (tmp_path / "precious").read_text() == "precious\n"
