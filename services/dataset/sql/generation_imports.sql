-- name: lock_generation
-- One import of a generation at a time, so that of two duplicates the second sees the first.
SELECT pg_advisory_xact_lock(hashtextextended('dataset.examples:' || $1::text, 0))

-- name: imported_items
SELECT item_id FROM examples WHERE item_id = ANY ($1::uuid[])

-- name: first_examples
-- Within its generation: another may ask the same of other texts, or another model; a version keeps the newest.
SELECT DISTINCT ON (key) key, id FROM examples
WHERE project_id = $1 AND state = 'kept' AND delete_time IS NULL AND key = ANY ($2::bytea[])
  AND generation_id IS NOT DISTINCT FROM $3
ORDER BY key, id

-- name: count_made
SELECT count(*) FILTER (WHERE state = 'kept') AS kept,
       count(*) FILTER (WHERE rejection ->> 'reason' = 'DUPLICATE') AS duplicates,
       count(*) FILTER (WHERE rejection ->> 'reason' <> 'DUPLICATE') AS rejected
FROM examples WHERE import_id = $1

-- name: read_made
SELECT kind::text, characters, language, content::text
FROM examples JOIN example_contents ON example_id = id
WHERE import_id = $1
ORDER BY id
