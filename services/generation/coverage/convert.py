"""Between the contracts of coverage and their domain."""

from __future__ import annotations

from services.generation.coverage.coverage import Coverage, CoverageFilter
from sishu.generation.v1 import coverage_pb2
from sishu.generation.v1 import coverage_service_pb2 as pb


def coverage_filter(request: pb.ListCoverageRequest) -> CoverageFilter:
    """Which sections are listed."""
    return CoverageFilter(
        request.project_id,
        request.document_id or None,
        request.generation_id or None,
        request.fewer_facts_than,
    )


def coverage_to_pb(coverage: Coverage) -> coverage_pb2.Coverage:
    """The coverage of a section."""
    own = {name: value for name, value in vars(coverage).items() if name != "answered_about_facts"}
    return coverage_pb2.Coverage(**own, forms_per_fact=coverage.forms_per_fact)
