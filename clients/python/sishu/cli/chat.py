"""`sishu chat`: talk to a base or tuned model in the terminal."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from google.protobuf.json_format import Parse, ParseError
from google.protobuf.struct_pb2 import Struct

from sishu.cli.context import with_client
from sishu.cli.find import find_model
from sishu.cli.settings import Interrupted
from sishu.cli.texts import say
from sishu.client import Client
from sishu.common.v1.message_pb2 import ROLE_ASSISTANT, ROLE_SYSTEM, ROLE_USER, Sampling
from sishu.inference.v1.chat_pb2 import ChatMessage
from sishu.inference.v1.chat_service_pb2 import ChatRequest
from sishu.learn.deployments import deploy
from sishu.trainer.v1.model_service_pb2 import GetModelRequest

LONGEST_ANSWER = 512


def chat(
    model: Annotated[str, typer.Argument(metavar="MODEL", help=say("chat_model"))],
    message: Annotated[str, typer.Option("--message", "-m", help=say("chat_message"))] = "",
    base: Annotated[bool, typer.Option("--base", help=say("chat_base"))] = False,
    temperature: Annotated[float, typer.Option(min=0, max=2, help=say("temperature"))] = 0.0,
    system: Annotated[str, typer.Option(help=say("chat_system"))] = "",
    max_tokens: Annotated[int, typer.Option(min=1, help=say("chat_max_tokens"))] = LONGEST_ANSWER,
    schema: Annotated[Path | None, typer.Option(metavar="FILE", help=say("chat_schema"))] = None,
    conversation: Annotated[str, typer.Option(metavar="ID", help=say("chat_conversation"))] = "",
    reasoning: Annotated[bool, typer.Option("--reasoning", help=say("chat_reasoning"))] = False,
) -> None:
    """Load the model unless it is loaded, then answer."""
    wanted = read_schema(schema)

    async def work(client: Client) -> None:
        found = await find_model(client, model)
        if base and found.base_model_id:
            found = (await client.models.GetModel(GetModelRequest(id=found.base_model_id))).model
        deployment = await deploy(client, found.project_id, found.id)
        history = [ChatMessage(role=ROLE_SYSTEM, content=system)] if system else []
        for line in [message] if message else read_lines():
            history.append(ChatMessage(role=ROLE_USER, content=line))
            sampling = Sampling(temperature=temperature, max_tokens=max_tokens)
            request = ChatRequest(
                deployment_id=deployment.id,
                messages=history,
                sampling=sampling,
                response_schema=wanted,
                conversation_id=conversation,
            )
            said = await answer(client, request, reasoning=reasoning)
            # A kept conversation is remembered by the service.
            history = [] if conversation else [*history, ChatMessage(role=ROLE_ASSISTANT, content=said)]

    try:
        with_client(work)
    except Interrupted:
        print()
        raise typer.Exit(130) from None


async def answer(client: Client, request: ChatRequest, *, reasoning: bool = False) -> str:
    """Print an answer as it comes, and return it; thoughts go to standard error where they are wanted."""
    pieces = []
    async for piece in client.chat.Chat(request):
        pieces.append(piece.content)
        if reasoning:
            print(piece.reasoning, end="", flush=True, file=sys.stderr)
        print(piece.content, end="", flush=True)
    print()
    return "".join(pieces)


def read_schema(path: Path | None) -> Struct | None:
    """The JSON schema in a file; nothing for nothing."""
    if path is None:
        return None
    try:
        return Parse(path.read_text(encoding="utf-8"), Struct())
    except (OSError, ParseError) as error:
        raise typer.BadParameter(f"{path}: {error}", param_hint="--schema") from error


def read_lines() -> Iterator[str]:
    """Lines that the person types, or that a program sends; an empty line or end of input ends the talk."""
    return iter(read_line, "")


def read_line() -> str:
    """One line; empty at the end."""
    if sys.stdin.isatty():
        print("> ", end="", flush=True)
    # The event loop's handler only takes note, and would let the terminal wait for another line.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return sys.stdin.readline().strip()
    finally:
        signal.signal(signal.SIGINT, before)
