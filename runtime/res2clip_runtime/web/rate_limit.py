"""How often somebody may do something: a bucket of tokens for each, refilled steadily."""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict

__all__ = ["RateLimit", "client_key"]

_KEPT = 4096


class RateLimit:
    """Token buckets by key, in a bounded piece of memory; used from one thread."""

    def __init__(self, *, per_s: float, burst: int) -> None:
        """Allow ``burst`` at once and ``per_s`` a second in the long run."""
        self._per_s = per_s
        self._burst = float(burst)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, key: str) -> float:
        """Return how long ``key`` must wait for its next token; 0: there is one."""
        tokens = self._tokens(key)
        return 0.0 if tokens >= 1 else (1 - tokens) / self._per_s

    def take(self, key: str) -> float:
        """Take a token and return 0, or return how long ``key`` must wait for one."""
        now_s, tokens = time.monotonic(), self._tokens(key)
        taken = tokens >= 1
        self._buckets[key] = (tokens - taken, now_s)
        self._buckets.move_to_end(key)
        if len(self._buckets) > _KEPT:
            self._buckets.popitem(last=False)
        return 0.0 if taken else (1 - tokens) / self._per_s

    def give_back(self, key: str) -> None:
        """Undo a ``take``."""
        self._buckets[key] = (min(self._burst, self._tokens(key) + 1), time.monotonic())

    def _tokens(self, key: str) -> float:
        tokens, at_s = self._buckets.get(key, (self._burst, 0.0))
        return min(self._burst, tokens + (time.monotonic() - at_s) * self._per_s)


def client_key(host: str) -> str:
    """Return what stands for a client: its IPv4 address, or the network of its IPv6 address."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        mapped = address.ipv4_mapped
        return str(mapped or ipaddress.ip_network((address, 64), strict=False))
    return host
