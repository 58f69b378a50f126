"""Chunks that are edited, merged, split and left out; sections: through the rpcs."""

from __future__ import annotations

from pathlib import Path

from google.protobuf.field_mask_pb2 import FieldMask
from tokenizers import Tokenizer, models, pre_tokenizers

from sishu.client import Client
from sishu.ingest.v1 import chunk_pb2, section_pb2, section_service_pb2
from sishu.ingest.v1 import chunk_service_pb2 as pb
from tests.integration.conftest import StartRoom
from tests.integration.documents import (
    HANDBOOK,
    SMALL,
    chunks_of,
    document_now,
    documents_of,
    failure,
    new_project,
    parse,
    parse_again,
    parsed_project,
    text_of,
    upload,
)
from tests.integration.stores import Stores


async def edit(client: Client, chunk_id: str, text: str) -> chunk_pb2.Chunk:
    return (await client.chunks.EditChunk(pb.EditChunkRequest(id=chunk_id, text=text))).chunk


async def merge(client: Client, *ids: str) -> chunk_pb2.Chunk:
    return (await client.chunks.MergeChunks(pb.MergeChunksRequest(ids=ids))).chunk


async def split(client: Client, chunk_id: str, *cut_points: int) -> list[chunk_pb2.Chunk]:
    request = pb.SplitChunkRequest(id=chunk_id, cut_points=cut_points)
    return list((await client.chunks.SplitChunk(request)).chunks)


async def exclude(client: Client, chunk_id: str, excluded: bool = True) -> chunk_pb2.Chunk:
    request = pb.UpdateChunkRequest(
        chunk=chunk_pb2.Chunk(id=chunk_id, excluded=excluded), update_mask=FieldMask(paths=["excluded"])
    )
    return (await client.chunks.UpdateChunk(request)).chunk


async def got(client: Client, chunk_id: str) -> chunk_pb2.Chunk:
    return (await client.chunks.GetChunk(pb.GetChunkRequest(id=chunk_id))).chunk


def joined(chunks: list[chunk_pb2.Chunk]) -> str:
    return "".join(chunk.text[chunk.overlap :] for chunk in chunks)


async def test_an_edited_chunk_stands_in_the_place_of_its_original_which_stays(client: Client) -> None:
    project = await parsed_project(client, {"a.md": HANDBOOK.encode()}, **SMALL)
    before = await chunks_of(client, project)
    edited = await edit(client, before[1].id, "# Birch\n\nThe birch is 31 years old.\n")
    assert (edited.edit_of, edited.index, edited.span) == (before[1].id, 1, before[1].span)
    assert edited.id != before[1].id
    assert await chunks_of(client, project) == [before[0], edited, before[2]]
    assert (await got(client, before[1].id)).text == before[1].text
    assert await edit(client, before[1].id, edited.text) == edited
    again = await edit(client, edited.id, "Another text.")
    assert (again.edit_of, (await chunks_of(client, project))[1]) == (before[1].id, again)
    assert await edit(client, again.id, before[1].text) == before[1]
    assert await chunks_of(client, project) == before


async def test_an_edited_chunk_is_edited_again_where_it_stands_now(client: Client) -> None:
    project = await parsed_project(client, {"a.md": HANDBOOK.encode()}, **SMALL)
    before = await chunks_of(client, project)
    edited = await edit(client, before[1].id, "Another text.")
    parts = await split(client, before[0].id, 7)
    again = await edit(client, edited.id, "A third text.")
    assert [one.id for one in await chunks_of(client, project)] == [
        *(one.id for one in parts),
        again.id,
        before[2].id,
    ]
    await exclude(client, again.id)
    restored = await edit(client, again.id, before[1].text)
    assert (restored.id, restored.index, restored.excluded) == (before[1].id, 2, True)
    await exclude(client, restored.id, excluded=False)
    assert joined(await chunks_of(client, project)) == HANDBOOK


async def test_an_edit_outlives_a_parse_and_a_new_version_that_keep_its_original(client: Client) -> None:
    project = await parsed_project(client, {"a.md": HANDBOOK.encode()}, **SMALL)
    before = await chunks_of(client, project)
    edited = await edit(client, before[1].id, "Another text.")
    await parse_again(
        client,
        (await documents_of(client, project))["a.md"],
        split_options=chunk_pb2.SplitOptions(min_size=1, max_size=90),
    )
    assert [one.id for one in await chunks_of(client, project)] == [before[0].id, edited.id, before[2].id]
    await upload(
        client, project, "a.md", ("# New\n\nA new first section of some length.\n\n" + HANDBOOK).encode()
    )
    await parse(client, project, **SMALL)
    chunks = await chunks_of(client, project)
    assert [one.id for one in chunks][1:] == [before[0].id, edited.id, before[2].id]
    assert (chunks[2].index, chunks[2].document_version, chunks[2].text) == (2, 2, "Another text.")
    assert chunks[2].span.start == chunks[1].span.end


async def test_merged_and_split_chunks_are_still_the_text(client: Client) -> None:
    project = await parsed_project(client, {"a.md": HANDBOOK.encode()}, **SMALL)
    before = await chunks_of(client, project)
    merged = await merge(client, before[1].id, before[0].id)
    assert list(merged.made_from) == [before[0].id, before[1].id]
    assert (merged.span.start, merged.span.end) == (0, before[1].span.end)
    chunks = await chunks_of(client, project)
    assert [(one.id, one.index) for one in chunks] == [(merged.id, 0), (before[2].id, 1)]
    assert joined(chunks) == HANDBOOK
    assert await merge(client, before[0].id, before[1].id) == merged
    parts = await split(client, merged.id, 7, before[0].span.end)
    assert [one.index for one in parts] == [0, 1, 2]
    assert [list(one.heading_path) for one in parts] == [["Ash"], ["Ash"], ["Birch"]]
    chunks = await chunks_of(client, project)
    assert joined(chunks) == HANDBOOK
    assert [one.index for one in chunks] == [0, 1, 2, 3]
    assert await split(client, merged.id, 7, before[0].span.end) == parts
    document = (await documents_of(client, project))["a.md"]
    assert document.chunk_count == 4
    await parse_again(client, document, split_options=chunk_pb2.SplitOptions(min_size=1, max_size=90))
    assert await chunks_of(client, project) == before
    assert (await got(client, merged.id)).text == merged.text


async def test_changes_that_make_no_sense_say_why_and_change_nothing(client: Client) -> None:
    project = await parsed_project(client, {"a.md": HANDBOOK.encode(), "b.md": b"Other text."}, **SMALL)
    (other,) = [one for one in await chunks_of(client, project) if one.text == "Other text."]
    ash, birch, cedar = [one for one in await chunks_of(client, project) if one.text != "Other text."]
    for call, reason in [
        (merge(client, ash.id, cedar.id), "CHUNKS_NOT_ADJACENT"),
        (merge(client, ash.id, other.id), "CHUNKS_NOT_ADJACENT"),
        (split(client, birch.id, birch.span.end), "CUT_POINTS_INVALID"),
        (split(client, birch.id, 1), "CUT_POINTS_INVALID"),
        (edit(client, birch.id, " \n"), "CHUNK_TEXT_EMPTY"),
        (edit(client, project, "text"), "CHUNK_NOT_FOUND"),
        (exclude(client, project), "CHUNK_NOT_FOUND"),
    ]:
        assert (await failure(call)).reason == reason
    edited = await edit(client, birch.id, "Another text.")
    assert (await failure(merge(client, ash.id, edited.id))).reason == "CHUNK_EDITED"
    assert (await failure(split(client, edited.id, 70))).reason == "CHUNK_EDITED"
    assert (await failure(merge(client, ash.id, birch.id))).reason == "CHUNK_NOT_CURRENT"
    assert (await failure(split(client, birch.id, birch.span.start + 5))).reason == "CHUNK_NOT_CURRENT"
    assert len(await chunks_of(client, project)) == 4


async def test_an_excluded_chunk_is_listed_only_when_asked_for_and_stays_excluded(client: Client) -> None:
    project = await parsed_project(client, {"a.md": HANDBOOK.encode()}, **SMALL)
    before = await chunks_of(client, project)
    assert (await exclude(client, before[1].id)).excluded
    assert await chunks_of(client, project) == [before[0], before[2]]
    shown = await chunks_of(client, project, show_excluded=True)
    assert [one.excluded for one in shown] == [False, True, False]
    edited = await edit(client, before[1].id, "Another text.")
    assert edited.excluded
    await edit(client, edited.id, before[1].text)
    document = (await documents_of(client, project))["a.md"]
    await parse_again(client, document, split_options=chunk_pb2.SplitOptions(min_size=1, max_size=90))
    assert await chunks_of(client, project) == [before[0], before[2]]
    await exclude(client, before[1].id, excluded=False)
    assert await chunks_of(client, project) == before


async def sections_of(client: Client, project: str) -> list[section_pb2.Section]:
    request = section_service_pb2.ListSectionsRequest(project_id=project)
    return list((await client.sections.ListSections(request)).sections)


async def test_sections_are_a_tree_over_the_text_and_chunks_know_theirs(client: Client) -> None:
    text = "Intro.\n\n# One\n\nText one.\n\n## Inner\n\nText inner.\n\n# Two\n\nText two.\n"
    project = await parsed_project(client, {"a.md": text.encode()}, min_size=1, max_size=30)
    one, inner, two = await sections_of(client, project)
    assert [(each.title, each.level, each.index) for each in (one, inner, two)] == [
        ("One", 1, 0),
        ("Inner", 2, 1),
        ("Two", 1, 2),
    ]
    assert (one.parent_id, inner.parent_id, two.parent_id) == ("", one.id, "")
    assert text[one.span.start : one.span.end] == "# One\n\nText one.\n\n## Inner\n\nText inner.\n\n"
    assert text[inner.span.start : inner.span.end] == "## Inner\n\nText inner.\n\n"
    chunks = {chunk.text.strip().rpartition("\n")[2]: chunk for chunk in await chunks_of(client, project)}
    assert chunks["Intro."].section_id == ""
    assert chunks["Text inner."].section_id == inner.id
    assert list(chunks["Text inner."].heading_path) == ["One", "Inner"]
    document = (await documents_of(client, project))["a.md"]
    assert document.section_count == 3
    await upload(client, project, "a.md", text.replace("Text two", "Text 2").encode())
    assert await sections_of(client, project) == []
    await parse(client, project, min_size=1, max_size=30)
    assert [each.id for each in await sections_of(client, project)] == [one.id, inner.id, two.id]


async def test_overlap_repeats_and_without_it_the_chunks_are_the_text(client: Client) -> None:
    project = await parsed_project(client, {"a.md": HANDBOOK.encode()}, min_size=50, max_size=90, overlap=20)
    chunks = await chunks_of(client, project)
    text = await text_of(client, chunks[0].document_id)
    assert joined(chunks) == text == HANDBOOK
    assert chunks[0].overlap == 0
    assert any(chunk.overlap for chunk in chunks)
    for chunk in chunks:
        assert text[chunk.span.start : chunk.span.end] == chunk.text
    document = await document_now(client, chunks[0].document_id)
    assert (document.split_options.overlap, document.split_options.max_size) == (20, 90)


async def test_a_tokenizer_is_of_the_folder_for_that_and_no_other_path(
    stores: Stores, start_room: StartRoom, tmp_path: Path
) -> None:
    folder, words = tmp_path / "tokenizers", Tokenizer(models.WordLevel({"": 0}, ""))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    folder.mkdir()
    words.save(str(folder / "words.json"))
    words.save(str(tmp_path / "elsewhere.json"))
    await start_room("ingest", env={"SISHU_INGEST_TOKENIZER_FOLDER": folder})
    async with stores.client() as client:
        project = await new_project(client)
        document = await upload(client, project, "a.md", b"one-and-a-half two, three.\n")
        for name in (str(tmp_path / "elsewhere.json"), "../elsewhere.json"):
            options = chunk_pb2.SplitOptions(tokenizer=name)
            error = await failure(parse_again(client, document, split_options=options))
            assert (error.reason, error.field) == ("TOKENIZER_NOT_ALLOWED", "split_options.tokenizer")
        job = await parse_again(
            client, document, split_options=chunk_pb2.SplitOptions(tokenizer="missing.json")
        )
        assert job.failure.reason == "TOKENIZER_NOT_FOUND"
        await parse_again(client, document, split_options=chunk_pb2.SplitOptions(tokenizer="words.json"))
        (chunk,) = await chunks_of(client, project)
        assert chunk.token_count == 3
        edit = pb.EditChunkRequest(id=chunk.id, text="one-and-a-half two three four")
        assert (await client.chunks.EditChunk(edit)).chunk.token_count == 4
