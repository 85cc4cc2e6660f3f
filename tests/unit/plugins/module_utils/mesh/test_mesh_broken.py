# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each broken declaration ends in one error: where, what, and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible_collections.alauda.ambient.plugins.module_utils.errors import AmbientError
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.parse import parse_mesh

FILES = {
    name: yaml.safe_load(Path(__file__).with_name(f"{name}.yml").read_text())
    for name in ("broken_declarations", "broken_access")
}


@pytest.mark.parametrize("name", FILES)
def test_there_are_enough_and_none_twice(name: str) -> None:
    given = [each["given"] for each in FILES[name]]
    assert len(given) >= 60
    assert len(set(given)) == len(given)


@pytest.mark.parametrize(
    "broken", [*FILES["broken_declarations"], *FILES["broken_access"]], ids=lambda broken: broken["given"]
)
def test_one_error_says_where_what_and_what_to_do(broken: dict[str, str]) -> None:
    with pytest.raises(AmbientError) as caught:
        parse_mesh(yaml.safe_load(broken["given"]))

    assert str(caught.value) == broken["says"]
    assert caught.value.path.startswith("ambient_mesh") and caught.value.hint
