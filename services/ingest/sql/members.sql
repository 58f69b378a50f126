-- name: find_members
-- For each file of an archive the document that is made of it already, as find_document does for one.
SELECT DISTINCT ON (file.place) file.place, document.*
FROM unnest($3::text[], $4::text[], $5::text[], $6::jsonb[])
         WITH ORDINALITY AS file (name, media_type, sha256, refusal, place)
JOIN document_view AS document
  ON document.project_id = $1 AND document.parent_id = $2 AND document.sha256 = file.sha256
 AND document.refusal IS NOT DISTINCT FROM file.refusal
WHERE document.name = file.name
   OR document.media_type = file.media_type AND document.state <> 'failed' AND document.size_bytes > 0
      AND NOT EXISTS (SELECT FROM documents WHERE project_id = $1 AND name = file.name)
ORDER BY file.place, document.name <> file.name, document.name

-- name: insert_members
-- Documents of files whose names are free.
WITH file AS (
    SELECT * FROM unnest($3::uuid[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::text[], $9::jsonb[])
               AS file (id, name, media_type, size_bytes, sha256, file_key, refusal)
), made AS (
    INSERT INTO documents (id, project_id, name, media_type, parent_id)
    SELECT id, $1::uuid, name, media_type, $2::uuid FROM file
    ON CONFLICT (project_id, name) DO NOTHING
    RETURNING id, version
)
INSERT INTO document_versions (document_id, version, size_bytes, sha256, file_key, refusal)
SELECT id, version, size_bytes, sha256, file_key, refusal FROM made JOIN file USING (id)

-- name: lock_members
SELECT FROM documents WHERE parent_id = $1 AND name = ANY ($2::text[]) ORDER BY id FOR NO KEY UPDATE

-- name: add_member_files
-- The next versions, of other bytes, of what the same archive holds under these names.
WITH added AS (
    INSERT INTO document_versions (document_id, version, size_bytes, sha256, file_key, refusal)
    SELECT document.id, document.version + 1, file.size_bytes, file.sha256, file.file_key, file.refusal
    FROM unnest($3::text[], $4::bigint[], $5::text[], $6::text[], $7::jsonb[])
             AS file (name, size_bytes, sha256, file_key, refusal)
    JOIN document_view AS document
      ON document.project_id = $1 AND document.name = file.name AND document.parent_id = $2
     AND (document.sha256, document.refusal) IS DISTINCT FROM (file.sha256, file.refusal)
    RETURNING document_id, version
), retired AS (
    UPDATE chunks SET current = false FROM added WHERE chunks.document_id = added.document_id AND current
), closed AS (
    DELETE FROM sections USING added WHERE sections.document_id = added.document_id
)
UPDATE documents
SET version = added.version, state = 'uploaded', failure = NULL, chunk_count = 0, section_count = 0,
    parse_options = NULL, source_url = '', update_time = now()
FROM added WHERE id = added.document_id
