"""A configuration to begin with, every key explained."""

from __future__ import annotations

import json

__all__ = ["template"]

_TEXT = """\
# A line of res2clip.  Check it: res2clip-run --config {name} --dry-run
# Run it:                        res2clip-run --config {name}
# Relative paths are relative to this file's folder.  A line that begins with # is left out; the
# values shown there are the defaults, or examples where there is no default.

[line]
name = "line"                # name in topics, metrics and logs
print = "text"               # verdicts on standard output: "none" (the default), "text", "json"
# mode = "free"              # "free": whatever the cameras give; "trigger": a part per trigger
# deadline_ms = 1000         # a trigger is answered so soon, with ERROR if there is no result
# trigger_queue = 8          # triggers that may wait; one more is answered with ERROR at once
# part = "picture"           # "picture": each camera has parts of its own; "cameras": one part
# pictures_per_part = 1      # pictures each camera takes of a part; the worst decides
# picture_gap_ms = 500       # longest time between two of them, by trigger = "line0"
# product = "washer"         # what is inspected at first, where there are several recipes
# log_format = "text"        # events on standard error: "text" (key=value) or "json"
# wait_for_cameras = true    # false: a camera that is not there ends the start
# drain_s = 5.0              # longest time for the last results to get out at the end

[model]
{bundle}
# backend = "onnxruntime"    # engine
# threads = 2                # CPU threads of the engine; by default all cores

[[recipe]]                   # one such table for each product
file = {recipe}
# threshold = 0.6            # highest score that is OK, instead of the recipe's own
# pixel_threshold = 0.5      # highest normal value of the heat map
# camera = "top"             # only for this camera

[[camera]]                   # one such table for each camera
name = "top"
source = {source}
# source = "0"               # USB camera; also rtsp://..., gige://..., pylon://..., csi://0
# trigger = "off"            # "off", "software", or the camera's input: "line0"
# width = 1280
# height = 960
# fps = 15
# exposure_us = 8000
# gain = 0
# stale_s = 2.0              # no picture for so long: the camera is lost and opened anew
# user = "viewer"            # of a stream; its password stands in a file or variable, never here
# password_file = "camera.password"

[jsonl]                      # every verdict as a line of JSON, in <folder>/results.jsonl
folder = "results"

[pictures]                   # pictures of NG and ERROR, with what was found
folder = "results/pictures"
# ok_share = 0.0             # share of the OK pictures that is kept, too
# keep_days = 30

# [mqtt]
# host = "broker.example"
# tls = true
# username = "line3"
# password_file = "mqtt.password"

# [webhook]
# url = "https://mes.example/verdicts"
# secret_file = "webhook.secret"

# [modbus]                   # registers: docs/outputs.md
# host = "127.0.0.1"         # the address in the PLC's network; Modbus has no password
# port = 502
# [modbus.recipes]           # numbers by which the PLC chooses
# 1 = "washer"

# [opcua]                    # jobs, results and health: docs/opcua.md
# host = "127.0.0.1"         # any other address needs users_file
# port = 4840
# folder = "opcua"           # own certificate, and those of trusted clients
# users_file = "users.toml"

# [metrics]                  # for Prometheus
# port = 9109

# [web]                      # the page and the HTTP API: docs/page.md, docs/http.md
# host = "127.0.0.1"         # any other address needs users_file, certificate and private_key
# port = 8109
# folder = "page"            # recipes taught on the page, NG pictures, feedback, audit log
# users_file = "users.toml"  # made by: res2clip-run users add NAME --role operator --file ...
# certificate = "server.crt"
# private_key = "server.key"
# names = ["panel3.example"] # of this machine in browsers, beside its host name and addresses
"""


def template(*, name: str, source: str | None, recipe: str | None, bundle: str | None) -> str:
    """Return the text of a configuration called ``name``.

    Args:
        name: of the file, for the comments.
        source: a camera, stream or folder; None: the folder ``parts``.
        recipe: file of the recipe; None: an example.
        bundle: folder of the model; None: the installed one that fits the recipe.
    """
    example = '# bundle = "bundle"          # exported model; by default the installed one'
    return _TEXT.format(
        name=name,
        bundle=f"bundle = {_quoted(bundle)}" if bundle else example,
        recipe=_quoted(recipe or "washer.recipe.safetensors"),
        source=_quoted(source or "parts"),
    )


def _quoted(text: str) -> str:
    """Return a TOML string; JSON's are a part of TOML's."""
    return json.dumps(text, ensure_ascii=False)
