"""Read examples from the dataset room."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from services.generation.candidates.candidates import Message
from services.generation.candidates.examples import SourceExample
from services.generation.generations.option_convert import enum_name, filter_to_pb
from sishu.client import Client
from sishu.common.v1 import message_pb2
from sishu.dataset.v1 import example_pb2
from sishu.dataset.v1 import example_service_pb2 as pb
from sishu.errors import ApiError

PAGE = 200


class ExampleReader:
    """Examples of a project."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def page(
        self, project_id: str, wanted: Mapping[str, Any], token: str, size: int = PAGE
    ) -> tuple[list[str], str]:
        """Ids of a page of the examples that a filter means, and the token of the next; empty at the end.

        A page may be empty where there are more.
        """
        request = pb.ListExamplesRequest(
            project_id=project_id, filter=filter_to_pb(wanted), page_size=size, page_token=token
        )
        page = await self._client.examples.ListExamples(request)
        return [one.id for one in page.examples], page.next_page_token

    async def any(self, project_id: str, wanted: Mapping[str, Any]) -> bool:
        """Whether a filter means an example."""
        token = ""
        while True:
            ids, token = await self.page(project_id, wanted, token, 1)
            if ids or not token:
                return bool(ids)

    async def get(self, example_id: str) -> SourceExample | None:
        """One example; nothing where it was deleted.

        Raises:
            ApiError: the dataset room is away.
        """
        try:
            answer = await self._client.examples.GetExample(pb.GetExampleRequest(id=example_id))
        except ApiError as error:
            if error.code != "NOT_FOUND":
                raise
            return None
        return example_of(answer.example)


def example_of(example: example_pb2.Example) -> SourceExample:
    """An example of the contract."""
    return SourceExample(
        id=example.id,
        kind=enum_name(example_pb2.ExampleKind, example.kind) or "",
        revision=example.revision,
        messages=messages_of(example.messages),
        chosen=example.preference.chosen.content,
        bad=example.preference.rejected.content,
        quoted=[one.text for one in example.quotes],
        chunk_ids=list(example.lineage.chunk_ids),
        question_type=example.lineage.question_type,
    )


def messages_of(messages: Iterable[message_pb2.Message]) -> list[Message]:
    """Turns."""
    return [Message(enum_name(message_pb2.Role, one.role) or "user", one.content) for one in messages]
