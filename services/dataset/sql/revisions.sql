-- name: lock_example
-- Both rows: of one that was waited for and not locked, what it said before would be read.
SELECT examples.*, content, lineage FROM examples JOIN example_contents ON example_id = id
WHERE id = $1 AND delete_time IS NULL
FOR UPDATE

-- name: record_revision
-- What an example is before it changes.
INSERT INTO example_revisions (
    example_id, number, change_id, author, fields, content, language, characters, key, lineage,
    state, rejection, score, labels, tag_ids, delete_time)
SELECT id, revision_count + 1, $2, $3, $4,
       CASE WHEN $5 THEN content END, CASE WHEN $5 THEN language END, CASE WHEN $5 THEN characters END, CASE WHEN $5 THEN key END,
       CASE WHEN $6 THEN lineage END,
       state, rejection, score, labels, tag_ids, delete_time
FROM examples JOIN example_contents ON example_contents.example_id = id
WHERE id = $1

-- name: update_example
WITH said AS (
    UPDATE example_contents SET content = $10 WHERE example_id = $1 RETURNING content, lineage
)
UPDATE examples
SET state = $2, rejection = $3, score = $4, labels = $5, tag_ids = $6, language = $7, characters = $8, key = $9,
    revision_count = revision_count + $11, update_time = greatest(now(), update_time + interval '1 microsecond')
FROM said
WHERE id = $1
RETURNING examples.*, said.content, said.lineage

-- name: set_lineage
-- Of an example whose answer was written anew.
WITH told AS (
    UPDATE example_contents SET lineage = $2 WHERE example_id = $1
)
UPDATE examples SET prompt_version = $3, model = $4 WHERE id = $1

-- name: delete_example
UPDATE examples
SET delete_time = now(), revision_count = revision_count + 1, update_time = greatest(now(), update_time + interval '1 microsecond')
WHERE id = $1

-- name: is_there
SELECT true FROM examples WHERE id = $1

-- name: list_revisions
-- What was said before a change that left it as it was, is what was said before the next one that did not.
SELECT revision.*, example.project_id, example.kind, example.create_time AS example_time,
       coalesce(revision.lineage, (
           SELECT later.lineage FROM example_revisions AS later
           WHERE later.example_id = revision.example_id AND later.number > revision.number AND later.lineage IS NOT NULL
           ORDER BY later.number LIMIT 1
       ), said.lineage) AS was_lineage,
       coalesce(revision.content, (
           SELECT later.content FROM example_revisions AS later
           WHERE later.example_id = revision.example_id AND later.number > revision.number AND later.content IS NOT NULL
           ORDER BY later.number LIMIT 1
       ), said.content) AS said
FROM example_revisions AS revision
JOIN examples AS example ON example.id = revision.example_id
JOIN example_contents AS said ON said.example_id = example.id
WHERE revision.example_id = $1 AND ($2::integer IS NULL OR revision.number < $2)
ORDER BY revision.number DESC
LIMIT $3
