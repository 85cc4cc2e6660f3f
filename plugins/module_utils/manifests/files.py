# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files: read where they are what they seem, written whole or not at all, and only when they change."""

from __future__ import annotations

import json
import os
import re
import stat
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..errors import AmbientError

_ACCESS = "Check the path and its permissions"
_GIVE = "Give a file that exists"
_MEND = "Remove the link, or let it lead to a file"
_TAKE_AWAY = "Remove it, or put a file in its place"
_KINDS = {stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:]|\n', re.DOTALL)


def write_if_changed(path: Path, text: str, mode: int = 0o644) -> bool:
    """Write the text in one step; True if the file did not have it yet."""
    data = text.encode()
    if path.exists() and read_bytes(path) == data:
        return False
    try:
        make_folder(path.parent)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                os.fchmod(file.fileno(), mode)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise AmbientError(f"cannot be written: {error.strerror}", path=str(path), hint=_ACCESS) from error
    return True


def would_write(path: Path, text: str) -> bool:
    """Whether write_if_changed would write."""
    return not path.is_file() or read_text(path) != text


def make_folder(path: Path) -> None:
    """Make a folder and those above it. AmbientError for a new one in `/`: most often a variable before it is empty."""
    whole = Path(os.path.normpath(Path.cwd() / path))
    if len(whole.parts) > 1 and not Path(*whole.parts[:2]).exists():
        hint = "Is a variable in the path empty? Else make the folder first"
        raise AmbientError("would be a new folder in /", path=str(Path(*whole.parts[:2])), hint=hint)
    path.mkdir(parents=True, exist_ok=True)


def read_text(path: Path, hint: str = _GIVE) -> str:
    """The text of a file; AmbientError where there is none (with this hint) or it is no text."""
    try:
        return read_bytes(path, hint).decode("utf-8")
    except UnicodeDecodeError as error:
        raise AmbientError("is not UTF-8 text", path=str(path), hint="Save it as UTF-8") from error


def read_bytes(path: Path, hint: str = _GIVE) -> bytes:
    """The content of a file; AmbientError where there is none, and for a FIFO, which might never end."""
    try:
        refuse_no_file(path)
        return path.read_bytes()
    except FileNotFoundError as error:
        raise AmbientError("no such file", path=str(path), hint=hint) from error
    except OSError as error:
        raise AmbientError(f"cannot be read: {error.strerror}", path=str(path), hint=_ACCESS) from error


def refuse_no_file(path: Path) -> None:
    """AmbientError for a link that leads nowhere, a FIFO, a socket or a device. OSError where there is nothing."""
    try:
        kind = stat.S_IFMT(path.stat().st_mode)
    except OSError as error:
        if path.is_symlink():
            raise AmbientError(f"is a link to {path.readlink()}, {_why(error)}", path=str(path), hint=_MEND) from error
        raise
    if kind in _KINDS:
        raise AmbientError(f"is {_KINDS[kind]}, not a file", path=str(path), hint=_TAKE_AWAY)


def _why(error: OSError) -> str:
    return "where nothing is" if isinstance(error, FileNotFoundError) else f"which cannot be followed: {error.strerror}"


def files_below(folder: Path, suffixes: Sequence[str] = (), *, hidden: bool = False) -> Iterator[Path]:
    """The files in a folder and in those below it, in the order of their names; links are followed.

    What is hidden is bookkeeping, such as render's list of files. AmbientError for whatever else there is that cannot
    be read, and for a link to a folder that it lies in: nothing is passed over.
    """
    yield from _below(folder, suffixes, hidden, (os.path.realpath(folder),))


def _below(folder: Path, suffixes: Sequence[str], hidden: bool, above: tuple[str, ...]) -> Iterator[Path]:
    try:
        with os.scandir(folder) as entries:
            paths = sorted(Path(entry.path) for entry in entries)
    except OSError as error:
        raise AmbientError(
            f"cannot be read: {error.strerror}", path=str(folder), hint="Give the right to it"
        ) from error
    for path in paths:
        if path.name.startswith(".") and not hidden:
            continue
        try:
            refuse_no_file(path)
        except OSError as error:
            hint = "Give the right to it"
            raise AmbientError(f"cannot be read: {error.strerror}", path=str(path), hint=hint) from error
        if path.is_dir():
            real = os.path.realpath(path)
            if real in above:
                raise AmbientError("is a link to a folder that it lies in", path=str(path), hint=_MEND)
            yield from _below(path, suffixes, hidden, (*above, real))
        elif not suffixes or path.suffix in suffixes:
            yield path


def load_json(text: str, source: str, hint: str = "Mend the file at that place") -> Any:
    """What a JSON text says. AmbientError, with `source` as its path, for no JSON and for a key that stands twice."""
    twice: list[str] = []

    def mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            keys = [key for key, _value in pairs]
            twice.extend(key for key in found if keys.count(key) > 1)
        return found

    try:
        value = json.loads(text, object_pairs_hook=mapping)
    except (ValueError, RecursionError) as error:
        raise AmbientError(f"not valid JSON: {error}", path=source, hint=hint) from error
    if twice:
        raise AmbientError(f"the key {twice[0]!r} stands twice{_second(text)}", path=source, hint="Keep one of them")
    return value


def _second(text: str) -> str:
    """Where a key stands for the second time in one object."""
    line, last = 1, ""
    seen: list[set[str]] = []
    for token in _TOKENS.findall(text):
        if token == "\n":
            line += 1
        elif token in "{[":
            seen.append(set())
        elif token in "}]":
            seen.pop()
        elif token == ":":
            if last in seen[-1]:
                return f", line {line}"
            seen[-1].add(last)
        else:
            last = token
    return ""


def is_path(value: Any) -> bool:
    """Whether the value of an option is the path of a file, and not what belongs into one."""
    return isinstance(value, str) and "\n" not in value and not value.lstrip().startswith(("{", "-----BEGIN"))
