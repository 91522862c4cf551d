"""The nodes of the server: built once, then written as things change."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timezone
from typing import Any

from asyncua import Node, Server, ua

from res2clip_runtime.opcua.layout import METHODS, NAMESPACE, VARIABLES, Argument, Variable
from res2clip_runtime.opcua.vision_machine import VisionState

__all__ = ["AddressSpace", "MethodCall"]

logger = logging.getLogger(__name__)

MethodCall = Callable[[str, "list[ua.Variant]"], Awaitable[ua.CallMethodResult]]
"""Takes a method's path and its arguments."""

_EMPTY: dict[str, Any] = {
    "String": "", "Boolean": False, "Double": float("nan"), "Int32": 0, "UInt32": 0, "UInt64": 0,
    "DateTime": datetime(1970, 1, 1, tzinfo=timezone.utc),
}  # fmt: skip


class AddressSpace:
    """Nodes by their paths below ``VisionSystem``."""

    def __init__(self, server: Server) -> None:
        """Build nothing yet."""
        self._server = server
        self._nodes: dict[str, Node] = {}
        self._values: dict[str, Any] = {}
        self._kinds: dict[str, str] = {}
        self.index = 0
        self.system: Node

    async def build(self, call: MethodCall) -> None:
        """Build everything but cameras and sinks; methods are passed to ``call``."""
        self.index = await self._server.register_namespace(NAMESPACE)
        objects = self._server.nodes.objects
        self.system = await objects.add_object(self._id("VisionSystem"), self._name("VisionSystem"))
        await self._build_machine_type()
        for variable in VARIABLES:
            await self.add_variable(variable)
        for method in METHODS:
            await self._add_method(method.path, method.inputs, method.outputs, call)

    async def add_variable(self, variable: Variable) -> None:
        """Add a variable, and what it lies in, where they are missing; it holds nothing yet."""
        if variable.path in self._nodes:
            return
        parent, name = await self._place(variable.path)
        kind, value = variable.kind, self.empty_value(variable.kind)
        arguments = (self._id(variable.path), self._name(name), value, self._variant(kind))
        if parent.nodeid.Identifier.endswith(".CurrentState"):  # a state's parts, by Part 5
            node = await parent.add_property(*arguments)
        else:
            node = await parent.add_variable(*arguments)
        if variable.kind.endswith("[]"):
            await node.write_value_rank(ua.ValueRank.OneDimension)
        self._nodes[variable.path], self._kinds[variable.path] = node, kind

    async def write(self, values: Mapping[str, Any]) -> None:
        """Write what has changed, by path."""
        for path, value in values.items():
            known = path in self._values and _same(self._values[path], value)
            if known:
                continue
            self._values[path] = value
            variant = ua.Variant(value, self._variant(self._kinds[path]))
            data = ua.DataValue(
                variant,
                SourceTimestamp=datetime.now(timezone.utc),
                ServerTimestamp=datetime.now(timezone.utc),
            )
            status = await self._server.iserver.aspace.write_attribute_value(
                self._nodes[path].nodeid, ua.AttributeIds.Value, data
            )
            if not status.is_good():
                logger.error("a defect of res2clip, please report it: %s: %s", path, status.name)

    def empty(self, prefix: str) -> dict[str, Any]:
        """Return that everything below ``prefix`` holds nothing."""
        return {
            path: self.empty_value(kind)
            for path, kind in self._kinds.items()
            if path.startswith(prefix)
        }

    def state_id(self, state: VisionState) -> ua.NodeId:
        """Return the node that stands for a state."""
        return self._id(f"VisionStateMachineType.{state.title}")

    async def _build_machine_type(self) -> None:
        """A type of its own, with its states, below the standard's FiniteStateMachineType."""
        base = self._server.get_node(ua.ObjectIds.FiniteStateMachineType)
        kind = await base.add_object_type(
            self._id("VisionStateMachineType"), self._name("VisionStateMachineType")
        )
        for state in VisionState:
            node = await self._typed(
                kind, f"VisionStateMachineType.{state.title}", ua.ObjectIds.StateType
            )
            await node.add_property(
                self._id(f"VisionStateMachineType.{state.title}.StateNumber"),
                ua.QualifiedName("StateNumber", 0),
                int(state),
                ua.VariantType.UInt32,
            )
        self._nodes["VisionStateMachine"] = await self._typed(
            self.system, "VisionStateMachine", kind.nodeid
        )

    async def _typed(self, parent: Node, path: str, kind: ua.NodeId | int) -> Node:
        """Add an object of a type, without the parts of the type: ours have ids of their own."""
        item = ua.AddNodesItem()
        item.RequestedNewNodeId = self._id(path)
        item.BrowseName = self._name(path.rpartition(".")[2])
        item.ParentNodeId = parent.nodeid
        item.ReferenceTypeId = ua.NodeId(ua.ObjectIds.HasComponent)
        item.NodeClass = ua.NodeClass.Object
        item.TypeDefinition = kind if isinstance(kind, ua.NodeId) else ua.NodeId(kind)
        item.NodeAttributes = ua.ObjectAttributes(
            DisplayName=ua.LocalizedText(item.BrowseName.Name)
        )
        (result,) = await self._server.iserver.isession.add_nodes([item])
        result.StatusCode.check()
        return self._server.get_node(result.AddedNodeId)

    async def _place(self, path: str) -> tuple[Node, str]:
        """Return the node that ``path`` lies in, made where it is missing, and its own name."""
        above, _, name = path.rpartition(".")
        if not above:
            return self.system, name
        if above not in self._nodes:
            parent, its_name = await self._place(above)
            self._nodes[above] = await parent.add_object(self._id(above), self._name(its_name))
        return self._nodes[above], name

    async def _add_method(
        self,
        path: str,
        inputs: tuple[Argument, ...],
        outputs: tuple[Argument, ...],
        call: MethodCall,
    ) -> None:
        async def called(_: ua.NodeId, *arguments: ua.Variant) -> ua.CallMethodResult:
            return await call(path, list(arguments))

        parent, name = await self._place(path)
        sides = [[self._argument(each) for each in side] for side in (inputs, outputs)]
        await parent.add_method(self._id(path), self._name(name), called, *sides)

    def _argument(self, argument: Argument) -> ua.Argument:
        return ua.Argument(
            Name=argument.name,
            DataType=ua.NodeId(self._variant(argument.kind).value),
            ValueRank=-1,
            Description=ua.LocalizedText(argument.text),
        )

    def empty_value(self, kind: str) -> Any:
        """Return the value of a kind that says nothing."""
        if kind.endswith("[]"):
            return []
        if kind == "LocalizedText":
            return ua.LocalizedText("")
        return ua.NodeId() if kind == "NodeId" else _EMPTY[kind]

    def _variant(self, kind: str) -> ua.VariantType:
        return ua.VariantType[kind.removesuffix("[]")]

    def _id(self, path: str) -> ua.NodeId:
        return ua.NodeId(path, self.index)

    def _name(self, name: str) -> ua.QualifiedName:
        return ua.QualifiedName(name, self.index)


def _same(before: Any, value: Any) -> bool:
    return bool(before == value) or (before != before and value != value)  # NaN
