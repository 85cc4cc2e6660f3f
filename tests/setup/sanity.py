# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run `ansible-test sanity` on this checkout with nothing but a Python package index within reach.

Its virtual environments are kept in the project's cache: its HOME is a folder there, so the user's stays untouched.
"""

from __future__ import annotations

import os
import re
import sys
from importlib.util import find_spec
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("AMBIENT_CACHE", Path.home() / ".cache/alauda.ambient"))


def provide_pip(home: Path) -> None:
    """Put ensurepip where ansible-test looks for a get-pip.py before it would download one."""
    spec = find_spec("ansible_test")
    if spec is None or not spec.submodule_search_locations:
        sys.exit("ansible-test is not installed beside this Python. Run `make .venv/.ready`.")
    source = Path(spec.submodule_search_locations[0]) / "_internal/python_requirements.py"
    version = re.search(r"pip='([0-9.]+)'", source.read_text())
    if version is None:
        sys.exit(f"{source} no longer names its pip version as pip='…': mend tests/setup/sanity.py.")
    script = home / f".ansible/test/cache/get_pip_{version[1].replace('.', '_')}.py"
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text("import ensurepip\n\nensurepip.bootstrap(default_pip=True)\n")


def keep_pip_settings(home: Path) -> None:
    """Let pip find the user's settings (index, certificates) in the other HOME as well."""
    for name in (".config/pip", ".pip"):
        theirs, ours = Path.home() / name, home / name
        if theirs.exists() and not ours.exists():
            ours.parent.mkdir(parents=True, exist_ok=True)
            ours.symlink_to(theirs)


def main() -> None:
    home = CACHE / "ansible-test"
    provide_pip(home)
    keep_pip_settings(home)
    tree = CHECKOUT / ".cache/collections/ansible_collections"
    environment = {
        **os.environ,
        "HOME": str(home),
        "ANSIBLE_TEST_CONTENT_ROOT": str(tree / "alauda/ambient"),
        "PATH": f"{CHECKOUT / '.venv/bin'}:{os.environ['PATH']}",
    }
    for name in ("ANSIBLE_CONFIG", "ANSIBLE_HOME", "ANSIBLE_COLLECTIONS_PATH"):  # ansible-test sets its own
        environment.pop(name, None)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    command = ["ansible-test", "sanity", "--python", version, "--truncate", "0", *sys.argv[1:]]
    os.execvpe(command[0], command, environment)


if __name__ == "__main__":
    main()
