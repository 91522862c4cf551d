"""What every request passes first and every answer last: names, rates, errors, headers."""

from __future__ import annotations

import errno
import logging

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from res2clip_runtime.errors import (
    ArtefactError,
    ArtefactNotFoundError,
    BackendError,
    InputError,
    MissingExtraError,
    OutputError,
    Res2ClipError,
)
from res2clip_runtime.web.access import refuse_if_too_many
from res2clip_runtime.web.json_answer import JsonAnswer
from res2clip_runtime.web.rate_limit import RateLimit, client_key
from res2clip_runtime.web.same_site import check_host

__all__ = ["Gate"]

logger = logging.getLogger(__name__)

_HEADERS = {
    # Nothing inline, nothing from elsewhere: text that somebody smuggles into the page stays text.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        "connect-src 'self'; font-src 'self'; manifest-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}
_STATUS: tuple[tuple[type[Res2ClipError], int], ...] = (
    (InputError, 409),
    (ArtefactError, 409),
    (ArtefactNotFoundError, 409),
    (BackendError, 503),
    (MissingExtraError, 501),
    (OutputError, 507),
)
_FULL = (errno.ENOSPC, errno.EDQUOT)


class Gate:
    """Around the routes, as an ASGI application."""

    def __init__(self, app: ASGIApp, *, names: frozenset[str]) -> None:
        """Let requests for ``names`` and addresses through to ``app``."""
        self._app = app
        self._names = names
        # Far more than a page needs, far less than one client may take from the others.
        self._rate = RateLimit(per_s=200, burst=1000)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, whatever happens."""
        if scope["type"] != "http":
            return
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                _add_headers(message)
            await send(message)

        try:
            check_host(Headers(scope=scope), self._names)
            client = (scope.get("client") or ("unknown",))[0]
            refuse_if_too_many(self._rate.take(client_key(client)), "requests")
            await self._app(scope, receive, send_with_headers)
        except (HTTPException, Res2ClipError) as err:
            if not started:
                await _refusal(err)(scope, receive, send_with_headers)
        except ClientDisconnect:
            return  # nobody is there to hear it
        except Exception:  # one request that fails must not end the page
            logger.exception("a defect of res2clip, please report it: %s", scope["path"][:200])
            if not started:
                answer = JsonAnswer({"error": "a defect of res2clip; see its log"}, 500)
                await answer(scope, receive, send_with_headers)


def _refusal(err: HTTPException | Res2ClipError) -> JsonAnswer:
    if isinstance(err, HTTPException):
        return JsonAnswer({"error": err.detail}, err.status_code, err.headers)
    status = next((code for kind, code in _STATUS if isinstance(err, kind)), 500)
    if isinstance(err, OutputError) and err.errno not in _FULL:
        status = 503
    text = err.strerror if isinstance(err, OSError) and err.strerror else str(err)
    return JsonAnswer({"error": text}, status)


def _add_headers(message: Message) -> None:
    headers = MutableHeaders(raw=list(message["headers"]))
    for name, value in _HEADERS.items():
        headers[name] = value
    headers.setdefault("Cache-Control", "no-store")
    message["headers"] = headers.raw
