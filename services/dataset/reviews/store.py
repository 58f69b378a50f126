"""Reviews: the statements of `reviews.sql`, behind functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import asyncpg

from services.dataset.changes.revision_store import locked, store_change
from services.dataset.examples.examples import Example
from services.dataset.examples.filters import ExampleFilter
from services.dataset.examples.store import example_of
from services.dataset.reviews.agreement import krippendorff_alpha
from services.dataset.reviews.reviews import STATES, Claim, Review, Summary, Verdicts, review_not_found
from services.runtime.db import Pool, claim_request, fetch_planned, transaction
from services.runtime.failures import Failure
from services.runtime.ids import new_id
from services.runtime.pages import Page, PageRequest, page_of
from services.runtime.sql import Statements

SQL = Statements(Path(__file__).parents[1] / "sql" / "reviews.sql")

MOST_REVIEWERS = 1000
"""Reviewers that a summary names."""


class ReviewStore:
    """The tables `reviews` and `review_claims`."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    async def claim(
        self,
        project_id: str,
        reviewer: str,
        wanted: ExampleFilter,
        minutes: int,
        reviews_wanted: int,
        skipped: Sequence[str],
    ) -> Claim | None:
        """Keep the next example of the queue for a reviewer; nothing where there is none.

        What the reviewer has claimed and not reviewed comes again first.

        Args:
            project_id: the project.
            reviewer: who asks.
            wanted: which examples are in the queue.
            minutes: how long nobody else gets it.
            reviews_wanted: how many reviewers are to see each.
            skipped: examples that the reviewer does not want now.
        """
        values = (project_id, *wanted.values, reviewer, reviews_wanted, skipped)
        async with transaction(self.pool) as connection:
            await connection.execute("SET LOCAL plan_cache_mode = force_custom_plan")
            await connection.execute(SQL.lock_claims, project_id)
            await connection.execute(SQL.forget_claims, project_id)
            row = await connection.fetchrow(SQL.own_claimed, *values)
            row = row or await connection.fetchrow(SQL.next_to_review, *values)
            if row is None:
                return None
            until = await connection.fetchval(SQL.claim, row["id"], reviewer, project_id, minutes)
        return Claim(example_of(row), until)

    async def create(
        self,
        example_id: str,
        reviewer: str,
        verdict: str,
        rejection: Failure | None,
        judge: Callable[[Example], Example],
        request_id: str,
    ) -> str:
        """Store what a reviewer says, and what becomes of the example; return the id of the review.

        A request id gives its first one.

        Raises:
            NotFound: there is no such example.
        """
        async with transaction(self.pool) as connection:
            new = new_id()
            review_id = await claim_request(connection, "CreateReview", request_id, new)
            if review_id == new:
                before = await locked(connection, example_id)
                _, change_id = await store_change(connection, before, judge(before), reviewer)
                why = rejection.as_json() if rejection else None
                values = (new, before.project_id, example_id, reviewer, verdict, why, change_id or None)
                await connection.execute(SQL.put_review, *values)
                await connection.execute(SQL.end_claim, example_id, reviewer)
                await connection.execute(SQL.sum_up, example_id)
        return review_id

    async def get(self, review_id: str) -> Review:
        """One review.

        Raises:
            NotFound: there is none, or its reviewer has said something else since.
        """
        row = await self.pool.fetchrow(SQL.get_review, review_id)
        if row is None:
            raise review_not_found(review_id)
        return review_of(row)

    async def list_page(
        self, page: PageRequest, project_id: str, example_id: str, reviewer: str
    ) -> Page[Review]:
        """Reviews of a project, newest first; an empty id or reviewer leaves all in."""
        after = page.after[0] if page.after else None
        values = (project_id, example_id or None, reviewer, after, page.limit)
        rows = await self.pool.fetch(SQL.list_reviews, *values)
        return page_of(
            [review_of(row) for row in rows],
            page,
            lambda review: (review.id,),
            lambda review: review.rejection.size if review.rejection else 0,
        )

    async def summary(self, project_id: str, wanted: ExampleFilter) -> Summary:
        """What the reviews of the examples that a filter means say as a whole."""
        values = (project_id, *wanted.values)
        states = await fetch_planned(self.pool, SQL.count_states, *values)
        reviewers = await fetch_planned(self.pool, SQL.count_verdicts, *values, MOST_REVIEWERS)
        opinions = await fetch_planned(self.pool, SQL.count_opinions, *values)
        units = [((row["accepts"], row["edits"], row["rejects"]), row["examples"]) for row in opinions]
        return Summary(
            states={**dict.fromkeys(STATES, 0), **{row["state"]: row["count"] for row in states}},
            reviewers=[Verdicts(**row) for row in reviewers],
            compared=sum(times for _, times in units),
            alpha=krippendorff_alpha(units),
        )


def review_of(row: asyncpg.Record) -> Review:
    """A row of `reviews`."""
    rejection = Failure(**row["rejection"]) if row["rejection"] else None
    return Review(**{**row, "rejection": rejection, "change_id": row["change_id"] or ""})
