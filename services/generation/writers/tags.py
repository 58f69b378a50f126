"""The domain tree of a project, from the outlines of its documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from services.generation.asking.asking import Task
from services.generation.asking.call_store import insert_call
from services.generation.generations.generations import Generation
from services.generation.generations.kinds import TagOptions
from services.generation.providers.providers import Provider
from services.generation.questions.facts import language_of
from services.generation.tags.tag_calls import places_call, tree_call
from services.generation.tags.tag_outlines import Entry
from services.generation.tags.tag_trees import Step, TagTree, nearest, next_step, whole_documents
from services.generation.tags.tags import TagPlace
from services.generation.writers.desk import Desk
from services.runtime.db import Connection
from services.runtime.errors import FailedPrecondition
from services.runtime.jobs import Item, NewItem


class TagWriter:
    """Does the items of a generation of tags.

    `plan_tags` (one a page of documents) notes their outlines. `write_tags` makes one call (`next_step` says
    which) and the next `write_tags`; the last one puts the tree in its place, all at once.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def plan_tags(self, item: Item) -> None:
        """Note the outlines of a page of documents; make an item for the next page, or for the first call."""
        generation = await self._desk.store.get_generation(item.job_resource_id)
        documents, token = await self._desk.outlines.documents(
            generation.project_id, generation.options.document_ids, item.payload.get("page_token", "")
        )
        found = [entry for document in documents for entry in await self._desk.outlines.entries(document)]
        entries = [replace(entry, number=number) for number, entry in enumerate(found, 1)]
        following = (
            NewItem("plan_tags", str(int(item.key) + 1), payload={"page_token": token}, turn=item.turn)
            if token
            else NewItem("write_tags", "0", turn=item.turn)
        )
        anew = options_of(generation).mode == "rebuild"
        async with self._desk.jobs.finish(item) as connection:
            await self._desk.entries.add(connection, generation, entries, all_of_them=anew)
            await self._desk.jobs.add_items(connection, item.job_id, [following])

    async def write_tags(self, item: Item) -> None:
        """Have tags written, or entries put under them; when all was asked, put the tree in its place."""
        generation, provider = await self._desk.store.get_origin(item.job_resource_id)
        options = options_of(generation)
        entries = await self._desk.entries.list(generation.id)
        known = [] if options.mode == "rebuild" else await self._desk.tags.list_titles(generation.project_id)
        tree = TagTree([*known, *(tuple(titles) for titles in item.payload.get("tags", ()))])
        check_begin(options, entries, tree)
        step = next_step(entries, tree, options)
        if step is None:
            await self._settle(item, generation, entries, tree)
        else:
            await self._ask(item, generation, provider, step, tree)

    async def _ask(
        self, item: Item, generation: Generation, provider: Provider, step: Step, tree: TagTree
    ) -> None:
        call = (tree_call if step.writes else places_call)(step, tree, options_of(generation))
        language = generation.options.language or language_of(str(call.values["outline"]))
        prompt = await self._desk.prompts.filled(generation, call.prompt, language, call.values)
        task = Task(item, generation, provider, None, prompt, call.schema, call.parse)
        async with self._desk.asker.asked(task) as asked:
            tags = call.tags_of(asked.value)

            async def store(connection: Connection) -> None:
                await insert_call(connection, generation.id, asked.call, asked.settlement)
                await self._desk.entries.update(connection, generation.id, tags, written=step.writes)
                await self._desk.jobs.add_items(connection, item.job_id, [following(item, tree)])

            await self._desk.jobs.finish_held(item, store)

    async def _settle(
        self, item: Item, generation: Generation, entries: Sequence[Entry], tree: TagTree
    ) -> None:
        mode = options_of(generation).mode
        documents = list({entry.document_id for entry in entries})
        held = {} if mode == "rebuild" else await self._desk.entries.held(generation.project_id, documents)
        tags = nearest(entries, tree, held)
        places = [
            (tags[one.number], TagPlace(one.document_id, one.heading_path, one.chunk_id)) for one in entries
        ]
        whole = whole_documents(entries, tags, held)
        places += [(titles, TagPlace(document_id)) for document_id, titles in whole.items()]
        async with self._desk.jobs.finish(item) as connection:
            await self._desk.entries.settle(connection, generation, list(tree), places, mode)


def options_of(generation: Generation) -> TagOptions:
    """What becomes of the tree."""
    return generation.options.tags or TagOptions()


def check_begin(options: TagOptions, entries: Sequence[Entry], tree: TagTree) -> None:
    """Refuse what would come to nothing, or would leave a project without its tree.

    Raises:
        FailedPrecondition: there are no tags to keep, or no text to build a tree from.
    """
    if options.mode == "keep" and not tree:
        raise FailedPrecondition(
            "NO_TAGS",
            "the project has no tags to keep; make some, or build the tree with the mode REVISE",
        )
    if options.mode == "rebuild" and not entries:
        raise FailedPrecondition(
            "NO_OUTLINE", "the documents hold no text to build a tree from; parse them first"
        )


def following(item: Item, tree: TagTree) -> NewItem:
    """The next call, which goes on with the tags of this one."""
    tags = [list(titles) for titles in tree]
    return NewItem("write_tags", str(int(item.key) + 1), payload={"tags": tags}, turn=item.turn)
