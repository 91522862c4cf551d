"""asyncua's decoder, made to distrust the lengths that a client declares.

As of 2.1 one packet of a stranger can use up the memory: an array of 2^31 Nulls takes no byte in
the packet, a text of negative length moves the reader back, dimensions without elements are filled
up. A count can be no larger than the bytes that are left, and no length is negative.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from asyncua.common.utils import Buffer, NotEnoughData
from asyncua.ua import ua_binary

__all__ = ["install"]

_MOST_DIMENSIONED = 16
"""Elements of an array with dimensions; nothing here has any."""
_Decode = Callable[[Any], Any]


@functools.cache
def install() -> None:
    """Guard the decoder for the whole process; a second call does nothing."""
    ua_binary.MAX_RESHAPE_ELEMENTS = _MOST_DIMENSIONED
    plain_read = Buffer.read

    def read(self: Buffer, size: int) -> bytes:
        if size < 0:
            raise NotEnoughData(f"a length of {size}")
        return plain_read(self, size)

    Buffer.read = read
    for name in ("_create_uatype_array_deserializer", "_create_list_deserializer"):
        setattr(ua_binary, name, _bounded(getattr(ua_binary, name)))
    for name in ("_create_type_deserializer", "_create_dataclass_deserializer"):
        getattr(ua_binary, name).cache_clear()  # they hold what was made before


def _bounded(factory: Callable[[Any], _Decode]) -> Callable[[Any], _Decode]:
    @functools.cache
    def make(kind: Any) -> _Decode:
        decode = factory(kind)

        def bounded(data: Any) -> Any:
            if isinstance(data, Buffer):
                count = ua_binary.Primitives.Int32.unpack(data.copy(4))
                if count > len(data):
                    raise NotEnoughData(f"{count} elements in {len(data)} bytes")
            return decode(data)

        return bounded

    return make
