"""What the contracts of the generation room share: quotes, and how a text was made."""

from __future__ import annotations

from google.protobuf.struct_pb2 import Struct

from services.generation.questions.questions import CallRecord
from services.generation.questions.quotes import Quote
from sishu.common.v1 import message_pb2, origin_pb2, text_span_pb2


def quote_to_pb(quote: Quote) -> text_span_pb2.Quote:
    """A quote."""
    return text_span_pb2.Quote(
        text=quote.text,
        chunk_id=quote.chunk_id,
        document_id=quote.document_id,
        document_version=quote.document_version,
        span=text_span_pb2.TextSpan(start=quote.start, end=quote.end),
    )


def origin_to_pb(call: CallRecord) -> origin_pb2.Origin:
    """How a text was made."""
    parameters = Struct()
    parameters.update(dict(call.parameters))
    return origin_pb2.Origin(
        prompt_version=call.prompt_version,
        provider_id=call.provider_id,
        model=call.model,
        parameters=parameters,
        usage=message_pb2.TokenUsage(
            prompt_tokens=call.prompt_tokens, completion_tokens=call.completion_tokens, calls=call.calls
        ),
    )
