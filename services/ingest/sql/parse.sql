-- name: lock_document
SELECT version FROM documents WHERE id = $1 FOR NO KEY UPDATE

-- name: text_chain
-- Hashes of the text that a version's was made from, of what cleaning made of it, and of its own; none without a text.
WITH RECURSIVE chain AS (
    SELECT version, base_version, text_sha256 FROM document_versions WHERE document_id = $1 AND version = $2
    UNION ALL
    SELECT base.version, base.base_version, base.text_sha256
    FROM document_versions AS base JOIN chain ON base.document_id = $1 AND base.version = chain.base_version
)
SELECT text_sha256 FROM chain WHERE text_sha256 <> '' ORDER BY version

-- name: add_text_version
-- The next version: the same bytes, of which parsing now makes another text.
INSERT INTO document_versions (document_id, version, size_bytes, sha256, file_key)
SELECT document_id, version + 1, size_bytes, sha256, file_key FROM document_versions
WHERE document_id = $1 AND version = $2
RETURNING version

-- name: set_text
UPDATE document_versions
SET base_version = $3, text_key = $4, text_sha256 = $5, text_bytes = $6, char_count = $7, page_starts = $8,
    image_count = $9, encoding = $10
WHERE document_id = $1 AND version = $2

-- name: put_document_image
INSERT INTO document_images (document_id, version, index, name, media_type, size_bytes, sha256, file_key,
                             char_start, char_end, page)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)

-- name: put_clean_change
INSERT INTO clean_changes (document_id, version, index, char_start, char_end, removed, added, rule)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)

-- name: retire_chunks
UPDATE chunks SET current = false WHERE document_id = $1 AND current

-- name: put_chunk
INSERT INTO chunks (id, project_id, document_id, document_version, index, text, char_start, char_end, overlap,
                    page_start, page_end, heading_path, section_id, table_header, token_count, sha256)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
ON CONFLICT (id) DO UPDATE
SET current = true, document_version = EXCLUDED.document_version, index = EXCLUDED.index,
    char_start = EXCLUDED.char_start, char_end = EXCLUDED.char_end, overlap = EXCLUDED.overlap,
    page_start = EXCLUDED.page_start, page_end = EXCLUDED.page_end, heading_path = EXCLUDED.heading_path,
    section_id = EXCLUDED.section_id, table_header = EXCLUDED.table_header,
    token_count = EXCLUDED.token_count

-- name: retire_edited
-- Chunks in whose place an edited one stands.
UPDATE chunks SET current = false WHERE document_id = $1 AND current AND edited_by IS NOT NULL
RETURNING id

-- name: place_edited
-- Edited chunks stand where their originals would.
UPDATE chunks AS edited
SET current = true, document_version = original.document_version, index = original.index,
    char_start = original.char_start, char_end = original.char_end, page_start = original.page_start,
    page_end = original.page_end, heading_path = original.heading_path, section_id = original.section_id,
    table_header = original.table_header
FROM chunks AS original
WHERE edited.id = original.edited_by AND original.id = ANY ($1::uuid[])

-- name: delete_sections
DELETE FROM sections WHERE document_id = $1

-- name: put_section
INSERT INTO sections (id, project_id, document_id, document_version, index, parent_id, level, title, char_start,
                      char_end, page_start)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)

-- name: set_parsed
UPDATE documents
SET version = $2, state = 'parsed', failure = NULL, chunk_count = $3, section_count = $4, parse_options = $5,
    update_time = now()
WHERE id = $1

-- name: list_document_images
SELECT index, name, media_type, size_bytes, sha256, file_key, char_start, char_end, page FROM document_images
WHERE document_id = $1 AND version = $2 AND index > $3
ORDER BY index
LIMIT $4

-- name: list_clean_changes
SELECT index, char_start, char_end, removed, added, rule FROM clean_changes
WHERE document_id = $1 AND version = $2 AND index > $3
ORDER BY index
LIMIT $4
