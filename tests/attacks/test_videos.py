"""Files called videos that are playlists: a decoder would open what they name."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from res2clip_runtime.errors import SourceError
from res2clip_runtime.sources import open_source

_PLAYLISTS = {
    "HLS over HTTP": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nURL/a.ts\n#EXT-X-ENDLIST\n",
    "HLS of a file": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n",
    "concat": "ffconcat version 1.0\nfile 'URL/x.mp4'\n",
    "concat of a file": "ffconcat version 1.0\nfile '/etc/passwd'\n",
    "SDP": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n",
    "DASH": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static">'
    "<Period><AdaptationSet><Representation><BaseURL>URL/v.mp4</BaseURL></Representation>"
    "</AdaptationSet></Period></MPD>",
}


@pytest.fixture
def asked() -> Iterator[tuple[str, list[str]]]:
    """Address of a web server, and what it was asked for."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_error(404)

        def log_message(self, *unused: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", paths
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("attack", _PLAYLISTS)
@pytest.mark.parametrize("ending", [".mp4", ".avi", ".mkv", ".mjpeg"])
def test_video_that_is_a_playlist_is_refused_and_opens_nothing(
    asked: tuple[str, list[str]], tmp_path: Path, attack: str, ending: str
) -> None:
    pytest.importorskip("av", reason="the extra 'video' is not installed")
    url, paths = asked
    (tmp_path / f"a{ending}").write_text(_PLAYLISTS[attack].replace("URL", url))
    with pytest.raises(SourceError), open_source(str(tmp_path / f"a{ending}")) as source:
        source.read(2.0)
    assert paths == []
