-- name: insert_change
INSERT INTO example_changes (id, kind, author, wanted, last)
SELECT $1, 'restore', $2, '{}', (SELECT id FROM examples WHERE project_id = $3 ORDER BY id DESC LIMIT 1)

-- name: insert_restore
INSERT INTO dataset_restores (id, dataset_version_id, delete_added) VALUES ($1, $2, $3)

-- name: get_restore
SELECT restore.*, author, after, last, changed, skipped
FROM dataset_restores AS restore JOIN example_changes AS change ON change.id = restore.id
WHERE restore.id = $1

-- name: lock_restore
-- Whoever else works on it waits, and then finds where this one has stopped.
SELECT restore.*, author, after, last
FROM dataset_restores AS restore JOIN example_changes AS change ON change.id = restore.id
WHERE restore.id = $1
FOR UPDATE

-- name: advance_restore
WITH told AS (
    UPDATE example_changes SET after = $5, changed = changed + $3, skipped = skipped + $4 WHERE id = $1
)
UPDATE dataset_restores SET place = $2, counts = $6 WHERE id = $1

-- name: lock_members
-- Those that there are; nobody else changes them until the end of the transaction.
SELECT id FROM examples WHERE project_id = $1 AND id = ANY ($2::uuid[]) ORDER BY id FOR UPDATE

-- name: differing
-- Locked examples that are other than in the version, with what they say where that may be other; lists are JSON.
SELECT id, nullif(said.content::text, wanted.content) AS said
FROM unnest($1::uuid[], $2::text[], $3::double precision[], $4::text[], $5::text[]) AS wanted (id, content, score, labels, tag_ids)
JOIN examples AS now USING (id)
JOIN example_contents AS said ON example_id = id
WHERE now.state <> 'kept' OR now.delete_time IS NOT NULL OR now.score IS DISTINCT FROM wanted.score
   OR now.labels <> ARRAY(SELECT jsonb_array_elements_text(wanted.labels::jsonb))
   OR now.tag_ids <> ARRAY(SELECT jsonb_array_elements_text(wanted.tag_ids::jsonb)::uuid)
   OR said.content::text <> wanted.content

-- name: restore_examples
-- Makes locked examples what they are in the version; `said_fields` names, as JSON, what of what they say is other, and without any that stays.
WITH wanted AS (
    SELECT * FROM unnest($1::uuid[], $4::text[], $5::double precision[], $6::text[], $7::text[], $8::text[], $9::text[], $10::integer[], $11::bytea[])
        AS row (id, content, score, labels, tag_ids, said_fields, language, characters, key)
), meant AS (
    SELECT wanted.id, wanted.score AS new_score, wanted.said_fields <> '[]' AS says_other,
           wanted.content::json AS new_content, wanted.language AS new_language, wanted.characters AS new_characters, wanted.key AS new_key,
           ARRAY(SELECT jsonb_array_elements_text(wanted.said_fields::jsonb)) AS said_fields,
           ARRAY(SELECT jsonb_array_elements_text(wanted.labels::jsonb)) AS new_labels,
           ARRAY(SELECT jsonb_array_elements_text(wanted.tag_ids::jsonb)::uuid) AS new_tag_ids,
           said.content, now.revision_count, now.state, now.rejection, now.score, now.labels, now.tag_ids, now.delete_time,
           now.language, now.characters, now.key
    FROM wanted JOIN examples AS now USING (id) JOIN example_contents AS said ON said.example_id = now.id
), become AS (
    SELECT *, said_fields || array_remove(ARRAY[
        CASE WHEN state <> 'kept' THEN 'state' END,
        CASE WHEN rejection IS NOT NULL THEN 'rejection' END,
        CASE WHEN new_score IS DISTINCT FROM score THEN 'score' END,
        CASE WHEN new_labels <> labels THEN 'labels' END,
        CASE WHEN new_tag_ids <> tag_ids THEN 'tag_ids' END,
        CASE WHEN delete_time IS NOT NULL THEN 'delete_time' END
    ], NULL) AS fields
    FROM meant
), told AS (
    INSERT INTO example_revisions (
        example_id, number, change_id, author, fields, content, language, characters, key,
        state, rejection, score, labels, tag_ids, delete_time)
    SELECT id, revision_count + 1, $2, $3, fields,
           CASE WHEN says_other THEN content END, CASE WHEN says_other THEN language END,
           CASE WHEN says_other THEN characters END, CASE WHEN says_other THEN key END,
           state, rejection, score, labels, tag_ids, delete_time
    FROM become WHERE fields <> '{}'
), says AS (
    UPDATE example_contents SET content = become.new_content
    FROM become WHERE example_contents.example_id = become.id AND become.says_other
)
UPDATE examples
SET state = 'kept', rejection = NULL, score = new_score, labels = new_labels, tag_ids = new_tag_ids, delete_time = NULL,
    language = CASE WHEN says_other THEN new_language ELSE examples.language END,
    characters = CASE WHEN says_other THEN new_characters ELSE examples.characters END,
    key = CASE WHEN says_other THEN new_key ELSE examples.key END,
    revision_count = examples.revision_count + 1, update_time = greatest(now(), update_time + interval '1 microsecond')
FROM become
WHERE examples.id = become.id AND become.fields <> '{}'
RETURNING become.delete_time IS NOT NULL AS brought_back

-- name: next_added
-- The next examples that were added after a time; nobody else changes them until the end of the transaction.
SELECT id FROM examples
WHERE project_id = $1 AND create_time > $2 AND delete_time IS NULL AND id > $3 AND id <= $4
ORDER BY id
LIMIT $5
FOR UPDATE
