"""Events: a result is ready, another state was entered."""

from __future__ import annotations

import json
import logging
import uuid
from datetime import datetime, timezone
from typing import Any

from asyncua import Server, ua

from res2clip_runtime.opcua.address_space import AddressSpace
from res2clip_runtime.opcua.job import JobResult
from res2clip_runtime.opcua.layout import EVENT_FIELDS, STATE_FIELDS, Variable
from res2clip_runtime.opcua.vision_machine import Entered
from res2clip_runtime.verdict import Decision

__all__ = ["ResultEvents", "result_values"]

logger = logging.getLogger(__name__)

_SEVERITY = {Decision.OK: 100, Decision.NG: 300, Decision.ERROR: 700}


def result_values(result: JobResult) -> dict[str, Any]:
    """Return the fields of a result, as the event and the last result hold them."""
    job, verdict = result.job, result.verdict
    text = "" if verdict is None else json.dumps(verdict.to_json(), ensure_ascii=False)
    return {
        "resultId": result.result_id,
        "jobId": job.job_id,
        "measId": job.request.meas_id,
        "partId": job.request.part_id,
        "productId": job.product,
        "externalRecipeId": job.product,
        "internalRecipeId": job.recipe_id,
        "resultState": int(result.state),
        "isPartial": False,
        "isSimulated": False,
        "hasTransferableDataOnFile": False,
        "creationTime": result.created_at,
        "decision": result.decision.value,
        "score": result.score,
        "threshold": result.threshold,
        "fault": result.fault,
        "resultContent": text,
    }


class ResultEvents:
    """Sends events of the vision system; they are also sent as the server's."""

    def __init__(self, server: Server, space: AddressSpace) -> None:
        """Know no types yet."""
        self._server = server
        self._space = space
        self._events: dict[str, Any] = {}

    async def build(self) -> None:
        """Make the types."""
        await self._make("ResultReadyEventType", EVENT_FIELDS)
        await self._make("StateChangedEventType", STATE_FIELDS)

    async def result_ready(self, result: JobResult) -> None:
        """Say that a result is there."""
        message = f"{result.job.product}: {result.decision.value}"
        await self._send(
            "ResultReadyEventType", result_values(result), _SEVERITY[result.decision], message
        )

    async def state_changed(self, entered: Entered) -> None:
        """Say that another state was entered."""
        values = {
            "oldState": entered.before.title,
            "newState": entered.state.title,
            "reason": entered.reason,
        }
        severity = 700 if entered.state.title == "Error" else 100
        await self._send("StateChangedEventType", values, severity, entered.state.title)

    async def _make(self, name: str, fields: tuple[Variable, ...]) -> None:
        index = self._space.index
        base = self._server.get_node(ua.ObjectIds.BaseEventType)
        kind = await base.add_object_type(ua.NodeId(name, index), ua.QualifiedName(name, index))
        for field in fields:
            await kind.add_property(
                ua.NodeId(f"{name}.{field.path}", index),
                ua.QualifiedName(field.path, index),
                self._space.empty_value(field.kind),
                ua.VariantType[field.kind],
            )
        for node in (self._space.system, self._server.nodes.server):
            generator = await self._server.get_event_generator(kind, node)
            self._events[name] = generator.event
        self._events[name].SourceNode = self._space.system.nodeid
        self._events[name].SourceName = "VisionSystem"

    async def _send(self, name: str, values: dict[str, Any], severity: int, message: str) -> None:
        event = self._events[name]
        for field, value in values.items():
            setattr(event, field, value)
        event.EventId = ua.Variant(uuid.uuid4().bytes, ua.VariantType.ByteString)
        event.Time = event.ReceiveTime = datetime.now(timezone.utc)
        event.LocalTime = ua.TimeZoneDataType()
        event.Severity = severity
        event.Message = ua.LocalizedText(message)
        service = self._server.iserver.subscription_service
        for node in (self._space.system, self._server.nodes.server):
            event.emitting_node = node.nodeid
            for subscription in list(service.subscriptions.values()):
                try:
                    await subscription.monitored_item_srv.trigger_event(event)
                except Exception as err:  # an odd filter of one client is not the others' loss
                    logger.warning("opcua: an event could not be sent to a subscriber: %s", err)
