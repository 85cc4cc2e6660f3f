# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What policies of the cases are made of, and what calls are: patterns, each with examples that are near to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .cases import Identity

Examples = Mapping[str, Sequence[Any]]

NAMESPACE = "oracle"
PORTS = {80: 8080, 9090: 8090}  # of each Service: what it listens on, and what its pods do

#: Some of them are there to be mixed up: words of SPIFFE as names, and names that begin with another one.
IDENTITIES = tuple(
    Identity(namespace, account)
    for namespace, account in (
        (NAMESPACE, "web"),
        (NAMESPACE, "web-admin"),
        (NAMESPACE, "batch.v1"),
        ("oracle-east", "web"),
        ("east", "web"),
        ("sa", "ns"),
        ("ns", "sa"),
    )
)
_WEB, _ADMIN, _BATCH, _ORACLE_EAST, _EAST, _SA, _NS = IDENTITIES
_ORACLE = (_WEB, _ADMIN, _BATCH)

PRINCIPALS: Examples = {
    "*": IDENTITIES,
    _WEB.principal: [_WEB],
    _SA.principal: [_SA],
    f"cluster.local/ns/{NAMESPACE}/*": _ORACLE,
    f"cluster.local/ns/{NAMESPACE}*": (*_ORACLE, _ORACLE_EAST),
    "*/sa/web": [_WEB, _ORACLE_EAST, _EAST],
    "*web": [_WEB, _ORACLE_EAST, _EAST],
    "spiffe://" + _EAST.principal: [_EAST],
    "other.local/ns/oracle/sa/web": [_WEB],
}
NAMESPACES: Examples = {
    "*": IDENTITIES,
    NAMESPACE: _ORACLE,
    f"{NAMESPACE}*": (*_ORACLE, _ORACLE_EAST),
    "*east": [_ORACLE_EAST, _EAST],
    "o*e": _ORACLE,
    "ns": [_NS],
    "sa": [_SA, _NS],
    "Oracle": _ORACLE,
}
ACCOUNTS: Examples = {
    "web": [_WEB, _ADMIN, _EAST],
    f"{NAMESPACE}/web": [_WEB, _ADMIN],
    "east/web": [_EAST, _ORACLE_EAST],
    "batch.v1": [_BATCH],
    "sa/ns": [_SA, _NS],
    "ns/sa": [_NS],
}
TRUST_DOMAINS: Examples = {
    "cluster.local": IDENTITIES,
    "*": IDENTITIES,
    "cluster*": IDENTITIES,
    "*.local": IDENTITIES,
    "cluster": IDENTITIES,
    "other.local": IDENTITIES,
}
#: Addresses from which the client says that it was called; its own is in 10.244.0.0/16.
FORWARDED = ("", "192.0.2.7", "10.244.9.9, 192.0.2.7", "192.0.2.7, 198.51.100.1", "2001:db8::1")
BLOCKS: Examples = {
    "10.244.0.0/16": ["", FORWARDED[2]],
    "10.0.0.0/8": [""],
    "192.0.2.0/24": FORWARDED[1:4],
    "192.0.2.7": FORWARDED[1:4],
    "10.96.0.0/12": [""],
    "0.0.0.0/0": FORWARDED,
    "2001:db8::/32": [FORWARDED[4], ""],
}
METHODS: Examples = {
    "GET": ["GET"],
    "POST": ["POST"],
    "DELETE": ["DELETE", "GET"],
    "P*": ["POST", "PUT", "PATCH"],
    "*T": ["GET", "POST", "PUT"],
    "*": ["HEAD", "OPTIONS", "GET"],
    "get": ["GET"],
}
PATHS: Examples = {
    "/api": ["/api", "/api?x=1", "/api/", "/%61pi", "/./api", "/x/../api", "/api?"],
    "/api/*": ["/api/", "/api/x", "/api/x/y", "/api//x", "/API/x", "/api%2Fx", "/api\\x", "/api/../admin", "/x?/api/"],
    "/api/x": ["/api/x", "/api/./x", "/api//x", "/api/y/../x", "/api/%78", "/api/x/", "/api/x;v=1"],
    "*/info": ["/info", "/api/x/info", "/x?q=/info", "/api/info?x", "/api%2finfo", "/api/inf%6F"],
    "*.json": ["/x.json", "/x.json?y=.json", "/x?y=.json", "/x%2Ejson"],
    "*": ["/", "/anything", "//", "/?x"],
    "/": ["/", "/?x", "//", "/.", "/x/.."],
    "/a%2Fb": ["/a%2Fb", "/a%2fb", "/a/b"],
    "/a%21b": ["/a%21b", "/a!b"],
    "/a%5Eb": ["/a^b", "/a%5Eb", "/a%5eb"],
    "/a b": ["/a%20b"],
    "/a%20b": ["/a%20b"],
    "/admin*": ["/admin", "/admin/x", "/administrator", "/api/%2e%2e/admin", "/api/..%2fadmin", "/Admin"],
    "/api/{*}": [
        "/api/x",
        "/api/x/",
        "/api/",
        "/api/x/y",
        "/api/a%20b",
        "/api/[x]",
        "/api/x=1&y",
        "/api/x?y/z",
        "/api/*",
    ],
    "/api/{*}/info": ["/api/x/info", "/api/x/y/info", "/api//info", "/api/x%2Fy/info", "/api/x:y@z/info"],
    "/api/{**}": ["/api/", "/api/x", "/api/x/y", "/api", "/api/[x]", "/api//x", "/api/a%20b/c", '/api/"x"'],
    "/{*}/x": ["/api/x", "/x/x", "//x", "/%C3%A9/x", "/~a/x", "/a^b/x"],
    "/{*}/{**}": ["/api/x", "/api/x/y", "/api/", "/api"],
    "/{**}": ["/", "/x", "/x//y", "/x|y", "/a*b"],
}
HEADERS: Examples = {
    "admin": [["admin"], ["Admin"], ["admin", "user"]],
    "adm*": [["admin"], ["administrator"], ["user", "admin"], ["admin", "user"]],
    "*min": [["admin"], ["sysadmin"], ["user", "admin"]],
    "*": [["user"], [""], []],
    "admin,user": [["admin", "user"]],
    "user": [["user"], [" user "], []],
}
TOKENS: Mapping[str, Mapping[str, Any] | None] = {
    "none": None,
    "alice": {
        "iss": "https://issuer.test",
        "sub": "alice",
        "aud": "shop",
        "azp": "app-1",
        "groups": ["admin", "dev"],
        "scope": "read write",
        "realm": {"role": "boss", "list": ["a", "b"], "words": "c d"},
        "level": 7,
        "strict": True,
        "motto": "two words",
        "nothing": None,
        "empty": "",
    },
    "bob": {"iss": "issuer-2@test", "sub": "bob", "aud": ["shop", "stock"], "groups": "dev", "scope": "read"},
    "carol": {"iss": "https://issuer.test", "sub": "team/carol", "level": "7", "realm": "boss", "permission": "a b"},
    "nobody": {"iss": "https://issuer.test", "aud": "shop admin", "groups": "admin dev", "azp": "app-1 app-2"},
}
ISSUERS = ("https://issuer.test", "issuer-2@test")
_NAMES = tuple(TOKENS)
REQUEST_PRINCIPALS: Examples = {
    "*": _NAMES,
    "https://issuer.test/alice": ["alice"],
    "https://issuer.test/*": ["alice", "carol", "nobody"],
    "*/alice": ["alice"],
    "*.test/alice": ["alice"],
    "issuer-2@test/bob": ["bob"],
    "https://*": ["alice", "carol", "bob"],
    "https*": ["alice", "carol", "bob"],
    "*ice": ["alice"],
    "https://issuer.test/team/carol": ["carol"],
    "https://issuer.test/a*": ["alice"],
    "*/carol": ["carol"],
}
#: By the condition's key, the values.
CLAIMS: Mapping[str, Examples] = {
    "request.auth.claims[groups]": {
        "admin": ["alice", "nobody"],
        "dev": ["alice", "bob", "nobody"],
        "ad*": ["alice", "nobody"],
        "*": _NAMES,
    },
    "request.auth.claims[scope]": {"read": ["alice", "bob"], "read write": ["alice"], "*rite": ["alice"]},
    "request.auth.claims[permission]": {"a": ["carol"], "a b": ["carol"]},
    "request.auth.claims[realm][role]": {"boss": ["alice", "carol"], "*": ["alice", "carol"]},
    "request.auth.claims[realm][list]": {"a": ["alice"]},
    "request.auth.claims[realm][words]": {"c": ["alice"], "c d": ["alice"]},
    "request.auth.claims[realm]": {"boss": ["carol"], "*": ["alice", "carol"]},
    "request.auth.claims[level]": {"7": ["alice", "carol"], "*": ["alice", "carol"]},
    "request.auth.claims[strict]": {"true": ["alice"], "True": ["alice"], "*": ["alice"]},
    "request.auth.claims[motto]": {"two": ["alice"], "two words": ["alice"], "*words": ["alice"]},
    "request.auth.claims[nothing]": {"*": ["alice"]},
    "request.auth.claims[empty]": {"*": ["alice"]},
    "request.auth.claims[sub]": {"alice": ["alice"], "team/*": ["carol"]},
    "request.auth.audiences": {"shop": ["alice", "bob", "nobody"], "st*": ["bob"], "*": _NAMES},
    "request.auth.presenter": {"app-1": ["alice", "nobody"], "app*": ["alice", "nobody"]},
    "request.auth.principal": REQUEST_PRINCIPALS,
}


def hosts(service: str) -> Examples:
    """Patterns for the host of a request to a Service, with what the request says."""
    short, full = f"{service}.{NAMESPACE}", f"{service}.{NAMESPACE}.svc.cluster.local"
    return {
        short: [short, f"{short}:80", short.upper()],
        full: [full, f"{full}:80", f"{full}."],
        full.upper(): [full, f"{full}:9090"],
        f"*.{NAMESPACE}": [short, f"{short}:80", full, f"x.{NAMESPACE.upper()}"],
        f"{service}.*": [short, full, f"{short}:9090", f"{service.upper()}.x"],
        "*": [short, "shop.example.com"],
        f"{short}:80": [short, f"{short}:80", f"{short}:9090"],
        "*:80": [short, f"{short}:80", f"{full}:9090"],
        "*.example.com": ["shop.example.com", "SHOP.Example.com", "shop.example.com:80", "example.com"],
        "Shop.Example.com": ["shop.example.com", "SHOP.Example.com", "shop.example.com:8080"],
    }
