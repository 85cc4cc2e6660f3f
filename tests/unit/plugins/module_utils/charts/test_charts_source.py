# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Charts from directories and archives; versions, digests, and what is wrong with them."""

from __future__ import annotations

import hashlib
import tarfile
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.charts.helm import Helm
from ansible_collections.alauda.ambient.plugins.module_utils.charts.source import chart_dirs, fingerprint, staged
from ansible_collections.alauda.ambient.plugins.module_utils.errors import AmbientError
from unit.plugins.module_utils.charts import charts_world as world

NAMES = ("base", "istiod")


def find(tmp_path: Path, charts: dict[str, Any], names: tuple[str, ...] = NAMES) -> dict[str, Path]:
    return chart_dirs(charts, names, "1.31.0", Helm(str(world.helm(tmp_path))), tmp_path / "cache")


def archive_of(root: Path, path: Path) -> str:
    with tarfile.open(path, "w:gz") as tar:
        tar.add(root, "istio-1.31.0/manifests/charts")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_charts_are_found_by_name_at_any_depth(tmp_path: Path) -> None:
    root = world.charts(tmp_path / "tree")
    assert find(tmp_path, {"directory": str(root)}) == {"base": root / "base", "istiod": root / "control/istiod"}


def test_charts_come_out_of_an_archive_once(tmp_path: Path) -> None:
    digest = archive_of(world.charts(tmp_path / "tree"), tmp_path / "istio.tar.gz")
    charts = {"archive": str(tmp_path / "istio.tar.gz"), "sha256": digest}
    first = find(tmp_path, charts)
    marker = first["base"] / "seen"
    marker.touch()
    assert find(tmp_path, charts) == first
    assert marker.exists()


@pytest.mark.parametrize("userinfo", ["me:hunter2", "me:hunter2/x", "hunter2"])
def test_a_repository_is_named_without_its_password(tmp_path: Path, userinfo: str) -> None:
    repository = f"https://{userinfo}@charts.example"
    helm = tmp_path / "bin/helm"
    helm.parent.mkdir()
    helm.write_text(f"#!/bin/sh\necho 'Error: looks like \"{repository}\" is no repository' >&2; exit 1\n")
    helm.chmod(0o755)
    charts = {"repository": repository, "sha256": dict.fromkeys(NAMES, "0" * 64)}
    with pytest.raises(AmbientError, match=r"ambient_charts.repository: .*https://charts.example.* is no ") as found:
        chart_dirs(charts, NAMES, "1.31.0", Helm(str(helm)), tmp_path / "cache")
    assert "hunter2" not in str(found.value)


def test_a_file_url_is_downloaded_and_checked(tmp_path: Path) -> None:
    archive = tmp_path / "istio.tar.gz"
    digest = archive_of(world.charts(tmp_path / "tree"), archive)
    found = find(tmp_path, {"archive": archive.as_uri(), "sha256": f"sha256:{digest}"})
    assert (found["base"] / "Chart.yaml").is_file()
    archive.unlink()
    assert find(tmp_path, {"archive": archive.as_uri(), "sha256": digest}) == found


@pytest.mark.parametrize("name", ["../outside", "istio/../../outside", "{}/cache/unpacked/outside"])
def test_an_archive_that_reaches_outside_is_refused(tmp_path: Path, name: str) -> None:
    archive = tmp_path / "bad.tar"
    with tarfile.open(archive, "w") as tar:
        tar.addfile(tarfile.TarInfo(name.format(tmp_path)))
    charts = {"archive": str(archive), "sha256": hashlib.sha256(archive.read_bytes()).hexdigest()}
    with pytest.raises(AmbientError, match="cannot be unpacked"):
        find(tmp_path, charts)
    assert not (tmp_path / "cache/unpacked/outside").exists()


@pytest.mark.parametrize(
    ("charts", "words"),
    [
        ({}, "ambient_charts: names no source"),
        ({"directory": "/a", "archive": "/b"}, "ambient_charts: names directory and archive"),
        ({"dir": "/a"}, "ambient_charts.dir: unknown key. Known are: directory"),
        ({"directory": "/nowhere"}, "ambient_charts.directory: /nowhere: no such directory"),
        ({"archive": "/nowhere.tgz"}, "ambient_charts.sha256: is missing"),
        ({"archive": "/nowhere.tgz", "sha256": "12"}, "ambient_charts.sha256: '12' is not a sha256"),
        ({"archive": "/nowhere.tgz", "sha256": "0" * 64}, "ambient_charts.archive: /nowhere.tgz: no such file"),
        ({"repository": "https://charts.example"}, "ambient_charts.sha256.base: is missing"),
    ],
)
def test_refused_sources(tmp_path: Path, charts: dict[str, Any], words: str) -> None:
    with pytest.raises(AmbientError) as error:
        find(tmp_path, charts)
    assert words in str(error.value)


def test_a_wrong_digest_names_both(tmp_path: Path) -> None:
    digest = archive_of(world.charts(tmp_path / "tree"), tmp_path / "istio.tar.gz")
    with pytest.raises(AmbientError) as error:
        find(tmp_path, {"archive": str(tmp_path / "istio.tar.gz"), "sha256": "0" * 64})
    assert digest in str(error.value)
    assert "0" * 64 in str(error.value)


def test_a_missing_chart_is_named(tmp_path: Path) -> None:
    world.chart(tmp_path / "tree", "base", "base")
    with pytest.raises(AmbientError, match="no chart 'istiod' below"):
        find(tmp_path, {"directory": str(tmp_path / "tree")})


def test_a_chart_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    world.chart(tmp_path / "tree", "one", "base")
    world.chart(tmp_path / "tree", "two", "base")
    with pytest.raises(AmbientError, match="chart 'base' is there twice"):
        find(tmp_path, {"directory": str(tmp_path / "tree")}, ("base",))


def test_a_released_chart_of_another_version_is_refused(tmp_path: Path) -> None:
    root = world.charts(tmp_path / "tree", version="1.30.3")
    with pytest.raises(AmbientError, match=r"chart 'base' is 1\.30\.3, ambient_version is 1\.31\.0"):
        find(tmp_path, {"directory": str(root)})


def test_a_source_tree_of_another_minor_version_is_refused(tmp_path: Path) -> None:
    world.chart(tmp_path / "tree", "base", "base", minor=29)
    with pytest.raises(AmbientError, match=r"chart 'base' is of Istio 1\.30, ambient_version is 1\.31\.0"):
        find(tmp_path, {"directory": str(tmp_path / "tree")}, ("base",))


def test_staging_puts_the_version_into_a_copy(tmp_path: Path) -> None:
    chart = world.chart(tmp_path, "base", "base")
    (chart / "Chart.yaml").chmod(0o444)
    copy = staged(chart, "1.31.0", tmp_path / "copy")
    assert copy != chart
    assert "version: 1.31.0\nappVersion: 1.31.0" in (copy / "Chart.yaml").read_text()
    assert "1.0.0" in (chart / "Chart.yaml").read_text()


def test_a_released_chart_is_used_where_it_is(tmp_path: Path) -> None:
    chart = world.chart(tmp_path, "base", "base", version="1.31.0")
    assert staged(chart, "1.31.0", tmp_path / "copy") == chart


def test_the_fingerprint_sees_names_and_contents(tmp_path: Path) -> None:
    chart = world.chart(tmp_path, "base", "base")
    first = fingerprint(chart)
    assert fingerprint(chart) == first
    (chart / "files" / "more").write_text("x")
    second = fingerprint(chart)
    (chart / "files" / "more").rename(chart / "files" / "other")
    assert len({first, second, fingerprint(chart)}) == 3
