"""What commands of the dataset room print and take."""

from __future__ import annotations

import pytest

from sishu.cli.datasets import VersionWishes, whole_number
from sishu.cli.dedupe import lines_of
from sishu.cli.imports import show_faults
from sishu.cli.output import value_at
from sishu.dataset.v1.dataset_version_pb2 import DatasetVersion
from sishu.dataset.v1.deduplication_pb2 import DUPLICATE_KIND_NEAR_COPY, Duplicate, DuplicateCluster
from sishu.dataset.v1.example_pb2 import EXAMPLE_KIND_EXAM_ITEM, REVIEW_STATE_ACCEPTED
from sishu.dataset.v1.import_pb2 import ImportFault
from sishu.errors import ApiError


def test_counts_by_name_are_shown_as_people_read_them() -> None:
    version = DatasetVersion(split_counts={"train": 3, "exam": 1})
    assert value_at(version, "split_counts") == "exam 1, train 3"


@pytest.mark.parametrize("text", ["x", "inf", "nan", "1.5"])
def test_a_cap_is_a_whole_number(text: str) -> None:
    with pytest.raises(ApiError, match="--cap ends with a"):
        whole_number("--cap", text)
    assert whole_number("--cap", "5") == 5


def test_a_version_can_be_of_what_people_have_confirmed() -> None:
    wanted = VersionWishes(review=["accepted"], kind=["exam-item"]).options().filter
    assert list(wanted.review_states) == [REVIEW_STATE_ACCEPTED]
    assert list(wanted.kinds) == [EXAMPLE_KIND_EXAM_ITEM]


@pytest.mark.parametrize(
    "wishes",
    [
        VersionWishes(replay_share=0.1),
        VersionWishes(replay_label="general", replay_version="acme/3"),
        VersionWishes(replay_label="general", replay_import="i"),
    ],
)
def test_general_data_comes_from_one_place(wishes: VersionWishes) -> None:
    with pytest.raises(ApiError, match="from one of --replay-label, --replay-import and --replay-version"):
        wishes.options()
    assert VersionWishes(replay_label="general", replay_share=0.1).options().replay.label == "general"


def test_a_cluster_tells_who_is_kept_and_who_is_not_shown() -> None:
    copy = Duplicate(example_id="b", similarity=0.9, kind=DUPLICATE_KIND_NEAR_COPY)
    lines = list(lines_of(DuplicateCluster(number=1, keeper_id="a", size=3, duplicates=[copy])))
    assert lines == ["1  3 examples, kept: a", "   b  0.900  near_copy", "   +1"]


def test_a_bad_row_is_told_whole(capsys: pytest.CaptureFixture[str]) -> None:
    why = "the row is no JSON: unexpected control character in string at character 24; mend it there"
    show_faults([ImportFault(file="a.jsonl", row=3, reason="JSON_INVALID", message=why)])
    assert capsys.readouterr().out == f"a.jsonl:3: {why} [JSON_INVALID]\n"
