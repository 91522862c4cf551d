from __future__ import annotations

import inspect

import pytest

from res2clip_runtime import errors
from res2clip_runtime.cli.group import message_of
from res2clip_runtime.errors import MissingExtraError, OutputError, Res2ClipError


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_is_ours_and_drawn_in_the_tree(name: str) -> None:
    error = getattr(errors, name)
    assert issubclass(error, Res2ClipError)
    assert name in inspect.getdoc(errors)  # type: ignore[operator]


def test_missing_extra_prints_the_command() -> None:
    error = MissingExtraError("av", extra="video", purpose="reading a video file")
    assert isinstance(error, ImportError)
    assert "pip install 'res2clip[video]'" in str(error)


def test_output_error_prints_without_its_number() -> None:
    assert message_of(OutputError(28, "cannot write a:\nfull")) == "cannot write a: full"
