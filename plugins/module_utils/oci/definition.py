# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an image is: the typed form of image.yml, with the path of each error."""

from __future__ import annotations

import posixpath
import re
import typing as t
from dataclasses import dataclass, field

from ..errors import AmbientError, holds_password

_KEYS = ("base", "files", "user", "entrypoint", "cmd", "env", "labels", "workdir", "platform")
_FILE_KEYS = ("source", "content", "directory", "target", "mode")
_MODE = re.compile(r"0?[0-7]{3,4}")
_USER = re.compile(r"\d+(:\d+)?")
_PLATFORM = re.compile(r"[a-z0-9]+/[a-z0-9]+(/[a-z0-9]+)?")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Base:
    """What the files are put on; ``value`` is a path, or the name of a source."""

    kind: t.Literal["scratch", "archive", "layout", "source"] = "scratch"
    value: str = ""


@dataclass(frozen=True)
class FileSpec:
    """A file or directory of the image: ``source`` names a source, ``content`` is the text itself."""

    target: str
    mode: int
    source: str = ""
    content: str | None = None
    directory: bool = False


@dataclass(frozen=True)
class Definition:
    """One image. ``origin`` is the file it was read from and starts every error's path."""

    origin: str
    base: Base = Base()
    files: tuple[FileSpec, ...] = ()
    user: str = ""
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    env: t.Mapping[str, str] = field(default_factory=dict)
    labels: t.Mapping[str, str] = field(default_factory=dict)
    workdir: str = ""
    platform: str = "linux/amd64"

    def source_names(self) -> set[str]:
        """The sources this image needs."""
        names = {file.source for file in self.files if file.source}
        return names | {self.base.value} if self.base.kind == "source" else names


def parse_definition(data: object, origin: str) -> Definition:
    """Read the content of an image.yml; raises AmbientError with the path of what is wrong."""
    spec = _mapping(data, origin, _KEYS)
    return Definition(
        origin=origin,
        base=_base(spec.get("base", "scratch"), f"{origin}: base"),
        files=_files(spec.get("files"), f"{origin}: files"),
        user=_matching(spec.get("user"), f"{origin}: user", _USER, "numbers, UID or UID:GID, quoted"),
        entrypoint=_words(spec.get("entrypoint"), f"{origin}: entrypoint"),
        cmd=_words(spec.get("cmd"), f"{origin}: cmd"),
        env=_env(spec.get("env"), f"{origin}: env"),
        labels=_texts(spec.get("labels"), f"{origin}: labels"),
        workdir=_absolute(spec["workdir"], f"{origin}: workdir") if spec.get("workdir") is not None else "",
        platform=_matching(spec.get("platform"), f"{origin}: platform", _PLATFORM, "os/architecture, as in linux/amd64")
        or "linux/amd64",
    )


def _base(value: object, where: str) -> Base:
    if value == "scratch":
        return Base()
    if isinstance(value, str):
        raise AmbientError(
            f"unknown base {value!r}",
            path=where,
            hint="Use scratch, or one of archive: PATH, layout: PATH, source: NAME",
        )
    choice = _mapping(value, where, ("archive", "layout", "source"))
    if len(choice) != 1:
        raise AmbientError("needs exactly one of archive, layout, source", path=where, hint="Keep one")
    kind, name = next(iter(choice.items()))
    return Base(t.cast("t.Literal['archive', 'layout', 'source']", kind), _text(name, f"{where}.{kind}"))


def _files(value: object, where: str) -> tuple[FileSpec, ...]:
    files = tuple(_file(item, f"{where}[{index}]") for index, item in enumerate(_list(value, where)))
    seen: dict[str, int] = {}
    for index, file in enumerate(files):
        if file.target in seen:
            raise AmbientError(
                f"target {file.target} is taken by files[{seen[file.target]}]",
                path=f"{where}[{index}]",
                hint="Remove one",
            )
        seen[file.target] = index
    return files


def _file(value: object, where: str) -> FileSpec:
    spec = _mapping(value, where, _FILE_KEYS)
    given = [key for key in ("source", "content", "directory") if key in spec]
    if len(given) != 1:
        raise AmbientError("needs exactly one of source, content, directory", path=where, hint="Keep one")
    if given == ["directory"]:
        if "target" in spec:
            raise AmbientError("a directory needs no target", path=where, hint="Leave target out")
        return FileSpec(_absolute(spec["directory"], f"{where}.directory"), _mode(spec, where, "0755"), directory=True)
    if "target" not in spec:
        raise AmbientError("target is missing", path=where, hint="Say where in the image the file goes")
    target = _absolute(spec["target"], f"{where}.target")
    if given == ["content"]:
        return FileSpec(target, _mode(spec, where, "0644"), content=_text(spec["content"], f"{where}.content"))
    return FileSpec(target, _mode(spec, where, "0644"), source=_text(spec["source"], f"{where}.source"))


def _mode(spec: t.Mapping[str, object], where: str, default: str) -> int:
    value = spec.get("mode", default)
    if not isinstance(value, str) or not _MODE.fullmatch(value):
        raise AmbientError(
            f"{value!r} is no file mode", path=f"{where}.mode", hint='Write it in octal and quoted, as in "0755"'
        )
    return int(value, 8)


def _absolute(value: object, where: str) -> str:
    path = _text(value, where)
    if not path.startswith("/") or path != posixpath.normpath(path) or path in ("/", "//") or path.startswith("//"):
        raise AmbientError(
            f"{path!r} is no plain absolute path", path=where, hint="Write it without .., . and double slashes"
        )
    return path


def _matching(value: object, where: str, pattern: re.Pattern[str], wanted: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise AmbientError(f"{value!r} is not valid", path=where, hint=f"Expected: {wanted}")
    return value


def _env(value: object, where: str) -> dict[str, str]:
    env = _texts(value, where)
    for name in env:
        if not _ENV_NAME.fullmatch(name):
            raise AmbientError(
                f"{name!r} is no environment variable's name", path=where, hint="Use letters, digits and _"
            )
    return env


def _words(value: object, where: str) -> tuple[str, ...]:
    return tuple(_text(item, f"{where}[{index}]") for index, item in enumerate(_list(value, where)))


def _texts(value: object, where: str) -> dict[str, str]:
    if value is None:
        return {}
    texts = {key: _text(item, f"{where}.{key}") for key, item in _mapping(value, where, None).items()}
    for key, text in texts.items():
        refuse_password(text, f"{where}.{key}")
    return texts


def refuse_password(text: str, where: str) -> None:
    """AmbientError for a URL with a password in it: whoever can pull the image could read it."""
    if holds_password(text):
        hint = "Leave user and password out"
        raise AmbientError(
            "holds a URL with a user and a password, and would stand in the image", path=where, hint=hint
        )


def _list(value: object, where: str) -> list[object]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise AmbientError(f"must be a list, not {_type(value)}", path=where, hint="Write it as a list")
    return value


def _mapping(value: object, where: str, keys: tuple[str, ...] | None) -> dict[str, object]:
    if not isinstance(value, dict):
        raise AmbientError(f"must be a mapping, not {_type(value)}", path=where, hint="Write it as key: value")
    for key in value:
        if not isinstance(key, str):
            raise AmbientError(f"the key {key!r} must be text", path=where)
        if keys is not None and key not in keys:
            raise AmbientError(f"unknown key {key!r}", path=where, hint=f"Known are {', '.join(keys)}")
    return value


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise AmbientError(f"must be text, not {_type(value)}", path=where, hint="Quote it")
    if "\0" in value:
        raise AmbientError("must not contain a null byte", path=where)
    return value


def _type(value: object) -> str:
    names = {dict: "a mapping", list: "a list", str: "text", bool: "a boolean", int: "a number", float: "a number"}
    return "nothing" if value is None else names.get(type(value), type(value).__name__)
