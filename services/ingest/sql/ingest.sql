-- name: insert_project
INSERT INTO projects (id, name, description) VALUES ($1, $2, $3)
ON CONFLICT (name) DO NOTHING
RETURNING *

-- name: get_project
SELECT * FROM projects WHERE id = $1

-- name: list_projects
SELECT * FROM projects
WHERE ($1::text = '' OR name = $1) AND ($2::uuid IS NULL OR id < $2)
ORDER BY id DESC
LIMIT $3

-- name: update_project
UPDATE projects SET name = $2, description = $3, update_time = now() WHERE id = $1 RETURNING *

-- name: delete_project
DELETE FROM projects WHERE id = $1

-- name: count_project_rows
SELECT (SELECT count(*) FROM documents WHERE project_id = $1) AS documents,
       (SELECT count(*) FROM chunks WHERE project_id = $1) AS chunks

-- name: insert_upload
INSERT INTO uploads (id, project_id, name, media_type, size_bytes, sha256, file_key)
VALUES ($1, $2, $3, $4, $5, $6, $7)

-- name: get_upload
SELECT id, project_id, name, media_type, size_bytes, sha256, file_key, document_id FROM uploads WHERE id = $1

-- name: lock_upload
SELECT document_id FROM uploads WHERE id = $1 FOR UPDATE

-- name: complete_upload
UPDATE uploads SET document_id = $2 WHERE id = $1

-- name: upsert_document
-- The same bytes under the same name change nothing; other bytes make the next version.
INSERT INTO documents (id, project_id, name, media_type, size_bytes, sha256, file_key)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (project_id, name) DO UPDATE
SET media_type = EXCLUDED.media_type, size_bytes = EXCLUDED.size_bytes, sha256 = EXCLUDED.sha256,
    file_key = EXCLUDED.file_key, version = documents.version + 1, state = 'uploaded', failure = NULL,
    update_time = now()
RETURNING *

-- name: get_document
SELECT * FROM documents WHERE id = $1

-- name: find_document
SELECT * FROM documents WHERE project_id = $1 AND name = $2 AND sha256 = $3

-- name: list_documents
SELECT * FROM documents
WHERE project_id = $1
  AND ($2::document_state IS NULL OR state = $2)
  AND ($3::text IS NULL OR name > $3)
ORDER BY name
LIMIT $4

-- name: documents_to_parse
SELECT id, version FROM documents
WHERE project_id = $1
  AND CASE WHEN $2::uuid[] = '{}' THEN state IN ('uploaded', 'failed') ELSE id = ANY ($2) END
ORDER BY name

-- name: set_parsed
UPDATE documents
SET state = 'parsed', failure = NULL, text_key = $2, text_sha256 = $3, text_bytes = $4, char_count = $5,
    page_count = $6, chunk_count = $7, update_time = now()
WHERE id = $1 AND version = $8

-- name: set_failed
UPDATE documents SET state = 'failed', failure = $3, update_time = now() WHERE id = $1 AND version = $2

-- name: delete_document
DELETE FROM documents WHERE id = $1

-- name: delete_uploads
DELETE FROM uploads WHERE document_id = $1 RETURNING file_key

-- name: delete_chunks
DELETE FROM chunks WHERE document_id = $1

-- name: insert_chunks
INSERT INTO chunks (id, project_id, document_id, document_version, index, text, char_start, char_end,
                    page_start, page_end, heading_path, token_count, sha256)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)

-- name: get_chunk
SELECT * FROM chunks WHERE id = $1

-- name: list_chunks
SELECT * FROM chunks
WHERE project_id = $1
  AND ($2::uuid IS NULL OR document_id = $2)
  AND ($3::uuid IS NULL OR (document_id, index) > ($3, $4::integer))
ORDER BY document_id, index
LIMIT $5
