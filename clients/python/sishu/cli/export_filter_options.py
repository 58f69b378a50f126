"""Which examples of a version are exported, as options of the command."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from sishu.cli.find_names import document_ids, tag_ids
from sishu.cli.parse_options import chosen
from sishu.cli.texts import say
from sishu.client import Client
from sishu.dataset.v1.dataset_service_pb2 import GetDatasetVersionRequest
from sishu.dataset.v1.example_pb2 import ReviewState
from sishu.dataset.v1.export_pb2 import ExportFilter

Texts = list[str] | None


@dataclass(frozen=True)
class ExportFilterOptions:
    """The options; each that is empty leaves all in."""

    document: Annotated[Texts, typer.Option(help=say("filter_document"))] = None
    tag: Annotated[Texts, typer.Option(help=say("filter_tag"))] = None
    label: Annotated[Texts, typer.Option(help=say("filter_label"))] = None
    min_score: Annotated[float | None, typer.Option(help=say("filter_min_score"))] = None
    max_score: Annotated[float | None, typer.Option(help=say("filter_max_score"))] = None
    language: Annotated[Texts, typer.Option(help=say("filter_language"))] = None
    question_type: Annotated[Texts, typer.Option(help=say("filter_question_type"))] = None
    source: Annotated[Texts, typer.Option(help=say("filter_source"))] = None
    review: Annotated[Texts, typer.Option(help=say("filter_review"))] = None
    text: Annotated[str, typer.Option(help=say("filter_text"))] = ""

    def filter(self) -> ExportFilter:
        """The options as a filter, in which documents and tags stand as they were given (see `with_ids`).

        Raises:
            ApiError: a word is none.
        """
        return ExportFilter(
            document_ids=self.document,
            tag_ids=self.tag,
            labels=self.label,
            min_score=self.min_score,
            max_score=self.max_score,
            languages=self.language,
            question_types=self.question_type,
            sources=self.source,
            review_states=[chosen(ReviewState, "REVIEW_STATE", one) for one in self.review or []],
            text=self.text,
        )


async def with_ids(client: Client, version_id: str, wanted: ExportFilter) -> ExportFilter:
    """The same filter with ids where documents and tags of the version's project were given by their names.

    Raises:
        ApiError: there is none of a name, or there are several, or no version.
    """
    if wanted.document_ids or wanted.tag_ids:
        request = GetDatasetVersionRequest(id=version_id)
        version = (await client.datasets.GetDatasetVersion(request)).dataset_version
        wanted.document_ids[:] = await document_ids(client, version.project_id, wanted.document_ids)
        wanted.tag_ids[:] = await tag_ids(client, version.project_id, wanted.tag_ids)
    return wanted
