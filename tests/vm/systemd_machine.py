"""A virtual machine that boots this machine's systemd with our unit, installed as its head says."""

from __future__ import annotations

import shlex
import sys
import sysconfig
from pathlib import Path

from vm.machine import command_line, need_programs, run_machine

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "deploy" / "res2clip-run.service"
ADDRESS = "192.0.2.10"
"""The machine's own, which its slow network gets some seconds after the boot began."""
CAMERA = "/dev/res2clip/by-path/platform-vivid.0"
ALWAYS_OK = 1e6
"""A threshold that every picture is below: a verdict that must not be would be OK."""

_CONFIG = f"""\
[line]
name = "vm"
stall_s = 5
[model]
bundle = "bundle"
threads = 1
[[recipe]]
file = "washer.recipe.safetensors"
threshold = {ALWAYS_OK}
[[camera]]
name = "top"
source = "v4l2://{CAMERA}"
[jsonl]
folder = "/var/lib/res2clip/results"
[metrics]
host = "{ADDRESS}"
"""
# Whatever else this machine would start stays out. The program's folder holds this machine's Python
# and packages, as a virtual environment would; homes are closed to the unit.
_BEGIN = """\
set -e
rm -rf /etc/systemd/system/* /etc/rc?.d/* /etc/udev/rules.d/*; : > /etc/fstab
echo 0123456789abcdef0123456789abcdef > /etc/machine-id
mkdir -p /opt/res2clip/bin /opt/python /opt/packages /opt/source /etc/res2clip
mount --bind {python} /opt/python
mount --bind {packages} /opt/packages
mount --bind {source} /opt/source
cat > /opt/res2clip/bin/res2clip-run <<'X'
#!/bin/sh
exec env LD_LIBRARY_PATH=/opt/python/lib PYTHONPATH=/opt/source:/opt/packages \\
  PYTHONDONTWRITEBYTECODE=1 /opt/python/bin/{name} -m res2clip_runtime.cli "$@"
X
chmod 755 /opt/res2clip/bin/res2clip-run
cp -r {bundle} /etc/res2clip/bundle
install -m 644 {recipe} /etc/res2clip/washer.recipe.safetensors
install -m 644 /out/line.toml {files}/sandbox_probe.py /etc/res2clip/
install -m 644 /out/network.service /out/scenario.service /etc/systemd/system/
chmod -R a+rX /etc/res2clip
cd {repository}
{instructions}
systemctl enable network.service scenario.service
# It would empty /tmp, which is large where the tests run.
mkdir -p /etc/tmpfiles.d; ln -sf /dev/null /etc/tmpfiles.d/tmp.conf
touch /out/boot
"""
_NETWORK = f"""\
[Unit]
Description=A network that is there late
DefaultDependencies=no
Before=network-online.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'sleep 5; exec ip address add {ADDRESS}/32 dev lo'
[Install]
WantedBy=network-online.target
"""
_SCENARIO = """\
[Unit]
Description=The test
[Service]
ExecStart=/bin/sh /out/scenario.sh
StandardOutput=append:/out/scenario.log
StandardError=inherit
[Install]
WantedBy=multi-user.target
"""


def boot(folder: Path, module: str, function: str, *, bundle: Path, recipe: Path, timeout_s: float):
    """Return what ``module.function()`` returns, called by root beside the unit at the boot."""
    need_programs("systemctl", "udevadm", "ip", "useradd")
    begin = _BEGIN.format(
        python=shlex.quote(sys.base_prefix),
        packages=shlex.quote(sysconfig.get_paths()["purelib"]),
        source=shlex.quote(str(ROOT / "runtime")),
        name=f"python{sys.version_info.major}.{sys.version_info.minor}",
        bundle=shlex.quote(str(bundle)),
        recipe=shlex.quote(str(recipe)),
        files=shlex.quote(str(Path(__file__).parent)),
        repository=shlex.quote(str(ROOT)),
        instructions="\n".join(instructions()),
    )
    call = command_line(module, function)
    end = "journalctl -o short-monotonic > /out/journal.log; sync; systemctl poweroff -ff"
    files = {
        "line.toml": _CONFIG,
        "network.service": _NETWORK,
        "scenario.service": _SCENARIO,
        "scenario.sh": f"{call}\n{end}\n",
    }
    return run_machine(folder, begin, cameras=1, files=files, timeout_s=timeout_s)


def instructions(*, running: bool = False) -> list[str]:
    """Return the commands at the head of the unit, those for before the boot or for after it."""
    lines = [line[4:] for line in UNIT.read_text().splitlines() if line.startswith("#   ")]
    after = ("udevadm", "runuser")
    # It is the boot that has to start the unit.
    return [line.replace(" --now", "") for line in lines if line.startswith(after) is running]
