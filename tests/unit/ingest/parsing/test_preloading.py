from __future__ import annotations

from pathlib import Path

from tokenizers import Tokenizer, models, pre_tokenizers

from services.ingest.parsing.options import ParseOptions
from services.ingest.splitting import SplitOptions
from tests.unit.ingest.parsing.child_processes import children, parse

PAGE = b"<main><p>one-and-a-half two, three.</p></main>"


async def test_a_tokenizer_is_loaded_once_for_documents_that_are_read_in_forks(tmp_path: Path) -> None:
    folder, words = tmp_path / "tokenizers", Tokenizer(models.WordLevel({"": 0}, ""))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    folder.mkdir()
    words.save(str(folder / "words.json"))
    options = ParseOptions(split=SplitOptions(tokenizer="words.json"))
    async with children(tokenizer_folder=str(folder)) as one:
        (before,) = (await parse(one, tmp_path, "a.html", PAGE, options)).pieces
        (folder / "words.json").unlink()
        (after,) = (await parse(one, tmp_path, "b.html", PAGE, options)).pieces
    assert (before.token_count, after.token_count) == (3, 3)
