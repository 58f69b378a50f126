"""Between the contract of comments and their domain."""

from __future__ import annotations

from services.dataset.comments.comments import Comment
from services.runtime.convert import timestamp
from sishu.dataset.v1 import example_comment_pb2


def comment_to_pb(comment: Comment) -> example_comment_pb2.ExampleComment:
    """A comment."""
    return example_comment_pb2.ExampleComment(
        id=comment.id,
        example_id=comment.example_id,
        author=comment.author,
        text=comment.text,
        create_time=timestamp(comment.create_time),
    )
