"""How a camera or stream is to be opened."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from res2clip_runtime.errors import InputError

__all__ = ["CameraSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraSettings:
    """What is asked of a camera; None leaves it as the camera has it.

    Each kind of camera takes what it knows: a stream has a transport but no exposure.
    """

    width: int | None = None
    """Picture width in px."""
    height: int | None = None
    """Picture height in px."""
    fps: float | None = None
    """Pictures a second."""
    pixel_format: str | None = None
    """The camera's own name: ``BayerRG8``, ``Mono12``; four letters on V4L2: ``MJPG``, ``YUYV``."""
    exposure_us: float | None = None
    """Exposure time in microseconds; turns automatic exposure off."""
    features: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    """Any other feature of a GenICam camera by its name, set in this order before the rest."""
    gain: float | None = None
    """Gain in the camera's own unit, mostly dB; turns automatic gain off."""
    trigger: str = "off"
    """``off`` (free run), ``software``, or the camera's input: ``line0``, ``line1``, ..."""
    connect_timeout_s: float = 5.0
    """Longest wait for a connection."""
    read_timeout_s: float = 2.0
    """A stream that sends nothing for so long is lost."""
    transport: str = "tcp"
    """RTSP's: ``tcp`` (nothing is lost on the way) or ``udp``."""
    user: str | None = None
    """User of a stream; may also stand in its URL."""
    password_env: str | None = None
    """Environment variable that holds the password."""
    password_file: Path | None = None
    """File whose first line is the password; rather than the variable, where both are given."""
    ca_file: Path | None = None
    """Certificate that an ``https://`` server's must come from (PEM); None checks nothing."""

    def __post_init__(self) -> None:
        """Refuse values that no camera can have."""
        for name in ("width", "height", "fps", "exposure_us", "connect_timeout_s",
                     "read_timeout_s"):  # fmt: skip
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise InputError(f"{name} must be above 0, got {value}")
        if self.gain is not None and not math.isfinite(self.gain):
            raise InputError(f"gain must be a finite number, got {self.gain}")
        if not re.fullmatch(r"off|software|line\d+", self.trigger):
            raise InputError(
                f'trigger must be "off", "software" or the camera\'s input such as "line0", '
                f'got "{self.trigger}"'
            )
        if self.transport not in ("tcp", "udp"):
            raise InputError(f'transport must be "tcp" or "udp", got "{self.transport}"')

    def password(self) -> str | None:
        """Return the password, read now, or None if none is given.

        Raises:
            InputError: the file cannot be read, or the variable is not set.
        """
        if self.password_file is not None:
            try:
                lines = self.password_file.read_text(encoding="utf-8").splitlines()
            except (OSError, UnicodeDecodeError) as err:
                raise InputError(
                    f"password_file {self.password_file} cannot be read: {err}"
                ) from err
            return lines[0] if lines else ""
        if self.password_env is None:
            return None
        if self.password_env not in os.environ:
            raise InputError(
                f"password_env names the environment variable {self.password_env}, which is not set"
            )
        return os.environ[self.password_env]
