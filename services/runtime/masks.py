"""Field masks of update requests."""

from __future__ import annotations

from google.protobuf.field_mask_pb2 import FieldMask

from services.runtime.errors import InvalidArgument


def check_mask(mask: FieldMask, *allowed: str) -> frozenset[str]:
    """The paths of a mask, which must name at least one field and only fields that may change.

    Raises:
        InvalidArgument: the mask is empty, or names another field.
    """
    unknown = sorted(set(mask.paths) - set(allowed))
    if unknown or not mask.paths:
        raise InvalidArgument(
            "MASK_INVALID",
            f"update_mask names {', '.join(unknown) or 'no field'}; it may name {', '.join(allowed)}",
            "update_mask",
        )
    return frozenset(mask.paths)
