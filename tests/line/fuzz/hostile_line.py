"""The line under attack, and what a good client and the system can tell of it."""

from __future__ import annotations

import http.client
import json
from contextlib import closing
from pathlib import Path

from attacks.payloads import pickled, safetensors, torch_zip
from line.components.child import await_true
from line.components.plc import Plc
from line.components.running_line import RunningLine

from res2clip_runtime.modbus.registers import StatusBit

HOSTILE_RECIPES = {
    "pickle": pickled(),
    "torch": torch_zip(pickled()),
    "header": safetensors(b"{}", length=2**63),
    "nothing": b"",
}
"""What somebody put beside the recipes taught on the page."""
_ANSWERS = {1: StatusBit.OK, 2: StatusBit.NG}


class HostileLine(RunningLine):
    """Runs while the ``with`` block does; its thresholds nobody can move."""

    def __init__(
        self,
        folder: Path,
        camera: str,
        *,
        bundle: Path,
        ports: tuple[int, int, int],
        threshold: float,
    ) -> None:
        self.modbus, self.web, self.opcua = ports
        taught = folder / "page" / "recipes"
        taught.mkdir(parents=True)
        for name, data in HOSTILE_RECIPES.items():
            (taught / f"{name}.recipe.safetensors").write_bytes(data)
        (taught / "device.recipe.safetensors").symlink_to("/dev/zero")
        config = folder / "line.toml"
        config.write_text(
            f"""
            [line]
            mode = "trigger"
            deadline_ms = 5000
            product = "washer"
            [model]
            bundle = {json.dumps(str(bundle))}
            threads = 1
            [[camera]]
            name = "top"
            source = {json.dumps(camera)}
            [[recipe]]
            file = "washer.recipe.safetensors"
            threshold = {threshold!r}
            [[recipe]]
            file = "strict.recipe.safetensors"
            threshold = -1e6
            [modbus]
            port = {self.modbus}
            plc_heartbeat_s = 0.0
            [modbus.recipes]
            1 = "washer"
            2 = "strict"
            [web]
            port = {self.web}
            wait_s = 10.0
            upload_mb = 8.0
            [opcua]
            port = {self.opcua}
            """,
            encoding="utf-8",
        )
        super().__init__(config)

    def __enter__(self) -> HostileLine:
        with closing(Plc(self.modbus)) as plc:
            plc.await_status(StatusBit.READY)
        self.check_plc()
        self.check_page()
        return self

    def check_plc(self) -> None:
        """Let a good PLC have a part inspected with each recipe; its answers must be right."""
        with closing(Plc(self.modbus)) as plc:
            for recipe, answer in _ANSWERS.items():
                plc._write(101, [0, 0, 0])
                plc._write(103, [recipe])
                bits = plc.inspect()
                assert StatusBit.VALID in bits, f"{bits!r} {plc.fault!r}"
                assert bits & (StatusBit.OK | StatusBit.NG) == answer
            plc._write(103, [1])

    def ask(self, method: str, path: str, body: object = None, **headers: str):
        """Return (status, JSON or bytes) of a well-formed request by a program."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        peer = http.client.HTTPConnection("127.0.0.1", self.web, timeout=20)
        try:
            given = {"X-Res2clip": "1", **{k.replace("_", "-"): v for k, v in headers.items()}}
            peer.request(method, path, body=None if body is None else data, headers=given)
            answer = peer.getresponse()
            content = answer.read()
            json_type = answer.getheader("Content-Type") == "application/json"
            return answer.status, json.loads(content) if json_type and content else content
        finally:
            peer.close()

    def check_page(self) -> None:
        """Let a good host program trigger a part; its answer must be right."""
        assert self.ask("POST", "/api/product", {"product": "washer"})[0] == 200
        status, verdict = self.ask("POST", "/api/trigger?wait", {})
        assert (status, verdict["decision"], verdict["product"]) == (200, "OK", "washer")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.web}"

    @property
    def inspected(self) -> int:
        """Parts so far."""
        return int(self.ask("GET", "/api/health")[1]["inspected"])

    @property
    def threads(self) -> int:
        return len(list(Path(f"/proc/{self.process.pid}/task").iterdir()))

    @property
    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    @property
    def memory_mb(self) -> float:
        """Resident memory."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * 4096 / 1e6

    def await_descriptors(self, most: int) -> None:
        await_true(lambda: self.descriptors <= most, f"at most {most} descriptors are open")

    def complaints(self) -> list[str]:
        """Return the events that tell of a defect of ours."""
        marks = ("a defect of res2clip", "Traceback", "level=critical")
        return [event for event in self.log.splitlines() if any(m in event for m in marks)]
