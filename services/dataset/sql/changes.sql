-- name: insert_change
INSERT INTO example_changes (id, kind, author, wanted, undone_change_id, last)
SELECT $1, $2, $3, $4, $5, (SELECT id FROM examples WHERE project_id = $6 ORDER BY id DESC LIMIT 1)

-- name: get_change
SELECT change.*, to_jsonb(job) AS job, (SELECT counts FROM dataset_restores AS restore WHERE restore.id = change.id) AS counts
FROM example_changes AS change JOIN job_view AS job ON job.id = change.id
WHERE change.id = $1

-- name: project_of_change
SELECT project_id FROM example_revisions JOIN examples ON id = example_id WHERE change_id = $1 LIMIT 1

-- name: lock_change
-- Whoever else works on the change waits, and then finds where this one has stopped.
SELECT * FROM example_changes WHERE id = $1 FOR UPDATE

-- name: advance_change
UPDATE example_changes SET after = $2, changed = changed + $3, skipped = skipped + $4 WHERE id = $1

-- name: apply_place
-- What an apply does, and which page comes next.
SELECT wanted, page_token FROM example_changes WHERE id = $1 AND kind = 'apply'

-- name: advance_apply
UPDATE example_changes SET page_token = $2, changed = changed + $3, skipped = skipped + $4 WHERE id = $1

-- name: next_meant
-- The next examples that a filter means, whatever they say; nobody else changes them until the end of the transaction.
SELECT id FROM examples
WHERE project_id = $1
  AND matches(examples, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)
  AND id > $22 AND id <= $23
ORDER BY id
LIMIT $24
FOR UPDATE

-- name: next_saying
-- As `next_meant`, those with a text in what they say, names of fields and quotes included. Both rows are locked: of one that was waited for
-- and not locked, what it said before would be read.
SELECT examples.*, content, lineage
FROM examples JOIN example_contents ON example_id = id
WHERE project_id = $1
  AND matches(examples, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)
  AND id > $22 AND id <= $23 AND ($25::text = '' OR position($25 IN lower(content::text)) > 0)
ORDER BY id
LIMIT $24
FOR UPDATE

-- name: next_undone
-- The next examples of a change, and whether nothing else has changed them since.
SELECT id, number = revision_count AS newest
FROM example_revisions JOIN examples ON id = example_id
WHERE change_id = $1 AND example_id > $2
ORDER BY example_id
LIMIT $3
FOR UPDATE OF examples

-- name: update_examples
-- Those that become other than they were, and have no more labels and tags than an example may have.
WITH meant AS (
    SELECT id, revision_count, state, rejection, score, labels, tag_ids, delete_time,
           coalesce($4::example_state, state) AS new_state,
           CASE WHEN coalesce($4::example_state, state) = 'rejected'
                THEN coalesce($5::jsonb, rejection, $6::jsonb) END AS new_rejection,
           coalesce($7::double precision, score) AS new_score,
           CASE WHEN $8::text[] || $9::text[] = '{}' THEN labels ELSE words_with(labels, $8::text[], $9::text[]) END AS new_labels,
           CASE WHEN $10::uuid[] || $11::uuid[] = '{}' THEN tag_ids ELSE ids_with(tag_ids, $10::uuid[], $11::uuid[]) END AS new_tag_ids
    FROM examples WHERE id = ANY ($1::uuid[])
), become AS (
    SELECT *, array_remove(ARRAY[
        CASE WHEN new_state <> state THEN 'state' END,
        CASE WHEN new_rejection IS DISTINCT FROM rejection THEN 'rejection' END,
        CASE WHEN new_score IS DISTINCT FROM score THEN 'score' END,
        CASE WHEN new_labels <> labels THEN 'labels' END,
        CASE WHEN new_tag_ids <> tag_ids THEN 'tag_ids' END
    ], NULL) AS fields
    FROM meant WHERE cardinality(new_labels) <= 100 AND cardinality(new_tag_ids) <= 1000
), told AS (
    INSERT INTO example_revisions (
        example_id, number, change_id, author, fields, state, rejection, score, labels, tag_ids, delete_time)
    SELECT id, revision_count + 1, $2, $3, fields, state, rejection, score, labels, tag_ids, delete_time
    FROM become WHERE fields <> '{}'
)
UPDATE examples
SET state = new_state, rejection = new_rejection, score = new_score, labels = new_labels, tag_ids = new_tag_ids,
    revision_count = examples.revision_count + 1, update_time = greatest(now(), update_time + interval '1 microsecond')
FROM become
WHERE examples.id = become.id AND become.fields <> '{}'

-- name: delete_examples
WITH told AS (
    INSERT INTO example_revisions (example_id, number, change_id, author, fields, state, rejection, score, labels, tag_ids)
    SELECT id, revision_count + 1, $2, $3, '{delete_time}', state, rejection, score, labels, tag_ids
    FROM examples WHERE id = ANY ($1::uuid[]) AND delete_time IS NULL
)
UPDATE examples
SET delete_time = now(), revision_count = revision_count + 1, update_time = greatest(now(), update_time + interval '1 microsecond')
WHERE id = ANY ($1::uuid[]) AND delete_time IS NULL

-- name: undo_examples
-- What it said, and how it came to be, go back only where the change changed that.
WITH was AS (
    SELECT * FROM example_revisions WHERE change_id = $4 AND example_id = ANY ($1::uuid[])
), told AS (
    INSERT INTO example_revisions (
        example_id, number, change_id, author, fields, content, language, characters, key, lineage,
        state, rejection, score, labels, tag_ids, delete_time)
    SELECT now.id, now.revision_count + 1, $2, $3, was.fields,
           CASE WHEN was.content IS NOT NULL THEN said.content END,
           CASE WHEN was.content IS NOT NULL THEN now.language END,
           CASE WHEN was.content IS NOT NULL THEN now.characters END,
           CASE WHEN was.content IS NOT NULL THEN now.key END,
           CASE WHEN was.lineage IS NOT NULL THEN said.lineage END,
           now.state, now.rejection, now.score, now.labels, now.tag_ids, now.delete_time
    FROM was JOIN examples AS now ON now.id = was.example_id JOIN example_contents AS said ON said.example_id = was.example_id
), said AS (
    UPDATE example_contents
    SET content = coalesce(was.content, example_contents.content), lineage = coalesce(was.lineage, example_contents.lineage)
    FROM was
    WHERE example_contents.example_id = was.example_id AND (was.content IS NOT NULL OR was.lineage IS NOT NULL)
)
UPDATE examples
SET state = was.state, rejection = was.rejection, score = was.score, labels = was.labels, tag_ids = was.tag_ids,
    delete_time = was.delete_time, language = coalesce(was.language, examples.language),
    characters = coalesce(was.characters, examples.characters), key = coalesce(was.key, examples.key),
    prompt_version = CASE WHEN was.lineage IS NULL THEN examples.prompt_version
                          ELSE coalesce(coalesce(was.lineage -> 'answer_origin', was.lineage -> 'question_origin') ->> 'prompt_version', '') END,
    model = CASE WHEN was.lineage IS NULL THEN examples.model
                 ELSE coalesce(coalesce(was.lineage -> 'answer_origin', was.lineage -> 'question_origin') ->> 'model', '') END,
    revision_count = revision_count + 1, update_time = greatest(now(), update_time + interval '1 microsecond')
FROM was
WHERE examples.id = was.example_id

-- name: lock_examples
SELECT examples.*, content, lineage FROM examples JOIN example_contents ON example_id = id
WHERE id = ANY ($1::uuid[]) AND project_id = $2 AND delete_time IS NULL
ORDER BY id
FOR UPDATE
