"""From rows of examples to what is compared of them: some hundred bytes a row, never all texts at once."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import orjson

from services.dataset.copies.sketches import Sketches, sketch
from services.dataset.copies.texts import normalise
from services.dataset.deduplications.clustering import Compared
from services.dataset.deduplications.deduplications import ASKED, rank
from services.dataset.examples.content_texts import asked_text, said_text, says
from services.dataset.examples.examples import KINDS


class Comparison:
    """Collects what is compared of examples, while their texts pass by.

    Args:
        compared_by: `asked` or `said`.
        wanted: only examples in whose turns this text stands, in lower case; empty for all.
        kept: is given each text as it is, where it is wanted later.
    """

    def __init__(
        self, compared_by: str, wanted: str = "", kept: Callable[[str], object] | None = None
    ) -> None:
        self._compared_by = compared_by
        self._wanted = wanted
        self._kept = kept
        self._ids = bytearray()
        self._digests = array("Q")
        self._kinds = array("b")
        self._ranks = array("d")
        self._revisions = array("i")

    def __len__(self) -> int:
        return len(self._digests)

    def sketched(self, batches: Iterable[Sequence[Any]], tell: Callable[[int], None]) -> Sketches:
        """Sketches of the texts of rows: id, kind, state, score, revision_count, content; oldest first.

        Args:
            batches: the rows, some at a time.
            tell: is told how many there were after each batch.
        """
        return sketch(self._texts(batches, tell))

    def columns(self) -> Compared:
        """What counts beside the texts."""
        ranks = np.frombuffer(self._ranks, np.float64) if self._ranks else np.zeros(0)
        digests = np.array(self._digests, np.uint64)
        return Compared(digests, np.array(self._kinds, np.int8), ranks)

    def id_of(self, row: int) -> str:
        """The id of an example, as Postgres reads it."""
        return self._ids[16 * row : 16 * row + 16].hex()

    def revision_of(self, row: int) -> int:
        """How often an example had been changed when it was compared."""
        return self._revisions[row]

    def _texts(self, batches: Iterable[Sequence[Any]], tell: Callable[[int], None]) -> Iterator[str]:
        for batch in batches:
            for row in batch:
                content = orjson.loads(row["content"])
                if self._wanted and not says(content, self._wanted):
                    continue
                by_asked = self._compared_by == ASKED
                said = asked_text(row["kind"], content) if by_asked else said_text(content)
                if self._kept:
                    self._kept(said)
                text = normalise(said)
                self._add(row, text)
                yield text
            tell(len(self))

    def _add(self, row: Any, text: str) -> None:
        kept, score = rank(row["state"], row["score"])
        self._ids += bytes.fromhex(row["id"].replace("-", ""))
        digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        self._digests.append(int.from_bytes(digest, "big"))
        self._kinds.append(KINDS.index(row["kind"]))
        # Scores go to 5: any kept example is before any rejected one.
        self._ranks.append(1000.0 * kept + score)
        self._revisions.append(row["revision_count"])
