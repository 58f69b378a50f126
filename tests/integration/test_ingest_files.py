"""Archives, mails, pictures, cleaning, equal files: through the rpcs."""

from __future__ import annotations

import hashlib
import io
import zipfile
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from sishu.client import Client
from sishu.common.v1 import job_pb2, job_service_pb2
from sishu.ingest.v1 import document_pb2
from sishu.ingest.v1 import document_service_pb2 as pb
from sishu.learn.files import gather_files, upload_files
from tests.integration.documents import (
    announce,
    chunks_of,
    documents_of,
    failure,
    fetch,
    new_project,
    parse,
    parse_again,
    parsed_project,
    text_of,
    upload,
)
from tests.integration.stores import Rooms
from tests.support.fault_files import pdf

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c63606060f80f0001040100c9fe92ef0000000049454e44ae426082"
)


def archive(**members: bytes) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in members.items():
            made.writestr(name.replace("__", "/").replace("_DOT_", "."), content)
    return data.getvalue()


async def test_the_files_of_an_archive_are_documents_of_their_own(client: Client) -> None:
    inner = archive(deep_DOT_md=b"Deep text.")
    data = archive(
        folder__a_DOT_md=b"# A\n\nText of a.",
        b_DOT_txt="退货政策。".encode(),
        inner_DOT_zip=inner,
        x_DOT_exe=b"MZ",
    )
    project = await new_project(client)
    holder = await upload(client, project, "all.zip", data)
    job = await parse(client, project)
    assert (job.state, job.counts.done, job.counts.total) == (job_pb2.JOB_STATE_SUCCEEDED, 5, 5)
    found = await documents_of(client, project)
    assert sorted(found) == [
        "all.zip",
        "all.zip/b.txt",
        "all.zip/folder/a.md",
        "all.zip/inner.zip",
        "all.zip/inner.zip/deep.md",
    ]
    assert {one.state for one in found.values()} == {document_pb2.DOCUMENT_STATE_PARSED}
    assert found["all.zip/folder/a.md"].parent_id == holder.id
    assert found["all.zip/inner.zip/deep.md"].parent_id == found["all.zip/inner.zip"].id
    assert await text_of(client, found["all.zip/folder/a.md"].id) == "# A\n\nText of a."
    assert "x.exe" in await text_of(client, holder.id)
    assert {one.document_id for one in await chunks_of(client, project)} == {
        found[name].id for name in ("all.zip/b.txt", "all.zip/folder/a.md", "all.zip/inner.zip/deep.md")
    }
    request = pb.ListDocumentsRequest(project_id=project, parent_id=holder.id)
    held = (await client.documents.ListDocuments(request)).documents
    assert [one.name for one in held] == ["all.zip/b.txt", "all.zip/folder/a.md", "all.zip/inner.zip"]


async def test_a_new_version_of_an_archive_is_a_new_version_of_what_changed_in_it(client: Client) -> None:
    project = await new_project(client)
    await upload(client, project, "all.zip", archive(a_DOT_md=b"Text of a.", b_DOT_md=b"Text of b."))
    await parse(client, project)
    before = await documents_of(client, project)
    await upload(client, project, "all.zip", archive(a_DOT_md=b"Text of a.", b_DOT_md=b"Changed text of b."))
    job = await parse(client, project)
    assert job.counts.total == 2
    after = await documents_of(client, project)
    assert {name: one.id for name, one in after.items()} == {name: one.id for name, one in before.items()}
    assert (after["all.zip/a.md"].version, after["all.zip/b.md"].version) == (1, 2)
    assert await text_of(client, after["all.zip/b.md"].id) == "Changed text of b."


async def test_what_a_new_version_of_an_archive_holds_no_more_is_deleted(
    rooms: Rooms, client: Client
) -> None:
    project = await new_project(client)
    inner = archive(deep_DOT_md=b"Deep text.")
    first = archive(a_DOT_md=b"Text of a.", b_DOT_md=b"Text of b.", inner_DOT_zip=inner)
    await upload(client, project, "all.zip", first)
    # Of the same name, and none of the archive's.
    other = await upload(client, project, "b.md", b"Other text.")
    await parse(client, project)
    before = await documents_of(client, project)
    assert len(before) == 6
    await upload(client, project, "all.zip", archive(a_DOT_md=b"Text of a.", c_DOT_md=b"Text of c."))
    job = await parse(client, project)
    assert (job.state, job.counts.done) == (job_pb2.JOB_STATE_SUCCEEDED, 2)
    after = await documents_of(client, project)
    assert sorted(after) == ["all.zip", "all.zip/a.md", "all.zip/c.md", "b.md"]
    assert after["all.zip/a.md"] == before["all.zip/a.md"]
    assert after["b.md"].id == other.id
    gone = {before[name].id for name in ("all.zip/b.md", "all.zip/inner.zip", "all.zip/inner.zip/deep.md")}
    holding = [after[name].id for name in ("all.zip/a.md", "all.zip/c.md", "b.md")]
    assert {one.document_id for one in await chunks_of(client, project)} == set(holding)
    for document_id in gone:
        error = await failure(client.documents.GetDocument(pb.GetDocumentRequest(id=document_id)))
        assert error.reason == "DOCUMENT_NOT_FOUND"
    async with rooms.stores.pool("ingest", 1) as pool:
        noted = await pool.fetch(
            "SELECT document_ids, file_keys FROM deletions WHERE project_id = $1", project
        )
    assert {str(one) for row in noted for one in row["document_ids"]} == gone
    assert sum(len(row["file_keys"]) for row in noted) == len(gone)


async def test_a_mail_that_comes_anew_without_its_attachment_keeps_none(client: Client) -> None:
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = "Prices", "a@example.com", "b@example.com"
    mail.set_content("The prices.")
    bare = mail.as_bytes()
    mail.add_attachment(b"item,price\nbolt,3\n", maintype="text", subtype="csv", filename="prices.csv")
    project = await parsed_project(client, {"mail.eml": mail.as_bytes()})
    assert sorted(await documents_of(client, project)) == ["mail.eml", "mail.eml/prices.csv"]
    await upload(client, project, "mail.eml", bare)
    await parse(client, project)
    assert sorted(await documents_of(client, project)) == ["mail.eml"]


async def test_equal_files_of_an_archive_are_one_document_and_a_taken_name_leads_to_another(
    client: Client,
) -> None:
    project = await new_project(client)
    await upload(client, project, "all.zip/b.md", b"Uploaded.")
    data = archive(a_DOT_md=b"Equal.", b_DOT_md=b"Held.", c_DOT_md=b"Equal.")
    holder = await upload(client, project, "all.zip", data)
    for _ in range(2):
        await parse_again(client, holder)
        found = await documents_of(client, project)
        assert sorted(found) == ["all.zip", "all.zip/a.md", "all.zip/b (2).md", "all.zip/b.md"]
        assert {one.version for one in found.values()} == {1}
        assert await text_of(client, found["all.zip/b (2).md"].id) == "Held."


async def test_a_bad_file_in_an_archive_fails_alone(client: Client) -> None:
    project = await new_project(client)
    await upload(client, project, "all.zip", archive(a_DOT_md=b"Text.", b_DOT_pdf=b"no pdf", c_DOT_md=b""))
    job = await parse(client, project)
    assert (job.state, job.counts.done, job.counts.failed) == (job_pb2.JOB_STATE_FAILED, 2, 1)
    found = await documents_of(client, project)
    assert found["all.zip/a.md"].state == document_pb2.DOCUMENT_STATE_PARSED
    assert "c.md: left out" in await text_of(client, found["all.zip"].id)
    assert "all.zip/b.pdf" in found["all.zip/b.pdf"].failure.message


async def test_archives_are_not_opened_without_end(client: Client) -> None:
    data = archive(a_DOT_md=b"Text.")
    for _ in range(4):
        data = archive(z_DOT_zip=data)
    project = await new_project(client)
    await upload(client, project, "z.zip", data)
    job = await parse(client, project)
    assert (job.counts.done, job.counts.failed) == (3, 1)
    found = await documents_of(client, project)
    assert found["z.zip/z.zip/z.zip/z.zip"].failure.reason == "ARCHIVE_TOO_DEEP"


async def test_deleting_an_archive_deletes_what_it_holds(rooms: Rooms, client: Client) -> None:
    project = await new_project(client)
    inner = archive(deep_DOT_md=b"Deep text.")
    holder = await upload(client, project, "all.zip", archive(a_DOT_md=b"Text.", inner_DOT_zip=inner))
    await parse(client, project)
    deleted = await client.documents.DeleteDocument(pb.DeleteDocumentRequest(id=holder.id))
    assert (deleted.deleted_documents, deleted.deleted_chunks) == (4, 2)
    assert await documents_of(client, project) == {}
    async with rooms.stores.storage() as storage:
        assert await storage.delete_prefix(f"documents/{project}/") == 0


async def test_a_mail_is_read_and_its_attachments_are_documents(client: Client) -> None:
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = "Prices", "a@example.com", "b@example.com"
    mail.set_content("The prices are attached.")
    mail.add_attachment(b"item,price\nbolt,3\n", maintype="text", subtype="csv", filename="prices.csv")
    project = await parsed_project(client, {"mail.eml": mail.as_bytes()})
    found = await documents_of(client, project)
    assert sorted(found) == ["mail.eml", "mail.eml/prices.csv"]
    assert "The prices are attached." in await text_of(client, found["mail.eml"].id)
    assert "| bolt | 3 |" in await text_of(client, found["mail.eml/prices.csv"].id)


def page_with_picture() -> bytes:
    import base64

    data = base64.b64encode(PIXEL).decode()
    return (
        f"<html><body><main><h1>Valve</h1><p>Before.</p><img alt='A valve' src='data:image/png;base64,{data}'>"
        "<p>After.</p></main></body></html>"
    ).encode()


async def images_of(client: Client, document_id: str, version: int = 0) -> list[document_pb2.DocumentImage]:
    request = pb.ListDocumentImagesRequest(document_id=document_id, version=version)
    return list((await client.documents.ListDocumentImages(request)).images)


async def test_pictures_are_objects_and_keep_their_place(client: Client) -> None:
    project = await parsed_project(client, {"valve.html": page_with_picture()})
    document = (await documents_of(client, project))["valve.html"]
    (image,) = await images_of(client, document.id)
    assert document.image_count == 1
    assert await fetch(image.object.url) == PIXEL
    assert (image.media_type, image.object.sha256) == ("image/png", hashlib.sha256(PIXEL).hexdigest())
    text = await text_of(client, document.id)
    assert text[image.span.start : image.span.end] == f"![A valve](images/{image.object.name})"
    assert text.index("Before.") < image.span.start < text.index("After.")


async def test_the_encoding_of_a_text_is_shown_and_can_be_stated(client: Client) -> None:
    files = {"a.txt": "Grüße".encode("cp1252"), "b.md": "退货".encode(), "c.pdf": pdf("A page.")}
    project = await parsed_project(client, files)
    found = await documents_of(client, project)
    assert {name: one.encoding for name, one in found.items()} == {
        "a.txt": "cp1252",
        "b.md": "utf-8",
        "c.pdf": "",
    }
    await parse_again(client, found["a.txt"], read_options=document_pb2.ReadOptions(encoding="CP1251"))
    stated = (await documents_of(client, project))["a.txt"]
    assert (stated.encoding, stated.read_options.encoding, stated.version) == ("cp1251", "cp1251", 2)
    assert await text_of(client, stated.id) == "Grüße".encode("cp1252").decode("cp1251")
    assert await text_of(client, stated.id, version=1) == "Grüße"


async def changes_of(client: Client, document_id: str, version: int = 0) -> list[document_pb2.CleanChange]:
    request = pb.ListCleanChangesRequest(document_id=document_id, version=version)
    return list((await client.documents.ListCleanChanges(request)).clean_changes)


async def test_pages_of_the_newest_version_stay_with_it_when_a_newer_one_comes(client: Client) -> None:
    page = page_with_picture().decode()
    raw = page.replace("<p>After.</p>", "<p>After.</p>" + page[page.index("<img") : page.index("<p>After")])
    project = await parsed_project(
        client, {"valve.html": raw.encode(), "a.md": b"One.  \n\nTwo.  \n\nThree."}
    )
    found = await documents_of(client, project)
    clean = document_pb2.CleanOptions(rules=[document_pb2.CLEAN_RULE_WHITE_SPACE])
    await parse_again(client, found["a.md"], clean_options=clean)
    pictures = pb.ListDocumentImagesRequest(document_id=found["valve.html"].id, page_size=1)
    changes = pb.ListCleanChangesRequest(document_id=found["a.md"].id, page_size=1)
    first_picture = await client.documents.ListDocumentImages(pictures)
    first_change = await client.documents.ListCleanChanges(changes)
    await upload(client, project, "valve.html", b"<p>No picture.</p>")
    await upload(client, project, "a.md", b"Other text.")
    pictures.page_token, changes.page_token = first_picture.next_page_token, first_change.next_page_token
    (picture,) = (await client.documents.ListDocumentImages(pictures)).images
    (change,) = (await client.documents.ListCleanChanges(changes)).clean_changes
    assert (first_picture.images[0].index, picture.index) == (0, 1)
    assert first_change.clean_changes[0].span.end < change.span.start
    assert await images_of(client, found["valve.html"].id) == []


async def test_cleaning_makes_a_version_beside_the_text_as_it_was_read(client: Client) -> None:
    raw = "# Title   \n\nA line with blanks.  \n\n\n\n\nThe end.\n"
    clean = document_pb2.CleanOptions(rules=[document_pb2.CLEAN_RULE_WHITE_SPACE])
    project = await new_project(client)
    document = await upload(client, project, "a.md", raw.encode())
    await parse_again(client, document, clean_options=clean)
    now = (await documents_of(client, project))["a.md"]
    assert (now.version, now.base_version) == (2, 1)
    assert now.clean_options == clean
    cleaned = await text_of(client, document.id)
    assert await text_of(client, document.id, 1) == raw
    assert cleaned == "# Title\n\nA line with blanks.\n\n\nThe end.\n"
    assert "".join(one.text for one in await chunks_of(client, project)) == cleaned
    place, pieces = 0, []
    for one in await changes_of(client, document.id):
        assert raw[one.span.start : one.span.end] == one.removed
        pieces += [raw[place : one.span.start], one.added]
        place = one.span.end
    assert "".join([*pieces, raw[place:]]) == cleaned
    assert await changes_of(client, document.id, 1) == []
    await parse_again(client, document, clean_options=clean)
    assert (await documents_of(client, project))["a.md"].version == 2
    await parse_again(client, document)
    again = (await documents_of(client, project))["a.md"]
    assert (again.version, again.base_version, await text_of(client, document.id)) == (3, 0, raw)
    await parse_again(client, document, clean_options=clean)
    last = (await documents_of(client, project))["a.md"]
    assert (last.version, last.base_version) == (4, 3)


async def test_equal_bytes_are_one_document_whatever_their_names(client: Client) -> None:
    project, other = await new_project(client), await new_project(client)
    first = await upload(client, project, "a.md", b"Text.")
    again = await announce(client, project, "copy/b.md", b"Text.")
    assert (again.document, again.upload_id) == (first, "")
    assert (await announce(client, other, "a.md", b"Text.")).upload_id
    # A document of that name gets its new version all the same.
    named = await upload(client, project, "c.md", b"Other text.")
    changed = await upload(client, project, "c.md", b"Text.")
    assert (changed.id, changed.version, changed.sha256) == (named.id, 2, first.sha256)


async def test_a_wrong_name_keeps_no_bytes_from_being_read_under_the_right_one(client: Client) -> None:
    project = await new_project(client)
    data = pdf("Read me.")
    wrong = await upload(client, project, "report.docx", data)
    await parse(client, project)
    assert (await documents_of(client, project))["report.docx"].failure.reason == "FORMAT_MISMATCH"
    assert await upload(client, project, "report.pdf", data) != wrong
    await parse(client, project)
    assert (await documents_of(client, project))["report.pdf"].state == document_pb2.DOCUMENT_STATE_PARSED
    # Under its own name it is the same document, which is parsed again.
    again = (await announce(client, project, "report.docx", data)).document
    job = await parse_again(client, again)
    assert (again.id, job.counts.failed) == (wrong.id, 1)


async def test_equal_bytes_of_another_media_type_or_of_what_failed_are_documents_too(client: Client) -> None:
    project = await new_project(client)
    await upload(client, project, "data.txt", b"a,b\n1,2\n")
    await upload(client, project, "data.csv", b"a,b\n1,2\n")
    await upload(client, project, "bad.pdf", b"no pdf")
    same = await upload(client, project, "same.pdf", b"no pdf")
    await parse(client, project)
    other = await upload(client, project, "other.pdf", b"no pdf")
    assert sorted(await documents_of(client, project)) == ["bad.pdf", "data.csv", "data.txt", "other.pdf"]
    assert same.name == "bad.pdf" and other.name == "other.pdf"


async def test_equal_files_of_an_archive_are_one_document_where_they_are_of_one_kind(client: Client) -> None:
    project = await new_project(client)
    held = archive(a_DOT_txt=b"a,b\n1,2\n", b_DOT_csv=b"a,b\n1,2\n", c_DOT_csv=b"a,b\n1,2\n")
    await upload(client, project, "all.zip", held)
    await parse(client, project)
    assert sorted(await documents_of(client, project)) == ["all.zip", "all.zip/a.txt", "all.zip/b.csv"]


async def test_a_file_of_the_bytes_of_another_is_told(client: Client, tmp_path: Path) -> None:
    project = await new_project(client)
    await upload(client, project, "first.md", b"Text.")
    (tmp_path / "second.md").write_bytes(b"Text.")
    told: dict[str, str] = {}
    files = gather_files([tmp_path])
    await upload_files(client, project, files, leave_out=lambda path, why: told.update({path.name: why}))
    assert told == {"second.md": "its bytes are those of first.md"}


async def test_two_uploads_of_equal_bytes_at_once_are_one_document(client: Client) -> None:
    from tests.integration.documents import complete, send

    project = await new_project(client)
    announced = [await announce(client, project, name, b"Text.") for name in ("a.md", "b.md")]
    for one in announced:
        await send(one.target.url, b"Text.")
    made = [await complete(client, one.upload_id) for one in announced]
    assert made[0].id == made[1].id
    assert list(await documents_of(client, project)) == ["a.md"]


@pytest.mark.parametrize(
    ("options", "field"),
    [
        (
            {"split_options": {"strategy": "SPLIT_STRATEGY_CUSTOM", "cut_points": [5]}},
            "split_options.cut_points",
        ),
        ({"read_options": {"pages": [{"page": 1, "page_reader": "PAGE_READER_OCR"}]}}, "read_options.pages"),
        ({"read_options": {"encoding": "klingon"}}, "read_options.encoding"),
        ({"read_options": {"encoding": "hex"}}, "read_options.encoding"),
        ({"split_options": {"overlap": 900}}, "split_options.overlap"),
        ({"split_options": {"min_size": 9, "max_size": 8}}, "split_options.min_size"),
        ({"split_options": {"strategy": "SPLIT_STRATEGY_SEPARATOR"}}, "split_options.separators"),
    ],
)
async def test_parse_options_that_make_no_sense_start_nothing(
    client: Client, options: dict[str, Any], field: str
) -> None:
    from google.protobuf.json_format import ParseDict

    project = await new_project(client)
    await upload(client, project, "a.md", b"Text.")
    request = ParseDict(options, pb.ParseDocumentsRequest(project_id=project))
    error = await failure(client.documents.ParseDocuments(request))
    assert (error.code, error.field) == ("INVALID_ARGUMENT", field)
    jobs = await client.jobs("ingest").ListJobs(job_service_pb2.ListJobsRequest(project_id=project))
    assert not jobs.jobs


async def test_what_was_uploaded_is_not_deleted_with_an_archive_that_holds_the_same(client: Client) -> None:
    project = await new_project(client)
    holder = await upload(client, project, "all.zip", archive(a_DOT_md=b"Text."))
    await parse(client, project)
    own = await upload(client, project, "mine.md", b"Text.")
    assert own.name == "mine.md"
    second = await upload(client, project, "second.zip", archive(a_DOT_md=b"Text.", b_DOT_md=b"More."))
    await parse(client, project)
    assert sorted(await documents_of(client, project)) == [
        "all.zip",
        "all.zip/a.md",
        "mine.md",
        "second.zip",
        "second.zip/a.md",
        "second.zip/b.md",
    ]
    await client.documents.DeleteDocument(pb.DeleteDocumentRequest(id=holder.id))
    assert await text_of(client, own.id) == "Text."
    await client.documents.DeleteDocument(pb.DeleteDocumentRequest(id=second.id))
    assert sorted(await documents_of(client, project)) == ["mine.md"]


async def test_a_name_that_is_taken_by_the_other_side_is_never_shared(client: Client) -> None:
    project = await new_project(client)
    await upload(client, project, "all.zip/a.md", b"Uploaded.")
    await upload(client, project, "all.zip", archive(a_DOT_md=b"Held."))
    await parse(client, project)
    found = await documents_of(client, project)
    assert sorted(found) == ["all.zip", "all.zip/a (2).md", "all.zip/a.md"]
    assert await text_of(client, found["all.zip/a.md"].id) == "Uploaded."
    error = await failure(upload(client, project, "all.zip/a (2).md", b"Other."))
    assert (error.code, error.reason) == ("ALREADY_EXISTS", "DOCUMENT_NAME_TAKEN")
