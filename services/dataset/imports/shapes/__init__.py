"""Shapes: how rows say what an example says."""

from __future__ import annotations

from services.dataset.imports.shapes.detection import detected
from services.dataset.imports.shapes.exported import structured
from services.dataset.imports.shapes.families import Family, MapOptions, Mapper
from services.dataset.imports.shapes.own import mapped as mapped_own
from services.dataset.imports.shapes.table import OWN, SHAPES, STRUCTURED, Shape

__all__ = ["SHAPES", "MapOptions", "Mapper", "Shape", "detected", "mapper_of"]


def mapper_of(shape: Shape, options: MapOptions) -> Mapper:
    """What makes content of the rows of a shape."""
    if shape.family == OWN:
        return lambda row: mapped_own(row, shape.columns)
    if shape.family == STRUCTURED:
        return structured
    mapper: Mapper = getattr(Family(shape.columns, shape.tags, options), shape.family)
    return mapper
