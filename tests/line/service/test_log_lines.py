"""Events as lines: parseable, without secrets, repeats counted."""

from __future__ import annotations

import io
import json
import logging

import pytest

from res2clip_runtime.service.log_lines import RepeatFilter, hide_secrets, line_formatter


def logger_into(stream: io.StringIO, kind: str, *, window_s: float = 60.0) -> logging.Logger:
    logger = logging.Logger("res2clip_runtime.test")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(line_formatter(kind))
    handler.addFilter(RepeatFilter(window_s=window_s))
    logger.addHandler(handler)
    return logger


def test_event_is_one_json_object_a_line() -> None:
    stream = io.StringIO()
    logger = logger_into(stream, "json")
    logger.warning("camera %s:\nlost", "top")
    try:
        raise ValueError("deep\ntrouble")
    except ValueError:
        logger.exception("a defect")
    first, second = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert (first["level"], first["event"]) == ("warning", "camera top: lost")
    assert "ValueError" in second["trace"]


def test_text_is_key_value_on_one_line() -> None:
    stream = io.StringIO()
    logger_into(stream, "text").error('sink "a": broke\noff')
    line = stream.getvalue()
    assert line.count("\n") == 1
    assert 'level=error logger=res2clip_runtime.test event="sink \\"a\\": broke off"' in line


def test_repeats_are_hidden_and_counted_when_the_minute_is_over() -> None:
    stream = io.StringIO()
    logger = logger_into(stream, "json", window_s=0.0)
    filtered = logger.handlers[0].filters[0]
    filtered._window_s = 1000.0
    for reason in ("a", "b", "c"):
        logger.warning("camera %s: lost: %s", "top", reason)
    logger.warning("camera %s: lost: %s", "side", "x")
    filtered._window_s = 0.0
    logger.warning("camera %s: lost: %s", "top", "d")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["event"] for line in lines] == [
        "camera top: lost: a",
        "camera side: lost: x",
        "camera top: lost: d",
    ]
    assert lines[2]["repeats"] == 2


def test_thousand_late_triggers_are_one_line() -> None:
    stream = io.StringIO()
    logger = logger_into(stream, "text")
    for number in range(1000):
        logger.warning("trigger %s: its result came after the deadline", number)
    assert stream.getvalue().count("\n") == 1


def test_memory_of_repeats_is_bounded() -> None:
    stream = io.StringIO()
    logger = logger_into(stream, "text")
    for number in range(1000):
        logger.warning("camera %s: late", number)
    assert len(logger.handlers[0].filters[0]._seen) <= 256


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("opened rtsp://viewer:hunter2@10.0.0.7/cam", "hunter2"),
        ("opened rtsp://viewer:hun@ter2@10.0.0.7/cam", "ter2"),
        ("GET http://a/x?token=hunter2&b=1", "hunter2"),
        ("password: hunter2", "hunter2"),
        ("Authorization: Bearer hunter2", "hunter2"),
    ],
)
def test_secrets_are_hidden(text: str, secret: str) -> None:
    assert secret not in hide_secrets(text)
    assert "***" in hide_secrets(text)


def test_addresses_without_secrets_stay_readable() -> None:
    text = "camera top: rtsp://10.0.0.7:554/cam; mail a@b; password_file missing"
    assert hide_secrets(text) == text


def test_what_clients_send_through_other_libraries_is_one_line() -> None:
    stream = io.StringIO()
    logger = logger_into(stream, "text")
    logger.name = "pymodbus.logging"
    for number in range(1000):
        logger.error(f"invalid frame {number}")
    assert stream.getvalue().count("\n") == 1


def test_event_of_any_length_is_cut() -> None:
    stream = io.StringIO()
    logger_into(stream, "json").error("x" * 1_000_000)
    assert len(stream.getvalue()) < 3000
