# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small client for one cluster: plain dicts in, plain dicts out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import AmbientError
from ..manifests.identity import Identity, Object
from .discovery import Discovery, Resource
from .errors import ApiError
from .pages import read_pages
from .retries import Check, arrived
from .transport import JSON, Transport, events

if TYPE_CHECKING:
    import urllib3

Objects = list[Object]
NOT_SERVED = "Its CRD is missing, or the API server is too old or too new for this version"
APPLY = "application/apply-patch+yaml"
_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


class Client:
    """Reads and writes objects of any kind. Safe to use from several threads.

    Every method raises ApiError (`.status`: the HTTP status, 0 without an answer) for what it does not return.
    """

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.discovery = Discovery(transport)

    @property
    def api_client(self) -> Any:
        """The `kubernetes.client.ApiClient` below, for streams."""
        return self.transport.api_client

    @property
    def host(self) -> str:
        """The address of the API server."""
        return self.transport.host

    def request(self, method: str, path: str, query: Mapping[str, Any] | None = None, body: Any = None) -> Any:
        """Any request, its answer decoded from JSON."""
        return self.transport.json(method, path, query=query, body=body)

    def version(self) -> dict[str, Any]:
        """The answer of /version: `gitVersion`, `major`, `minor` …"""
        return dict(self.transport.json("GET", "/version"))

    def discover(self) -> Discovery:
        """The kinds that the API server serves."""
        return self.discovery

    def exists_kind(self, api_version: str, kind: str) -> bool:
        """Whether the API server serves this kind."""
        return self._find(Identity.parse(api_version, kind, "-")) is not None

    def resource(self, identity: Identity) -> Resource:
        """The resource of an object's kind; AmbientError where the API server does not serve it."""
        found = self._find(identity)
        if found is None:
            raise AmbientError(
                f"the API server does not serve {identity.api_version} {identity.kind}",
                path=identity.short,
                hint=NOT_SERVED,
            )
        return found

    def get(
        self, what: Identity | str, kind: str = "", name: str = "", namespace: str = "", *, metadata_only: bool = False
    ) -> Object | None:
        """One object, by its identity or by apiVersion, kind, name and namespace; None where there is none."""
        identity = what if isinstance(what, Identity) else Identity.parse(what, kind, name, namespace)
        resource = self._find(identity)
        if resource is None:
            return None
        accept = f"{_METADATA},{JSON}" if metadata_only else JSON
        try:
            found: Object = self.transport.json("GET", resource.path(identity.namespace, identity.name), accept=accept)
        except ApiError as error:
            if error.status == 404:
                return None
            raise
        return found

    def list(
        self,
        api_version: str,
        kind: str,
        namespace: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
        limit: int = 500,
    ) -> Objects:
        """All objects of a kind, read in pages of `limit`; [] where the kind is not served."""
        return self._list(api_version, kind, namespace, label_selector, field_selector, limit, JSON)[0]

    def list_metadata(
        self,
        api_version: str,
        kind: str,
        namespace: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
        limit: int = 1000,
    ) -> Objects:
        """As `list`, only the metadata of each object."""
        accept = f"{_METADATA_LIST},{JSON}"
        return self._list(api_version, kind, namespace, label_selector, field_selector, limit, accept)[0]

    def apply(
        self, obj: Object, manager: str, dry_run: bool = False, force: bool = False, check: Check | None = None
    ) -> Object:
        """Server-side apply of a manifest under a field manager; the object as it is then.

        `check` is called before it is sent again, and may raise: the lock may be lost meanwhile.
        """
        identity = Identity.of(obj)
        query = {
            "fieldManager": manager,
            "fieldValidation": "Strict",
            "force": "true" if force else "false",
            "dryRun": "All" if dry_run else None,
        }
        path = self.resource(identity).path(identity.namespace, identity.name)
        return dict(self.transport.json("PATCH", path, query=query, body=obj, content_type=APPLY, check=check))

    def create(self, obj: Object, *, manager: str = "alauda.ambient", dry_run: bool = False) -> Object:
        """Create an object; ApiError 409 where there is another one."""
        identity = Identity.of({**obj, "metadata": {"name": "-", **obj["metadata"]}})
        query = {"fieldManager": manager, "dryRun": "All" if dry_run else None}
        return self._write("POST", self.resource(identity).path(identity.namespace), query, obj)

    def replace(self, obj: Object, *, manager: str = "alauda.ambient") -> Object:
        """Replace an object; ApiError 409 where its resourceVersion is no longer the live one."""
        identity = Identity.of(obj)
        path = self.resource(identity).path(identity.namespace, identity.name)
        return self._write("PUT", path, {"fieldManager": manager}, obj)

    def delete(
        self,
        identity: Identity,
        *,
        uid: str = "",
        propagation: str = "Background",
        dry_run: bool = False,
        check: Check | None = None,
    ) -> bool:
        """Delete an object, only the one with this UID where one is given; False where there is none."""
        resource = self._find(identity)
        if resource is None:
            return False
        body: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        if uid:
            body["preconditions"] = {"uid": uid}
        query = {"dryRun": "All"} if dry_run else None
        try:
            path = resource.path(identity.namespace, identity.name)
            self.transport.send("DELETE", path, query=query, body=body, check=check)
        except ApiError as error:
            if error.status == 404:
                return False
            raise
        return True

    def list_for_watch(
        self,
        api_version: str,
        kind: str,
        namespace: str | None = None,
        field_selector: str | None = None,
        label_selector: str | None = None,
        *,
        metadata_only: bool = False,
    ) -> tuple[Objects, str]:
        """All objects of a kind and the resourceVersion from which `watch` goes on."""
        accept = f"{_METADATA_LIST},{JSON}" if metadata_only else JSON
        return self._list(api_version, kind, namespace, label_selector, field_selector, 500, accept)

    def watch(
        self,
        api_version: str,
        kind: str,
        resource_version: str,
        namespace: str | None = None,
        field_selector: str | None = None,
        timeout: float = 30,
        label_selector: str | None = None,
        *,
        metadata_only: bool = False,
        on_open: Callable[[urllib3.BaseHTTPResponse], None] | None = None,
    ) -> Iterator[tuple[str, Object]]:
        """What happens to the objects of a kind: (ADDED | MODIFIED | DELETED | BOOKMARK | ERROR, object).

        Ends after `timeout` seconds; an ERROR event (it is too old, the connection broke) says: list again.
        `on_open` gets the open answer, so that another thread can shut it down.
        """
        resource = self.resource(Identity.parse(api_version, kind, "-"))
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "fieldSelector": field_selector,
            "labelSelector": label_selector,
            "timeoutSeconds": max(1, int(timeout)),
        }
        accept = f"{_METADATA},{JSON}" if metadata_only else JSON
        path = resource.path(namespace or "")
        response = self.transport.stream(path, query=query, read_timeout=timeout + 5, accept=accept)
        if on_open:
            on_open(response)
        yield from events(response)

    def logs(
        self,
        namespace: str,
        pod: str,
        container: str | None = None,
        *,
        tail: int | None = None,
        since: int | None = None,
        previous: bool = False,
    ) -> str:
        """The log of a container: the last `tail` lines, or the last `since` seconds."""
        path = self.resource(Identity.parse("v1", "Pod", pod, namespace)).path(namespace, pod, "log")
        query = {
            "container": container,
            "tailLines": tail,
            "sinceSeconds": since,
            "previous": "true" if previous else None,
        }
        return self.transport.send("GET", path, query=query, accept="*/*").decode(errors="replace")

    def exec(
        self, namespace: str, pod: str, container: str | None, command: Sequence[str], timeout: float = 60
    ) -> tuple[int, str, str]:
        """Run a command in a container: exit status, output, error output."""
        from .exec import run_command

        path = self.resource(Identity.parse("v1", "Pod", pod, namespace)).path(namespace, pod, "exec")
        return run_command(self.api_client, self.transport.headers(), path, container, command, timeout)

    def can_i(self, verb: str, group: str, resource: str, namespace: str | None = None) -> bool:
        """Whether the API server lets us do this; `*` stands for all."""
        attributes = {"verb": verb, "group": group, "resource": resource}
        if namespace:
            attributes["namespace"] = namespace
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        answer = self.transport.json("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body=body)
        return bool((answer.get("status") or {}).get("allowed"))

    def _write(self, method: str, path: str, query: Mapping[str, Any], obj: Object) -> Object:
        """Send an object; where it was sent twice because the first answer was lost, the second refusal is none."""
        try:
            return dict(self.transport.json(method, path, query=query, body=obj))
        except ApiError as error:
            live = self.get(Identity.of(obj)) if error.status == 409 and "name" in obj["metadata"] else None
            if live is None or not arrived(obj, live):
                raise
            return live

    def _find(self, identity: Identity) -> Resource | None:
        return self.discovery.find(identity.group, identity.version, identity.kind)

    def _list(
        self,
        api_version: str,
        kind: str,
        namespace: str | None,
        label_selector: str | None,
        field_selector: str | None,
        limit: int,
        accept: str,
    ) -> tuple[Objects, str]:
        resource = self._find(Identity.parse(api_version, kind, "-"))
        if resource is None:
            return [], ""
        path = resource.path(namespace or "")
        query = {"labelSelector": label_selector, "fieldSelector": field_selector, "limit": limit}
        try:
            items, version = read_pages(self.transport, path, query, accept)
        except ApiError as error:
            if error.status == 404:
                return [], ""
            raise
        if accept == JSON:
            for item in items:
                item.setdefault("apiVersion", api_version)
                item.setdefault("kind", kind)
        return items, version
