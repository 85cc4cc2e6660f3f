# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are written whole or not at all, and only when they change."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from ..errors import AmbientError

_ACCESS = "Check the path and its permissions"


def write_if_changed(path: Path, text: str, mode: int = 0o644) -> bool:
    """Write the text in one step; True if the file did not have it yet."""
    data = text.encode()
    try:
        if path.read_bytes() == data:
            return False
    except FileNotFoundError:
        pass
    except OSError as error:
        raise AmbientError(f"cannot be read: {error.strerror}", path=str(path), hint=_ACCESS) from error
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
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


def read_text(path: Path) -> str:
    """The text of a file; AmbientError where there is none or it is no text."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise AmbientError("no such file", path=str(path), hint="Give a file that exists") from error
    except UnicodeDecodeError as error:
        raise AmbientError("is not UTF-8 text", path=str(path), hint="Save it as UTF-8") from error
    except OSError as error:
        raise AmbientError(f"cannot be read: {error.strerror}", path=str(path), hint=_ACCESS) from error
