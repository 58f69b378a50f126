-- name: insert_genre_audiences
-- In their order; those that the document has are left out.
INSERT INTO genre_audiences (project_id, id, document_id, genre, genre_description, audience, audience_description, enabled)
SELECT $1, new.*
FROM jsonb_to_recordset($2)
    AS new (id uuid, document_id uuid, genre text, genre_description text, audience text, audience_description text,
            enabled boolean)
ON CONFLICT (document_id, genre, audience) DO NOTHING
RETURNING id

-- name: get_genre_audience
SELECT * FROM genre_audiences WHERE id = $1

-- name: lock_genre_audience
SELECT * FROM genre_audiences WHERE id = $1 FOR UPDATE

-- name: list_genre_audiences
SELECT * FROM genre_audiences
WHERE project_id = $1 AND ($2::uuid IS NULL OR document_id = $2) AND ($3::uuid IS NULL OR id > $3)
ORDER BY id
LIMIT $4

-- name: list_of_documents
SELECT * FROM genre_audiences
WHERE project_id = $1 AND document_id = ANY ($2::uuid[]) AND (enabled OR NOT $3)
ORDER BY id

-- name: update_genre_audience
UPDATE genre_audiences
SET genre = $2, genre_description = $3, audience = $4, audience_description = $5, enabled = $6, update_time = now()
WHERE id = $1

-- name: delete_genre_audience
DELETE FROM genre_audiences WHERE id = $1 RETURNING id

-- name: delete_of_document
DELETE FROM genre_audiences WHERE project_id = $1 AND document_id = $2 RETURNING id

-- name: delete_project_genre_audiences
DELETE FROM genre_audiences WHERE project_id = $1 RETURNING id
