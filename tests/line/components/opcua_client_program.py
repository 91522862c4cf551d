"""A host program that speaks OPC UA, independent of ours: commands as JSON lines on stdin.

Each is answered by a line: {"is": value}, or {"bad": name of the status}. Nothing of res2clip is
imported here.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import sys
from pathlib import Path
from typing import Any

from asyncua import Client, ua

logging.getLogger("asyncua").setLevel(logging.CRITICAL)
NAMESPACE = "urn:res2clip:vision"


class Host:
    """One client, its subscription, and the events that came."""

    def __init__(self) -> None:
        self.client: Client | None = None
        self.index = 0
        self.events: list[dict[str, Any]] = []
        self.closed = False

    async def connect(
        self, url: str, user: str = "", password: str = "", security: str = "", uri: str = ""
    ) -> None:
        client = Client(url, timeout=10)
        client.application_uri = uri or client.application_uri
        if user:
            client.set_user(user)
            client.set_password(password)
        if security:
            await client.set_security_string(security)
        await client.connect()
        self.client, self.index = client, await client.get_namespace_index(NAMESPACE)

    async def stranger(self, url: str, security: str = "") -> None:
        """Open a channel, and no session."""
        self.client = Client(url, timeout=10)
        if security:
            await self.client.set_security_string(security)
        await self.client.connect_socket()
        await self.client.send_hello()
        await self.client.open_secure_channel()

    async def ask_for_session(self) -> None:
        """Ask for a session without showing a certificate in the request."""
        assert self.client is not None
        params = ua.CreateSessionParameters()
        params.ClientNonce = bytes(32)
        params.EndpointUrl = self.client.server_url.geturl()
        params.ClientDescription.ApplicationUri = self.client.application_uri
        params.RequestedSessionTimeout = 60_000
        await self.client.uaclient.create_session(params)

    async def take_session(self, token: int) -> None:
        """Name a session of another."""
        assert self.client is not None
        self.client.uaclient.protocol.authentication_token = ua.NodeId(token)
        params = ua.ActivateSessionParameters()
        params.UserIdentityToken = ua.AnonymousIdentityToken()
        await self.client.uaclient.activate_session(params)

    async def read_clock(self) -> None:
        assert self.client is not None
        await self.client.get_node(ua.ObjectIds.Server_ServerStatus_CurrentTime).read_value()

    async def add_node(self) -> None:
        assert self.client is not None
        await self.client.nodes.objects.add_folder(self.index, "mine")

    async def disconnect(self) -> None:
        assert self.client is not None
        await self.client.disconnect()

    async def endpoints(self, url: str) -> list[list[Any]]:
        found = await Client(url).connect_and_get_server_endpoints()
        return [
            [e.SecurityPolicyUri.rpartition("#")[2], e.SecurityMode.name,
             [t.TokenType.name for t in e.UserIdentityTokens]]
            for e in found
        ]  # fmt: skip

    async def server_certificate(self, url: str, place: str) -> None:
        found = await Client(url).connect_and_get_server_endpoints()
        Path(place).write_bytes(found[0].ServerCertificate)

    async def read(self, path: str) -> Any:
        return plain(await self.node(path).read_value())

    async def write(self, path: str, value: Any) -> None:
        await self.node(path).write_value(value)

    async def browse(self, path: str) -> list[str]:
        return [(await n.read_browse_name()).Name for n in await self.node(path).get_children()]

    async def call(self, path: str, *arguments: Any) -> Any:
        owner = self.node(path.rpartition(".")[0])
        return plain(await owner.call_method(self.node(path).nodeid, *arguments))

    async def subscribe(self, interval_ms: float = 20, kind: str = "ResultReadyEventType") -> None:
        assert self.client is not None
        subscription = await self.client.create_subscription(interval_ms, self)
        await subscription.subscribe_events(self.client.nodes.server, self.node(kind))

    async def got(self) -> list[dict[str, Any]]:
        return self.events

    def event_notification(self, event: Any) -> None:
        fields = {
            name: plain(value) for name, value in event.get_event_props_as_fields_dict().items()
        }
        self.events.append({k: v for k, v in fields.items() if k[0].islower()})

    def node(self, path: str) -> Any:
        assert self.client is not None
        return self.client.get_node(ua.NodeId(path, self.index))


def plain(value: Any) -> Any:
    if isinstance(value, ua.Variant):
        return plain(value.Value)
    if isinstance(value, ua.LocalizedText):
        return value.Text
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


async def main() -> None:
    host = Host()
    print("ready", flush=True)  # noqa: T201
    while line := await asyncio.to_thread(sys.stdin.readline):
        name, *arguments = json.loads(line)
        try:
            answer = {"is": await getattr(host, name)(*arguments)}
        except ua.UaStatusCodeError as err:
            answer = {"bad": type(err).__name__}
        except (ua.UaError, OSError, asyncio.TimeoutError) as err:
            answer = {"bad": f"{type(err).__name__}: {err}"}
        print(json.dumps(answer), flush=True)  # noqa: T201


asyncio.run(main())
