-- name: lock_claims
-- One claim of a project at a time, so that no two reviewers get the same example.
SELECT pg_advisory_xact_lock(hashtextextended('dataset.reviews:' || $1::text, 0))

-- name: forget_claims
DELETE FROM review_claims WHERE project_id = $1 AND expire_time <= now()

-- name: own_claimed
-- What the reviewer looks at already.
SELECT examples.*, content, lineage
FROM review_claims AS claim JOIN examples ON examples.id = claim.example_id JOIN example_contents AS said ON said.example_id = examples.id
WHERE claim.project_id = $1
  AND matches(examples, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)
  AND claim.reviewer = $22 AND review_count < $23 AND examples.id <> ALL ($24::uuid[])
  AND NOT EXISTS (SELECT FROM reviews WHERE reviews.example_id = examples.id AND reviews.reviewer = $22)
ORDER BY examples.id
LIMIT 1

-- name: next_to_review
-- By priority: begun ones first, then those without a score, then by score, the lowest first.
SELECT examples.*, content, lineage
FROM examples JOIN example_contents AS said ON said.example_id = examples.id
WHERE project_id = $1
  AND matches(examples, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)
  AND review_count < $23 AND examples.id <> ALL ($24::uuid[])
  AND NOT EXISTS (SELECT FROM reviews WHERE reviews.example_id = examples.id AND reviews.reviewer = $22)
  AND review_count + (
      SELECT count(*) FROM review_claims AS claim
      WHERE claim.example_id = examples.id AND claim.reviewer <> $22 AND claim.expire_time > now()
  ) < $23
ORDER BY review_count DESC, coalesce(score, -1), examples.id
LIMIT 1

-- name: claim
INSERT INTO review_claims (example_id, reviewer, project_id, expire_time)
VALUES ($1, $2, $3, now() + $4::integer * interval '1 minute')
ON CONFLICT (example_id, reviewer) DO UPDATE SET expire_time = EXCLUDED.expire_time
RETURNING expire_time

-- name: end_claim
DELETE FROM review_claims WHERE example_id = $1 AND reviewer = $2

-- name: put_review
-- Who has reviewed it before says something new.
INSERT INTO reviews (id, project_id, example_id, reviewer, verdict, rejection, change_id)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (example_id, reviewer) DO UPDATE
SET id = EXCLUDED.id, verdict = EXCLUDED.verdict, rejection = EXCLUDED.rejection, change_id = EXCLUDED.change_id,
    create_time = now()

-- name: sum_up
-- Disputed are those that some want rejected and others do not.
UPDATE examples SET review_count = told.count, review_state = told.state::review_state
FROM (
    SELECT count(*) AS count,
           CASE WHEN bool_and(verdict = 'reject') THEN 'rejected'
                WHEN bool_or(verdict = 'reject') THEN 'disputed'
                ELSE 'accepted' END AS state
    FROM reviews WHERE example_id = $1
) AS told
WHERE id = $1

-- name: get_review
SELECT * FROM reviews WHERE id = $1

-- name: list_reviews
SELECT * FROM reviews
WHERE project_id = $1 AND ($2::uuid IS NULL OR example_id = $2) AND ($3::text = '' OR reviewer = $3)
  AND ($4::uuid IS NULL OR id < $4)
ORDER BY id DESC
LIMIT $5

-- name: count_states
SELECT review_state AS state, count(*) AS count FROM examples
WHERE project_id = $1
  AND matches(examples, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)
GROUP BY review_state

-- name: count_verdicts
SELECT reviewer, count(*) FILTER (WHERE verdict = 'accept') AS accepted, count(*) FILTER (WHERE verdict = 'edit') AS edited,
       count(*) FILTER (WHERE verdict = 'reject') AS rejected
FROM reviews JOIN examples ON examples.id = example_id
WHERE examples.project_id = $1
  AND matches(examples, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)
GROUP BY reviewer
ORDER BY reviewer
LIMIT $22

-- name: count_opinions
-- How many examples have so many verdicts of each kind, of those that have several.
SELECT accepts, edits, rejects, count(*) AS examples
FROM (
    SELECT count(*) FILTER (WHERE verdict = 'accept') AS accepts, count(*) FILTER (WHERE verdict = 'edit') AS edits,
           count(*) FILTER (WHERE verdict = 'reject') AS rejects
    FROM reviews JOIN examples ON examples.id = example_id
    WHERE examples.project_id = $1
      AND matches(examples, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)
    GROUP BY example_id HAVING count(*) > 1
) AS opinions
GROUP BY accepts, edits, rejects
