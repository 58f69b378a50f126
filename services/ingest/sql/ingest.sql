-- name: insert_project
INSERT INTO projects (id, name, description) VALUES ($1, $2, $3)
ON CONFLICT (name) WHERE delete_time IS NULL DO NOTHING
RETURNING id, name, description, create_time, update_time

-- name: get_project
SELECT id, name, description, create_time, update_time FROM projects WHERE id = $1 AND delete_time IS NULL

-- name: keep_project
-- Holds off the deletion of a project until the transaction ends, or finds none once it has begun.
SELECT id FROM projects WHERE id = $1 AND delete_time IS NULL FOR SHARE

-- name: list_projects
SELECT id, name, description, create_time, update_time FROM projects
WHERE delete_time IS NULL AND ($1::text = '' OR name = $1) AND ($2::uuid IS NULL OR id < $2)
ORDER BY id DESC
LIMIT $3

-- name: update_project
UPDATE projects
SET name = coalesce($2, name), description = coalesce($3, description), update_time = now()
WHERE id = $1 AND delete_time IS NULL
RETURNING id, name, description, create_time, update_time

-- name: begin_deletion
UPDATE projects SET delete_time = coalesce(delete_time, now()) WHERE id = $1 RETURNING id

-- name: requested_in_project
-- What requests may have made in a project.
SELECT id FROM uploads WHERE project_id = $1 UNION ALL SELECT id FROM jobs WHERE project_id = $1

-- name: delete_project
DELETE FROM projects WHERE id = $1

-- name: delete_project_uploads
DELETE FROM uploads WHERE project_id = $1

-- name: delete_project_documents
DELETE FROM documents WHERE project_id = $1

-- name: count_project_rows
WITH held AS (SELECT id FROM documents WHERE project_id = $1)
SELECT (SELECT count(*) FROM held) AS documents,
       (SELECT count(*) FROM document_versions JOIN held ON id = document_id) AS document_versions,
       (SELECT count(*) FROM document_images JOIN held ON id = document_id) AS document_images,
       (SELECT count(*) FROM clean_changes JOIN held ON id = document_id) AS clean_changes,
       (SELECT count(*) FROM uploads WHERE project_id = $1) AS uploads,
       (SELECT count(*) FROM sections WHERE project_id = $1) AS sections,
       (SELECT count(*) FROM chunks WHERE project_id = $1) AS chunks

-- name: insert_upload
INSERT INTO uploads (id, project_id, name, media_type, size_bytes, sha256, file_key)
VALUES ($1, $2, $3, $4, $5, $6, $7)

-- name: get_upload
SELECT id, project_id, name, media_type, size_bytes, sha256, file_key, document_id FROM uploads WHERE id = $1

-- name: lock_upload
-- Locks the project before the upload, as its deletion does; the order of the clauses decides.
SELECT upload.document_id
FROM uploads AS upload JOIN projects AS project ON project.id = upload.project_id
WHERE upload.id = $1 AND project.delete_time IS NULL
FOR SHARE OF project FOR UPDATE OF upload

-- name: old_uploads
SELECT id, project_id, name, media_type, size_bytes, sha256, file_key, document_id FROM uploads
WHERE create_time < now() - $1::interval
ORDER BY create_time
LIMIT $2

-- name: delete_uploads
DELETE FROM uploads WHERE id = ANY ($1::uuid[])

-- name: uploads_of_document
SELECT id FROM uploads WHERE document_id = ANY ($1::uuid[])

-- name: complete_upload
UPDATE uploads SET document_id = $2 WHERE id = $1

-- name: lock_hash
-- Until the transaction ends no other one of this room makes a document of these bytes in the project.
SELECT pg_advisory_xact_lock(hashtextextended($1::text || $2, 0))

-- name: insert_document
WITH made AS (
    INSERT INTO documents (id, project_id, name, media_type, parent_id, source_url)
    VALUES ($1, $2, $3, $4, $8, $9)
    ON CONFLICT (project_id, name) DO NOTHING
    RETURNING id, version
)
INSERT INTO document_versions (document_id, version, size_bytes, sha256, file_key, refusal)
SELECT id, version, $5, $6, $7, $10 FROM made

-- name: lock_document_named
SELECT id, parent_id FROM documents WHERE project_id = $1 AND name = $2 FOR NO KEY UPDATE

-- name: add_file
-- The next version, of other bytes; nothing when the newest version has these bytes.
WITH added AS (
    INSERT INTO document_versions (document_id, version, size_bytes, sha256, file_key, refusal)
    SELECT id, version + 1, $2, $3, $4, $6 FROM document_view
    WHERE id = $1 AND (sha256, refusal) IS DISTINCT FROM ($3, $6::jsonb)
    RETURNING version
), retired AS (
    UPDATE chunks SET current = false WHERE document_id = $1 AND current AND EXISTS (SELECT FROM added)
), closed AS (
    DELETE FROM sections WHERE document_id = $1 AND EXISTS (SELECT FROM added)
)
UPDATE documents
SET version = added.version, state = 'uploaded', failure = NULL, chunk_count = 0, section_count = 0,
    parse_options = NULL, source_url = $5, update_time = now()
FROM added WHERE id = $1

-- name: get_document
SELECT * FROM document_view WHERE id = $1

-- name: find_document
-- The document whose newest version holds these bytes: that of this name, or a twin if none has the name. A twin is of
-- the same media type, as the bytes are read as that, and did not fail, as it may have a wrong name; empty files have
-- none. What lies in an archive is a twin only of what lies in the same one: it goes with it.
SELECT * FROM document_view AS document
WHERE project_id = $1 AND sha256 = $3
  AND parent_id IS NOT DISTINCT FROM $4::uuid AND refusal IS NOT DISTINCT FROM $5::jsonb
  AND (name = $2
       OR media_type = $6 AND state <> 'failed' AND size_bytes > 0
          AND NOT EXISTS (SELECT FROM documents WHERE project_id = $1 AND name = $2))
ORDER BY name <> $2, name
LIMIT 1

-- name: get_version
SELECT document_id, version, base_version, size_bytes, sha256, file_key, text_key, text_sha256, text_bytes,
       char_count, page_starts, image_count
FROM document_versions WHERE document_id = $1 AND version = $2

-- name: list_documents
SELECT * FROM document_view
WHERE project_id = $1
  AND ($2::document_state IS NULL OR state = $2)
  AND ($3::uuid IS NULL OR parent_id = $3)
  AND ($4::uuid IS NULL OR id IN (SELECT document_id FROM fetches WHERE job_id = $4))
  AND ($5::text = '' OR name = $5 OR right(name, length($5) + 1) = '/' || $5)
  AND ($6::text IS NULL OR name > $6)
ORDER BY name
LIMIT $7

-- name: note_fetched
INSERT INTO fetches (job_id, document_id) VALUES ($1, $2) ON CONFLICT DO NOTHING

-- name: documents_to_parse
SELECT id, version FROM documents
WHERE project_id = $1
  AND CASE WHEN $2::uuid[] = '{}' THEN state IN ('uploaded', 'failed') ELSE id = ANY ($2) END
ORDER BY name

-- name: documents_under
-- A document and all that it holds, locked in an order of their own, before their chunks.
WITH RECURSIVE held AS (
    SELECT id FROM documents WHERE id = $1
    UNION ALL
    SELECT member.id FROM documents AS member JOIN held ON member.parent_id = held.id
)
SELECT id, project_id FROM documents WHERE id IN (SELECT id FROM held) ORDER BY id FOR UPDATE

-- name: members_but
-- What a document holds beside these.
SELECT id FROM documents WHERE parent_id = $1 AND id <> ALL ($2::uuid[]) ORDER BY id

-- name: delete_documents
DELETE FROM documents WHERE id = ANY ($1::uuid[])

-- name: file_keys
SELECT DISTINCT file_key FROM document_versions WHERE document_id = ANY ($1::uuid[])

-- name: delete_chunks
DELETE FROM chunks WHERE document_id = ANY ($1::uuid[])

-- name: insert_deletion
INSERT INTO deletions (document_id, project_id, document_ids, file_keys, chunk_count) VALUES ($1, $2, $3, $4, $5)

-- name: get_deletion
SELECT document_id, project_id, document_ids, file_keys, chunk_count FROM deletions WHERE document_id = $1

-- name: old_deletions
SELECT document_id, project_id, document_ids, file_keys, chunk_count FROM deletions
WHERE create_time < now() - $1::interval AND ($2::uuid IS NULL OR document_id > $2)
ORDER BY document_id
LIMIT $3

-- name: end_deletion
DELETE FROM deletions WHERE document_id = $1
