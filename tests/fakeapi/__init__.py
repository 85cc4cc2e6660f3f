# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fake API server that counts requests and injects faults. For that only: what a real API server decides (defaults,
validation, list merge keys, RBAC) is tested against a real one."""
