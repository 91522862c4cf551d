"""An RTSP server of gst-rtsp-server: H.264 at /cam, MJPEG at /mjpg, 320 x 240 px.

Run by /usr/bin/python3, which has ``gi``: ``rtsp_program.py PORT FPS [USER PASSWORD]``.
"""

from __future__ import annotations

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

_PICTURE = (
    "videotestsrc is-live=true pattern={pattern} ! "
    "video/x-raw,width=320,height=240,framerate={fps}/1,format=I420 ! "
)
_H264 = (
    "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=10 bitrate=800 ! "
    "rtph264pay name=pay0 pt=96 config-interval=1"
)
_MJPEG = "jpegenc ! rtpjpegpay name=pay0 pt=26"


def factory(launch: str, *, fps: str, pattern: str, secured: bool) -> object:
    made = GstRtspServer.RTSPMediaFactory()
    made.set_shared(True)
    made.set_launch(f"( {_PICTURE.format(pattern=pattern, fps=fps)}{launch} )")
    if secured:
        permissions = GstRtspServer.RTSPPermissions()
        for name in ("media.factory.access", "media.factory.construct"):
            permissions.add_permission_for_role("viewer", name, True)
        made.set_permissions(permissions)
    return made


def authentication(user: str, password: str) -> object:
    auth, token = GstRtspServer.RTSPAuth(), GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    return auth


def main() -> None:
    port, fps, *secret = sys.argv[1:]
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    points = server.get_mount_points()
    for place, launch, pattern in (("/cam", _H264, "ball"), ("/mjpg", _MJPEG, "smpte")):
        points.add_factory(place, factory(launch, fps=fps, pattern=pattern, secured=bool(secret)))
    if secret:
        server.set_auth(authentication(*secret))
    server.attach(None)
    print("ready", flush=True)  # noqa: T201
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
