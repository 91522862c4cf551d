"""Be online on a broker until killed: python publish_until_killed.py PORT CA PASSWORD_FILE."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from res2clip_runtime.sinks.mqtt_publisher import MqttConfig, MqttPublisher

config = MqttConfig(
    host="127.0.0.1",
    port=int(sys.argv[1]),
    tls=True,
    ca_file=Path(sys.argv[2]),
    username="edge",
    password_file=Path(sys.argv[3]),
)
MqttPublisher(config, line="line9").wait_connected(10)
sys.stdout.write("online\n")
sys.stdout.flush()
signal.pause()
