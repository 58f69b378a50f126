"""Between the contracts of changes of examples and their domain."""

from __future__ import annotations

from services.dataset.changes.changes import Become, Change
from services.dataset.changes.replacing import TextReplacement
from services.dataset.changes.revisions import Revision
from services.dataset.examples.convert import (
    example_state,
    example_to_pb,
    rejection_from_pb,
    uuid_text,
    words,
)
from services.runtime.convert import job_to_pb, timestamp
from sishu.dataset.v1 import example_change_service_pb2 as pb
from sishu.dataset.v1 import example_revision_pb2


def revision_to_pb(revision: Revision) -> example_revision_pb2.ExampleRevision:
    """One change of an example."""
    return example_revision_pb2.ExampleRevision(
        example_id=revision.before.id,
        number=revision.number,
        change_id=revision.change_id,
        author=revision.author,
        create_time=timestamp(revision.create_time),
        before=example_to_pb(revision.before),
        changed_fields=revision.fields,
    )


def change_to_pb(change: Change) -> example_revision_pb2.ExampleChange:
    """A change of many examples."""
    return example_revision_pb2.ExampleChange(
        id=change.id,
        project_id=change.job.project_id or "",
        kind=example_revision_pb2.ExampleChangeKind.Value(f"EXAMPLE_CHANGE_KIND_{change.kind.upper()}"),
        author=change.author,
        undone_change_id=change.undone_change_id,
        changed=change.changed,
        skipped=change.skipped,
        create_time=timestamp(change.create_time),
        job=job_to_pb(change.job),
        counts=change.counts,
        generation_id=change.generation_id,
    )


def become_from_pb(request: pb.UpdateExamplesRequest) -> Become:
    """What examples become.

    Raises:
        InvalidArgument: nothing, what does not go together, or the rejection does not say why.
    """
    rejection = rejection_from_pb(request.rejection) if request.HasField("rejection") else None
    become = Become(
        state=example_state(request.state),
        rejection=rejection.as_json() if rejection else None,
        score=request.score if request.HasField("score") else None,
        add_labels=words(request.add_labels),
        remove_labels=words(request.remove_labels),
        add_tag_ids=words(map(uuid_text, request.add_tag_ids)),
        remove_tag_ids=words(map(uuid_text, request.remove_tag_ids)),
        replace_texts=[TextReplacement(one.text, one.replacement) for one in request.replace_texts],
    )
    become.check()
    return become
