"""Parameters of a call to a language model that the contract has no field for."""

from __future__ import annotations

from typing import Any

from google.protobuf.json_format import MessageToDict

from services.runtime.errors import InvalidArgument
from sishu.common.v1.message_pb2 import Sampling

OURS = frozenset(
    {"model", "messages", "stream", "stream_options", "response_format", "n", "tools", "tool_choice"}
)
"""What the services say themselves."""
NAMED = frozenset(Sampling.DESCRIPTOR.fields_by_name)


def extra_body(sampling: Sampling) -> dict[str, Any]:
    """The other parameters of a sampling, whole numbers as such: protobuf knows fractions only.

    Raises:
        InvalidArgument: one of them has a field, or is not the caller's to say.
    """
    found: dict[str, Any] = whole(MessageToDict(sampling.extra_body))
    wrong = sorted(found.keys() & (OURS | NAMED))
    if wrong:
        why = "has a field of its own" if wrong[0] in NAMED else "is said by the service"
        raise InvalidArgument(
            "FIELD_INVALID", f"extra_body: {wrong[0]!r} {why}; leave it out", "sampling.extra_body"
        )
    return found


def whole(value: Any) -> Any:
    """JSON with numbers without a fraction as integers."""
    if isinstance(value, dict):
        return {key: whole(one) for key, one in value.items()}
    if isinstance(value, list):
        return [whole(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
