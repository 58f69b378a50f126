from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import cast

from services.inference.exams import Exam, ExamArm, Score
from services.inference.standings import Standings
from services.inference.store import ExamStore


class Results:
    """A store with the results of some exams, that counts how often they are read."""

    def __init__(self) -> None:
        self.scores_of: dict[str, list[Score]] = {}
        self.reads = 0

    async def result_counts(self, exams: Sequence[Exam]) -> dict[str, int]:
        return {exam.id: len(self.scores_of[exam.id]) for exam in exams if self.scores_of.get(exam.id)}

    async def scores(self, exam_id: str) -> list[Score]:
        self.reads += 1
        return list(self.scores_of.get(exam_id, []))


def make_exam(exam_id: str) -> Exam:
    return Exam(exam_id, "p", "v", "j", [ExamArm("base", "d", "m")], 2, datetime.now(UTC))


async def test_scores_are_worked_out_again_only_when_results_came_in() -> None:
    results = Results()
    standings = Standings(cast(ExamStore, results))
    exams = [make_exam("a"), make_exam("b")]
    results.scores_of["a"] = [Score(0, 0, 1.0)]
    for _ in range(3):
        found = await standings.of(exams)
    assert (found["a"].arms[0].mean, found["b"].arms[0].count) == (1.0, 0)
    assert results.reads == 2
    results.scores_of["a"].append(Score(0, 1, 0.0))
    found = await standings.of(exams)
    assert (found["a"].arms[0].count, found["a"].arms[0].mean) == (2, 0.5)
    assert results.reads == 3
