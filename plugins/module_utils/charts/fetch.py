# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files from a path or a URL, checked against their sha256, kept in a cache folder."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tarfile
import tempfile
from pathlib import Path

from ansible.module_utils.urls import open_url

from ..errors import AmbientError, why_no_answer
from ..manifests.files import make_folder, refuse_no_file

_SHA256 = re.compile(r"^[0-9a-f]{64}$")
_TIMEOUT = 60


def is_url(source: str) -> bool:
    """Tell a URL from a path."""
    return source.startswith(("https://", "http://", "file://"))


def check_digest(path: Path, sha256: str, variable: str) -> None:
    """Compare a file with its expected sha256 (64 hex digits).

    Raises:
        AmbientError: it differs; both digests are in the message.
    """
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != sha256:
        raise AmbientError(
            f"{path.name} has sha256 {found}, expected {sha256}",
            path=variable,
            hint="Check where the file came from before you change the digest",
        )


def require_digest(sha256: object, variable: str) -> str:
    """Return a well-formed sha256, with or without the ``sha256:`` prefix, as 64 hex digits.

    Raises:
        AmbientError: it is missing or malformed.
    """
    text = str(sha256 or "").removeprefix("sha256:").lower()
    if not _SHA256.match(text):
        raise AmbientError(
            f"{sha256!r} is not a sha256" if sha256 else "is missing", path=variable, hint="Write 64 hex digits"
        )
    return text


def local_file(source: str, sha256: str, cache: Path, variable: str) -> Path:
    """Return a path to the file that ``source`` names, with the given sha256.

    Args:
        source: a path or URL.
        sha256: 64 hex digits; may be empty for a path.
        cache: folder for what is downloaded, one file per digest.
        variable: the name used in errors; the digest's is ``<variable>.sha256``.

    Raises:
        AmbientError: missing file, failed download, wrong digest.
    """
    if not is_url(source):
        path = Path(source).expanduser()
        if path.exists() or path.is_symlink():
            refuse_no_file(path)
        if not path.is_file():
            raise AmbientError("no such file", path=f"{variable}: {path}", hint="Give a path that exists, or a URL")
        if sha256:
            check_digest(path, require_digest(sha256, f"{variable}.sha256"), variable)
        return path
    digest = require_digest(sha256, f"{variable}.sha256")
    kept = cache / "downloads" / digest
    if not kept.is_file():
        _download(source, kept, digest, variable)
    return kept


def _download(url: str, dest: Path, digest: str, variable: str) -> None:
    make_folder(dest.parent)
    handle, name = tempfile.mkstemp(dir=dest.parent, prefix=".part-")
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as target:
            # http_agent: some mirrors refuse Python's default.
            response = open_url(url, timeout=_TIMEOUT, http_agent="alauda.ambient")
            while chunk := response.read(1 << 20):
                target.write(chunk)
        check_digest(part, digest, variable)
        part.replace(dest)
    except AmbientError:
        raise
    except Exception as error:  # of urllib, http.client and ssl, which have no class in common
        hint = "Check the URL, or give a path"
        raise AmbientError(f"cannot fetch {url}: {why_no_answer(error)}", path=variable, hint=hint) from None
    finally:
        part.unlink(missing_ok=True)


def unpack(archive: Path, dest: Path, variable: str) -> Path:
    """Unpack a tar archive (any compression) into ``dest``, once.

    Raises:
        AmbientError: not a tar archive, or one that reaches outside its folder.
    """
    if dest.is_dir():
        return dest
    make_folder(dest.parent)
    with tempfile.TemporaryDirectory(dir=dest.parent, prefix=".unpack-") as temporary:
        target = Path(temporary) / "content"
        target.mkdir()
        try:
            with tarfile.open(archive) as tar:
                _extract(tar, target)
        except (tarfile.TarError, OSError, EOFError) as error:
            raise AmbientError(f"{archive} cannot be unpacked: {error}", path=variable) from error
        try:
            target.rename(dest)
        except OSError:
            if not dest.is_dir():  # another run was faster
                raise
    return dest


def _extract(tar: tarfile.TarFile, target: Path) -> None:
    """Its files and folders; charts have no links. The filter of the standard library came with Python 3.11.4."""
    for member in tar:
        place = Path(os.path.normpath(target / member.name))
        if not place.is_relative_to(target):
            raise tarfile.ExtractError(f"{member.name} lies outside of it")
        if member.isdir():
            place.mkdir(parents=True, exist_ok=True)
        elif member.isreg() and (content := tar.extractfile(member)):
            place.parent.mkdir(parents=True, exist_ok=True)
            with content, place.open("wb") as file:
                shutil.copyfileobj(content, file)
