-- name: lock_generation
-- One import of a generation at a time, so that of two duplicates the second sees the first.
SELECT pg_advisory_xact_lock(hashtextextended('dataset.examples:' || $1::text, 0))

-- name: hold_job
-- Whether the job goes on; until the transaction ends it cannot be cancelled or deleted.
SELECT true FROM jobs WHERE id = $1 AND state IN ('pending', 'running', 'paused') FOR SHARE

-- name: imported_questions
SELECT question_id FROM examples WHERE question_id = ANY ($1::uuid[])

-- name: first_examples
-- Within its generation: another may ask the same of other texts, or another model; a version keeps the newest.
SELECT DISTINCT ON (question_sha256) question_sha256, id FROM examples
WHERE project_id = $1 AND state = 'kept' AND question_sha256 = ANY ($2::text[])
  AND generation_id IS NOT DISTINCT FROM $3
ORDER BY question_sha256, id

-- name: insert_example
INSERT INTO examples (id, project_id, kind, messages, state, rejection, quotes, lineage, generation_id,
                      question_id, question_sha256, source_gone_time)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)

-- name: get_example
SELECT * FROM examples WHERE id = $1

-- name: lock_example
SELECT * FROM examples WHERE id = $1 FOR UPDATE

-- name: update_example
UPDATE examples
SET messages = $2, state = $3, rejection = $4, question_sha256 = $5, update_time = now()
WHERE id = $1
RETURNING *

-- name: reject_replaced
-- Those that nobody has changed by hand.
UPDATE examples SET state = 'rejected', rejection = $3, update_time = now()
WHERE project_id = $1 AND question_id = ANY ($2::uuid[]) AND state = 'kept' AND update_time = create_time

-- name: delete_example
DELETE FROM examples WHERE id = $1

-- name: list_examples
SELECT examples.* FROM examples
WHERE project_id = $1
  AND ($2::example_state IS NULL OR state = $2)
  AND ($3::example_kind IS NULL OR kind = $3)
  AND ($4::uuid IS NULL OR generation_id = $4)
  AND (NOT $5 OR source_gone_time IS NOT NULL)
  AND ($6::uuid IS NULL OR id > $6)
ORDER BY id
LIMIT $7

-- name: set_gone
-- Takes over since when the chunks of questions are gone; says of how many examples that is news, and of what kind. The job $4
-- counts them, too, if it is one of its own.
WITH changed AS (
    UPDATE examples SET source_gone_time = question.gone_time
    FROM unnest($2::uuid[], $3::timestamptz[]) AS question (id, gone_time)
    WHERE examples.project_id = $1 AND examples.question_id = question.id
      AND (examples.source_gone_time IS NULL) <> (question.gone_time IS NULL)
    RETURNING examples.source_gone_time
), news AS (
    SELECT count(source_gone_time) AS marked, count(*) - count(source_gone_time) AS unmarked FROM changed
), counted AS (
    UPDATE source_markings
    SET marked = source_markings.marked + news.marked, unmarked = source_markings.unmarked + news.unmarked
    FROM news
    WHERE job_id = $4
)
SELECT marked, unmarked FROM news

-- name: insert_marking
INSERT INTO source_markings (job_id) VALUES ($1)

-- name: get_marking
SELECT marked, unmarked FROM source_markings WHERE job_id = $1

-- name: marked_questions
-- The next questions of marked examples between two, but for some.
SELECT question_id FROM examples
WHERE project_id = $1 AND source_gone_time IS NOT NULL AND question_id > $2
  AND ($3::uuid IS NULL OR question_id <= $3) AND question_id <> ALL ($4::uuid[])
ORDER BY question_id
LIMIT $5

-- name: any_kept_example
SELECT EXISTS (
    SELECT 1 FROM examples
    WHERE project_id = $1 AND state = 'kept' AND ($2::uuid[] = '{}' OR generation_id = ANY ($2)))

-- name: kept_examples
SELECT * FROM examples
WHERE project_id = $1 AND state = 'kept' AND ($2::uuid[] = '{}' OR generation_id = ANY ($2))

-- name: examples_by_id
SELECT * FROM examples WHERE id = ANY ($1::uuid[])

-- name: next_number
INSERT INTO version_numbers (project_id, last) VALUES ($1, 1)
ON CONFLICT (project_id) DO UPDATE SET last = version_numbers.last + 1
RETURNING last

-- name: insert_version
INSERT INTO dataset_versions (id, project_id, number, parent_id, options, job_id)
SELECT $1, $2, $3, (SELECT id FROM dataset_versions WHERE project_id = $2 ORDER BY number DESC LIMIT 1), $4, $5

-- name: list_versions
-- A single version, or those of a project.
SELECT version.*, to_jsonb(job) AS job
FROM dataset_versions AS version JOIN job_view AS job ON job.id = version.job_id
WHERE ($1::uuid IS NULL OR version.id = $1)
  AND ($2::uuid IS NULL OR version.project_id = $2)
  AND ($3::uuid IS NULL OR version.id < $3)
ORDER BY version.id DESC
LIMIT $4

-- name: content_of
SELECT content_sha256 FROM dataset_versions WHERE id = $1

-- name: set_made
UPDATE dataset_versions
SET split_counts = $2, dropped_counts = $3, content_sha256 = $4, files = $5
WHERE id = $1

-- name: insert_members
INSERT INTO dataset_version_examples (version_id, split, position, example_id, content)
SELECT $1, $2, $3 + place - 1, example_id, content
FROM unnest($4::uuid[], $5::jsonb[]) WITH ORDINALITY AS member (example_id, content, place)

-- name: list_members
-- Those after a place, up to the end of a split.
SELECT * FROM dataset_version_examples
WHERE version_id = $1 AND (split, position) > ($2, $3) AND split <= $4
ORDER BY split, position
LIMIT $5

-- name: delete_job
-- Goes first, as whoever ends an item locks its job first.
DELETE FROM jobs WHERE id = $1

-- name: delete_version
DELETE FROM dataset_versions WHERE id = $1

-- name: requested
-- What a project has that a request id made.
SELECT resource_id FROM requests WHERE resource_id IN (
    SELECT id FROM jobs WHERE project_id = $1
    UNION ALL SELECT id FROM dataset_versions WHERE project_id = $1
    UNION ALL SELECT id FROM examples WHERE project_id = $1)

-- name: delete_project_members
DELETE FROM dataset_version_examples AS member USING dataset_versions AS version
WHERE version.id = member.version_id AND version.project_id = $1

-- name: delete_project_versions
DELETE FROM dataset_versions WHERE project_id = $1

-- name: delete_project_examples
DELETE FROM examples WHERE project_id = $1

-- name: delete_project_numbers
DELETE FROM version_numbers WHERE project_id = $1
