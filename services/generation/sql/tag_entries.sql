-- name: insert_entries
-- With $3 only those whose very place no tag of the project has.
INSERT INTO tag_entries (generation_id, number, document_id, document_name, heading_path, chunk_id, title)
SELECT $1,
       (SELECT coalesce(max(number), 0) FROM tag_entries WHERE generation_id = $1)
       + row_number() OVER (ORDER BY new.number),
       document_id, document_name, heading_path, chunk_id, title
FROM jsonb_to_recordset($2)
    AS new (number integer, document_id uuid, document_name text, heading_path text[], chunk_id uuid, title text)
WHERE $3::uuid IS NULL OR NOT EXISTS (
    SELECT FROM tag_places JOIN tags ON tags.id = tag_places.tag_id
    WHERE tags.project_id = $3 AND tag_places.document_id = new.document_id
      AND tag_places.heading_path = new.heading_path AND tag_places.chunk_id IS NOT DISTINCT FROM new.chunk_id
)

-- name: list_entries
SELECT * FROM tag_entries WHERE generation_id = $1 ORDER BY number

-- name: update_entries
UPDATE tag_entries SET tag = new.tag, written = tag_entries.written OR $3, placed = tag_entries.placed OR NOT $3
FROM jsonb_to_recordset($2) AS new (number integer, tag text[])
WHERE generation_id = $1 AND tag_entries.number = new.number

-- name: list_held
-- Which places in documents the tags of a project have.
SELECT tag_places.tag_id, tag_places.document_id, tag_places.heading_path
FROM tag_places JOIN tags ON tags.id = tag_places.tag_id
WHERE tags.project_id = $1 AND tag_places.document_id = ANY ($2::uuid[]) AND tag_places.chunk_id IS NULL

-- name: delete_entries
DELETE FROM tag_entries WHERE generation_id = $1
