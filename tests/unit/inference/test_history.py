from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from services.inference.deployments import Deployment
from services.inference.history.conversations import MOST_MESSAGES, Conversation, Said
from services.inference.history.convert import said_to_pb
from services.inference.history.store import ConversationStore
from services.inference.history.talk import Talk, answer_of
from services.inference.upstream import Piece, ToolCall
from services.runtime.errors import FailedPrecondition, InvalidArgument

NOW = datetime.now(UTC)
HER = {"role": "user", "content": "And how wide?"}
DEPLOYMENT = Deployment("d1", "p1", "m1", "ready", None, "builtin", "", "m", 0, NOW, NOW)


class Notes:
    """A store with one conversation."""

    def __init__(self, messages: Sequence[dict[str, Any]] = (), project_id: str = "p1") -> None:
        self.before = list(messages)
        self.project_id = project_id
        self.added: list[Any] = []

    async def get(self, conversation_id: str) -> Conversation:
        return Conversation(conversation_id, self.project_id, "", len(self.before), NOW, NOW)

    async def messages(self, _: str) -> list[dict[str, Any]]:
        return self.before

    async def append(self, _: str, known: int, messages: list[Any], deployment_id: str) -> None:
        self.added.append((known, messages, deployment_id))


async def begun(notes: Notes) -> Talk:
    return await Talk.begin(cast(ConversationStore, notes), "c1", DEPLOYMENT)


async def answered(*pieces: Piece) -> AsyncIterator[Piece]:
    for piece in pieces:
        yield piece


async def test_what_was_said_is_asked_and_the_whole_answer_is_kept() -> None:
    before = [{"role": "user", "content": "How deep?"}, {"role": "assistant", "content": "9 m."}]
    notes = Notes(before)
    talk = await begun(notes)
    assert talk.messages([HER]) == [*before, HER]
    heard = []
    async for piece in talk.kept(answered(Piece("4 "), Piece("km."), Piece(finish_reason="stop")), [HER]):
        heard.append(piece)
        assert bool(notes.added) == bool(piece.finish_reason)
    assert [piece.content for piece in heard] == ["4 ", "km.", ""]
    assert notes.added == [(2, [HER, {"role": "assistant", "content": "4 km."}], "d1")]


async def test_an_answer_that_breaks_off_is_not_kept() -> None:
    notes = Notes()
    talk = await begun(notes)
    async for _ in talk.kept(answered(Piece("4 ")), [HER]):
        pass
    assert notes.added == []


async def test_a_conversation_of_another_project_or_without_room_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="belongs to project p2"):
        await begun(Notes(project_id="p2"))
    full = await begun(Notes([HER] * (MOST_MESSAGES - 1)))
    with pytest.raises(FailedPrecondition) as caught:
        full.messages([HER])
    assert caught.value.reason == "CONVERSATION_FULL"


def test_thoughts_and_calls_are_part_of_what_is_kept() -> None:
    call = ToolCall("abc", "weather", '{"place": "Ostrel"}')
    message = answer_of([Piece(reasoning="Hm."), Piece(finish_reason="tool_calls", calls=(call,))])
    shown = said_to_pb(Said(1, message, "d1", NOW)).message
    assert (shown.content, shown.reasoning, shown.tool_calls[0].key) == ("", "Hm.", "abc")
    result = {"role": "tool", "content": "rain", "tool_call_id": "abc"}
    assert said_to_pb(Said(2, result, "", NOW)).message.tool_call_key == "abc"
