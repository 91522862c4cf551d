"""A model repository served as Triton would: by its config.pbtxt, with ONNX Runtime on the CPU."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import onnxruntime
import tritonclient
from google.protobuf import json_format, text_format

LENGTH = "Inference-Header-Content-Length"
DTYPES = {"UINT8": np.uint8, "FP32": np.float32}


def model_config_schema() -> Any:
    """Return tritonclient's module of ``model_config.proto``; the package itself needs gRPC."""
    path = Path(tritonclient.__file__).parent / "grpc" / "model_config_pb2.py"
    spec = importlib.util.spec_from_file_location("model_config_pb2", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SCHEMA = model_config_schema()


def read_config(folder: Path) -> Any:
    """Return the folder's config.pbtxt; a field that the schema does not have is an error."""
    text = (folder / "config.pbtxt").read_text(encoding="utf-8")
    return text_format.Parse(text, SCHEMA.ModelConfig())


class StandIn:
    """Runs the models of a repository."""

    def __init__(self, repository: Path) -> None:
        folders = [path for path in repository.iterdir() if path.is_dir()]
        self.configs = {folder.name: read_config(folder) for folder in folders}
        self.sessions = {
            folder.name: onnxruntime.InferenceSession(
                folder / "1" / "model.onnx", providers=["CPUExecutionProvider"]
            )
            for folder in folders
            if self.configs[folder.name].platform != "ensemble"
        }

    def infer(self, model: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        config = self.configs[model]
        names = [tensor.name for tensor in config.output]
        if model in self.sessions:
            return dict(zip(names, self.sessions[model].run(names, inputs), strict=True))
        tensors = dict(inputs)
        for step in config.ensemble_scheduling.step:
            given = {key: tensors[value] for key, value in step.input_map.items()}
            made = self.infer(step.model_name, given)
            tensors.update({value: made[key] for key, value in step.output_map.items()})
        return {name: tensors[name] for name in names}


@contextmanager
def serving(repository: Path) -> Iterator[str]:
    """Serve the repository over the KServe v2 protocol; give the address."""
    stand_in = StandIn(repository)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            model = self.path.split("/")[3]
            config = stand_in.configs[model]
            text = json_format.MessageToJson(config, preserving_proto_field_name=True)
            self._send(text.encode())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            end = int(self.headers[LENGTH])
            inputs = {}
            for entry in json.loads(body[:end])["inputs"]:
                size = entry["parameters"]["binary_data_size"]
                data = np.frombuffer(body[end : end + size], DTYPES[entry["datatype"]])
                inputs[entry["name"]] = data.reshape(entry["shape"])
                end += size
            made = stand_in.infer(self.path.split("/")[3], inputs)
            header = {
                "model_name": self.path.split("/")[3],
                "outputs": [
                    {
                        "name": name,
                        "datatype": "FP32",
                        "shape": list(value.shape),
                        "parameters": {"binary_data_size": value.nbytes},
                    }
                    for name, value in made.items()
                ],
            }
            text = json.dumps(header).encode()
            self._send(text + b"".join(v.tobytes() for v in made.values()), **{LENGTH: len(text)})

        def _send(self, body: bytes, **headers: object) -> None:
            self.send_response(200)
            for name, value in {"Content-Length": len(body), **headers}.items():
                self.send_header(name, str(value))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
