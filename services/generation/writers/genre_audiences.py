"""Genre-audience pairs of documents."""

from __future__ import annotations

from services.generation.asking.asking import Task
from services.generation.asking.call_store import insert_call
from services.generation.generations.generations import Generation
from services.generation.generations.kinds import GenreAudienceOptions
from services.generation.genre_audiences.genre_audiences import BEGINNING_CHARS, Voice, genre_audience_values
from services.generation.genre_audiences.writing import voices_parser, voices_schema
from services.generation.questions.facts import language_of
from services.generation.writers.desk import Desk
from services.runtime.db import Connection
from services.runtime.jobs import Item, NewItem


class GenreAudienceWriter:
    """Does the items of a generation of genre-audience pairs.

    `plan_genre_audiences` (one a page of documents) makes a `write_genre_audiences` for each document.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def plan_genre_audiences(self, item: Item) -> None:
        """Make items for a page of documents, and for the next page."""
        generation = await self._desk.store.get_generation(item.job_resource_id)
        documents, token = await self._desk.outlines.documents(
            generation.project_id, generation.options.document_ids, item.payload.get("page_token", "")
        )
        payload = {"page_token": token}
        following = NewItem(item.kind, str(int(item.key) + 1), payload=payload, turn=item.turn)
        items = [following] if token else []
        items += [NewItem("write_genre_audiences", one.id, one.id) for one in documents]
        async with self._desk.jobs.finish(item) as connection:
            await self._desk.jobs.add_items(connection, item.job_id, items)

    async def write_genre_audiences(self, item: Item) -> None:
        """Have the pairs of a document written from its beginning."""
        generation, provider = await self._desk.store.get_origin(item.job_resource_id)
        document = await self._desk.outlines.document(item.resource_id)
        chunk_id, text = await self._desk.outlines.beginning(document, BEGINNING_CHARS)
        if not text.strip():
            async with self._desk.jobs.finish(item, skipped=True):
                return
        options = generation.options.genre_audience_pairs or GenreAudienceOptions()
        existing = [] if options.replace else await self._existing(generation, document.id)
        prompt = await self._desk.prompts.filled(
            generation,
            "genre_audiences",
            generation.options.language or language_of(text),
            genre_audience_values(document.name, text, options.pairs, existing),
        )
        schema, parse = voices_schema(options.pairs), voices_parser(options.pairs, existing)
        task = Task(item, generation, provider, chunk_id, prompt, schema, parse)
        async with self._desk.asker.asked(task) as asked:

            async def store(connection: Connection) -> None:
                await insert_call(connection, generation.id, asked.call, asked.settlement)
                await self._desk.pairs.add_written(
                    connection, generation.project_id, document.id, asked.value, replace=options.replace
                )

            await self._desk.jobs.finish_held(item, store)

    async def _existing(self, generation: Generation, document_id: str) -> list[Voice]:
        found = await self._desk.pairs.of_documents(generation.project_id, [document_id], enabled=False)
        return [pair.voice for pair in found.get(document_id, [])]
