"""What the ingest room can be told."""

from __future__ import annotations

from dataclasses import dataclass, field

from services.runtime.config import SOME, setting


@dataclass(frozen=True)
class IngestConfig:
    """Settings of the ingest room beside those that every room has."""

    parse_seconds: float = setting("SISHU_INGEST_PARSE_SECONDS", 300.0, least=SOME)
    """Longest time that parsing a document may take; of a PDF, that reading one page may take."""
    parse_memory_mib: int = setting("SISHU_INGEST_PARSE_MEMORY_MIB", 640, least=128)
    """Most data that the processes of a worker may hold in memory at once that parse documents."""
    most_chars: int = setting("SISHU_INGEST_MOST_CHARS", 20_000_000, least=1)
    """Longest text that a document may have."""
    upload_seconds: float = setting("SISHU_INGEST_UPLOAD_SECONDS", 86400.0, least=SOME)
    """How long an upload lives: the bytes are to be sent and checked before; an hour later it goes."""
    tokenizer_folder: str = setting("SISHU_INGEST_TOKENIZER_FOLDER", "")
    """Folder whose tokenizers requests may name, beside those of the hub; empty: only those of the hub."""


@dataclass(frozen=True)
class FetchConfig:
    """Settings of fetching documents by their URLs."""

    private_addresses: str = setting("SISHU_INGEST_PRIVATE_ADDRESSES", "")
    """What may be fetched from beside public addresses: networks such as `10.1.0.0/16,fd00::/8`, or `all`."""
    most_bytes: int = setting("SISHU_INGEST_FETCH_MOST_BYTES", 512 << 20, least=1)
    """Largest file that is fetched, after decompression."""
    seconds: float = setting("SISHU_INGEST_FETCH_SECONDS", 300.0, least=SOME)
    """Longest time that one fetch may take, redirects included."""
    connect_seconds: float = setting("SISHU_INGEST_FETCH_CONNECT_SECONDS", 10.0, least=SOME)
    """Longest time until a server takes the connection."""
    read_seconds: float = setting("SISHU_INGEST_FETCH_READ_SECONDS", 30.0, least=SOME)
    """Longest silence of a server."""


@dataclass(frozen=True)
class RewriteConfig:
    """The language model that tidies texts, when it is asked for."""

    url: str = setting("SISHU_INGEST_REWRITE_URL", "")
    """Base URL of an OpenAI-compatible server, ending in `/v1`; empty: no text can be tidied."""
    model: str = setting("SISHU_INGEST_REWRITE_MODEL", "")
    """Name of the model there."""
    key: str = field(default="", repr=False, metadata={"env": "SISHU_INGEST_REWRITE_KEY"})
    """API key; empty where none is needed."""
    concurrency: int = setting("SISHU_INGEST_REWRITE_CONCURRENCY", 8, least=1)
    """Blocks asked for at once by one worker."""
    call_seconds: float = setting("SISHU_INGEST_REWRITE_CALL_SECONDS", 120.0, least=SOME)
    """Longest time of one call."""


@dataclass(frozen=True)
class TranscriberConfig:
    """Who reads PDF pages for us, when it is asked for; what is empty is not configured."""

    vision_url: str = setting("SISHU_INGEST_VISION_URL", "")
    """Base URL of an OpenAI-compatible server, ending in `/v1`."""
    vision_model: str = setting("SISHU_INGEST_VISION_MODEL", "")
    """Name of the model there, which must take pictures."""
    vision_key: str = field(default="", repr=False, metadata={"env": "SISHU_INGEST_VISION_KEY"})
    """API key; empty where none is needed."""
    vision_concurrency: int = setting("SISHU_INGEST_VISION_CONCURRENCY", 4, least=1)
    """Pages of one document asked for at once."""
    mineru_url: str = setting("SISHU_INGEST_MINERU_URL", "")
    """Base URL of a MinerU server."""
    call_seconds: float = setting("SISHU_INGEST_TRANSCRIBE_CALL_SECONDS", 300.0, least=SOME)
    """Longest time of one call."""
