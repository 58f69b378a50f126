-- name: set_gone
-- Takes over since when the chunks of questions and candidates are gone; says of how many examples that is news, and of what kind. The job $4
-- counts them, too, if it is one of its own.
WITH changed AS (
    UPDATE examples SET source_gone_time = question.gone_time
    FROM unnest($2::uuid[], $3::timestamptz[]) AS question (id, gone_time)
    WHERE examples.project_id = $1 AND examples.item_id = question.id
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

-- name: marked_items
-- The next questions ($6), or candidates, of marked examples between two, but for some.
SELECT item_id FROM examples
WHERE project_id = $1 AND source_gone_time IS NOT NULL AND item_id > $2
  AND ($3::uuid IS NULL OR item_id <= $3) AND item_id <> ALL ($4::uuid[])
  AND (kind = 'sft') = $6
ORDER BY item_id
LIMIT $5

-- name: reject_replaced
-- Those that nobody has changed by hand.
WITH meant AS (
    SELECT id, revision_count, state, rejection, score, labels, tag_ids FROM examples
    WHERE project_id = $1 AND item_id = ANY ($2::uuid[]) AND state = 'kept' AND update_time = create_time AND delete_time IS NULL
    FOR UPDATE
), told AS (
    INSERT INTO example_revisions (example_id, number, change_id, author, fields, state, rejection, score, labels, tag_ids)
    SELECT id, revision_count + 1, $4, '', '{state,rejection}', state, rejection, score, labels, tag_ids FROM meant
)
UPDATE examples SET state = 'rejected', rejection = $3, update_time = now(), revision_count = examples.revision_count + 1
FROM meant WHERE examples.id = meant.id
