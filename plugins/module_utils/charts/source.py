# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the official charts come from: a directory, an archive, or a repository."""

from __future__ import annotations

import hashlib
import re
import shutil
import typing as t
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from ..errors import AmbientError
from ..manifests.files import files_below, make_folder, read_text
from ..manifests.yaml import load_all
from .fetch import check_digest, local_file, require_digest, unpack
from .helm import Helm

# Istio's source tree carries this version in every chart; its releases replace it.
PLACEHOLDER = "1.0.0"
_COMPATIBILITY = re.compile(r"^profile-compatibility-version-1\.(\d+)\.yaml$")
_KEYS = ("directory", "archive", "repository", "sha256")


def chart_dirs(
    charts: t.Mapping[str, t.Any], names: t.Sequence[str], version: str, helm: Helm, cache: Path
) -> dict[str, Path]:
    """Return the directory of each named chart.

    Args:
        charts: ``ambient_charts``: directory, or archive + sha256, or repository + sha256 per chart.
        names: chart names as in Chart.yaml.
        version: Istio's version; a chart of another one is refused.
        helm: used to pull from a repository.
        cache: folder for downloads and unpacked charts.

    Raises:
        AmbientError: names the variable and what is wrong with it.
    """
    given = {key: value for key, value in charts.items() if value}
    unknown = sorted(set(given) - set(_KEYS))
    if unknown:
        raise AmbientError("unknown key", path=f"ambient_charts.{unknown[0]}", hint=f"Known are: {', '.join(_KEYS)}")
    kinds = [key for key in _KEYS[:3] if key in given]
    if len(kinds) != 1:
        raise AmbientError(
            "names no source of the charts" if not kinds else f"names {' and '.join(kinds)}",
            path="ambient_charts",
            hint="Set exactly one of directory, archive, repository",
        )
    if kinds[0] == "repository":
        found = {name: _pulled(str(given["repository"]), name, version, given, helm, cache) for name in names}
    else:
        root = _directory(given) if kinds[0] == "directory" else _archive(given, cache)
        found = _search(root, names, f"ambient_charts.{kinds[0]}")
    for name, path in found.items():
        _check_version(name, path, version)
    return found


def staged(chart: Path, version: str, dest: Path) -> Path:
    """Return the chart with ``version`` in its Chart.yaml: itself, or a copy where it carries the placeholder."""
    text = read_text(chart / "Chart.yaml")
    if _metadata(chart).get("version") != PLACEHOLDER:
        return chart
    shutil.copytree(chart, dest, copy_function=shutil.copyfile)
    for directory in (dest, *(path for path in dest.rglob("*") if path.is_dir())):
        directory.chmod(0o755)  # module caches are read-only
    text = re.sub(r"(?m)^(version|appVersion):.*$", rf"\g<1>: {version}", text)
    (dest / "Chart.yaml").write_text(text, encoding="utf-8")
    return dest


def fingerprint(chart: Path) -> str:
    """Return a sha256 (hex) over a chart's file names and contents.

    Raises:
        AmbientError: what helm could not read either, such as a link that leads nowhere.
    """
    digest = hashlib.sha256()
    for path in files_below(chart, hidden=True):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(chart)}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _directory(given: t.Mapping[str, t.Any]) -> Path:
    path = Path(str(given["directory"])).expanduser()
    if not path.is_dir():
        raise AmbientError(
            "no such directory", path=f"ambient_charts.directory: {path}", hint="Point it at Istio's manifests/charts"
        )
    return path


def _archive(given: t.Mapping[str, t.Any], cache: Path) -> Path:
    digest = require_digest(given.get("sha256"), "ambient_charts.sha256")
    path = local_file(str(given["archive"]), digest, cache, "ambient_charts.archive")
    return unpack(path, cache / "unpacked" / digest, "ambient_charts.archive")


def _pulled(repository: str, name: str, version: str, given: t.Mapping[str, t.Any], helm: Helm, cache: Path) -> Path:
    digests = given.get("sha256")
    variable = f"ambient_charts.sha256.{name}"
    digest = require_digest(digests.get(name) if isinstance(digests, dict) else None, variable)
    target = cache / "unpacked" / digest
    if not target.is_dir():
        _refuse_no_url(repository)
        downloads = cache / "downloads" / digest
        make_folder(downloads)
        try:
            package = helm.pull(name, repository, version, downloads)
        except AmbientError as error:
            raise AmbientError(error.message, path="ambient_charts.repository", hint="Check the URL") from error
        check_digest(package, digest, variable)
        unpack(package, target, variable)
    return _search(target, [name], "ambient_charts.repository")[name]


def _refuse_no_url(repository: str) -> None:
    """Here, because helm would quote the part that it stumbles over, such as half a password."""
    try:
        dummy = urlsplit(repository).port
    except ValueError:
        hint = "Write /, @, : and # of a password as %2F, %40, %3A and %23"
        raise AmbientError(f"{repository} is no URL", path="ambient_charts.repository", hint=hint) from None


def _search(root: Path, names: t.Sequence[str], variable: str) -> dict[str, Path]:
    wanted = set(names)
    found: dict[str, Path] = {}
    for chart in _charts_below(root):
        name = str(_metadata(chart).get("name"))
        if name not in wanted:
            continue
        if name in found:
            raise AmbientError(f"chart {name!r} is there twice: {found[name]} and {chart}", path=variable)
        found[name] = chart
    missing = sorted(wanted - set(found))
    if missing:
        raise AmbientError(
            f"no chart {missing[0]!r} below {root}", path=variable, hint="Point it at Istio's manifests/charts"
        )
    return found


def _charts_below(root: Path) -> Iterator[Path]:
    """The folders with a Chart.yaml; what is below such a one is part of that chart."""
    charts = {path.parent for path in files_below(root, (".yaml",)) if path.name == "Chart.yaml"}
    yield from sorted(chart for chart in charts if charts.isdisjoint(chart.parents))


def _metadata(chart: Path) -> dict[str, t.Any]:
    path = chart / "Chart.yaml"
    documents = load_all(read_text(path), str(path))
    return documents[0] if documents else {}


def _check_version(name: str, chart: Path, version: str) -> None:
    found = str(_metadata(chart).get("version"))
    if found == version:
        return
    if found == PLACEHOLDER:
        minor = _minor(chart)
        if minor is None or version.startswith(f"1.{minor}."):
            return
        found = f"of Istio 1.{minor}"
    raise AmbientError(
        f"chart {name!r} is {found}, ambient_version is {version}",
        path=f"ambient_charts: {chart}",
        hint="Use the charts of the version that is to be installed",
    )


def _minor(chart: Path) -> int | None:
    """The minor version of a source tree's chart: it can be told to behave like every version before itself."""
    matches = (_COMPATIBILITY.match(path.name) for path in (chart / "files").glob("profile-*.yaml"))
    return max((int(match.group(1)) + 1 for match in matches if match), default=None)
