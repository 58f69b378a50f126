"""Start jobs: what is wrong with a request is told before there is one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from services.ingest.fetching.fetcher import parse_url
from services.ingest.parsing.options import ParseOptions
from services.ingest.store import Store
from services.ingest.tokens import allowed_tokenizer


async def fetch_documents(store: Store, project_id: str, urls: Sequence[str], request_id: str) -> str:
    """Start to fetch addresses; return the job's id. The same request id gives the first.

    Raises:
        InvalidArgument: an address may not be fetched, by its form.
        NotFound: there is no such project.
    """
    first = await store.first_answer("FetchDocuments", request_id)
    if first:
        return first
    for url in urls:
        parse_url(url)
    return await store.start_fetch(project_id, urls, request_id)


async def parse_documents(
    store: Store,
    project_id: str,
    document_ids: Sequence[str],
    options_of: Callable[[], ParseOptions],
    tokenizer_folder: str,
    request_id: str,
) -> str:
    """Start to parse documents; return the job's id. The same request id gives the first.

    Args:
        store: has the documents.
        project_id: their project.
        document_ids: which; none for all that wait.
        options_of: reads how; not called when the request was answered before.
        tokenizer_folder: what options may name of this machine.
        request_id: makes the call repeatable; may be empty.

    Raises:
        InvalidArgument: the options contradict each other, or name what they may not.
        NotFound: there is no such project or document.
    """
    first = await store.first_answer("ParseDocuments", request_id)
    if first:
        return first
    options = options_of()
    options.check_documents(len(document_ids))
    allowed_tokenizer(options.split.tokenizer, tokenizer_folder)
    return await store.start_parse(project_id, document_ids, options, request_id)
