-- name: get_chunk
SELECT id, project_id, document_id, document_version, current, excluded, edit_of, made_from, index, text, char_start,
       char_end, overlap, page_start, page_end, heading_path, section_id, table_header, token_count, sha256
FROM chunks WHERE id = $1

-- name: get_chunks
SELECT id, project_id, document_id, document_version, current, excluded, edit_of, made_from, index, text, char_start,
       char_end, overlap, page_start, page_end, heading_path, section_id, table_header, token_count, sha256
FROM chunks WHERE id = ANY ($1::uuid[])
ORDER BY index

-- name: list_chunks
SELECT id, project_id, document_id, document_version, current, excluded, edit_of, made_from, index, text, char_start,
       char_end, overlap, page_start, page_end, heading_path, section_id, table_header, token_count, sha256
FROM chunks
WHERE project_id = $1 AND current
  AND ($2::uuid IS NULL OR document_id = $2)
  AND ($3 OR NOT excluded)
  AND ($4::uuid IS NULL OR (document_id, index) > ($4, $5::integer))
ORDER BY document_id, index
LIMIT $6

-- name: tokenizer_of
-- That of the last parse of the document of some chunks.
SELECT parse_options -> 'split' ->> 'tokenizer' FROM documents
WHERE id IN (SELECT document_id FROM chunks WHERE id = ANY ($1::uuid[]))
ORDER BY id
LIMIT 1

-- name: lock_document
SELECT FROM documents WHERE id = $1 FOR NO KEY UPDATE

-- name: set_excluded
UPDATE chunks SET excluded = $2 WHERE id = $1

-- name: retire
UPDATE chunks SET current = false WHERE id = ANY ($1::uuid[])

-- name: set_edited_by
UPDATE chunks SET edited_by = $2, current = false WHERE id = $1

-- name: restore
UPDATE chunks SET edited_by = NULL, current = true, index = $2, excluded = $3 WHERE id = $1

-- name: lift
-- Makes room behind a place; below zero first, as no two chunks may share a place at any moment.
UPDATE chunks SET index = -1 - index - $3 WHERE document_id = $1 AND current AND index > $2

-- name: lower
UPDATE chunks SET index = -1 - index WHERE document_id = $1 AND current AND index < 0

-- name: put_chunk
INSERT INTO chunks (id, project_id, document_id, document_version, excluded, edit_of, made_from, index, text,
                    char_start, char_end, overlap, page_start, page_end, heading_path, section_id, table_header,
                    token_count, sha256)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
ON CONFLICT (id) DO UPDATE
SET current = true, document_version = EXCLUDED.document_version, excluded = EXCLUDED.excluded,
    made_from = EXCLUDED.made_from, index = EXCLUDED.index, char_start = EXCLUDED.char_start,
    char_end = EXCLUDED.char_end, overlap = EXCLUDED.overlap, page_start = EXCLUDED.page_start,
    page_end = EXCLUDED.page_end, heading_path = EXCLUDED.heading_path, section_id = EXCLUDED.section_id,
    table_header = EXCLUDED.table_header, token_count = EXCLUDED.token_count

-- name: count_chunks
UPDATE documents
SET chunk_count = (SELECT count(*) FROM chunks WHERE document_id = $1 AND current), update_time = now()
WHERE id = $1

-- name: page_starts
SELECT page_starts FROM document_versions WHERE document_id = $1 AND version = $2

-- name: sections_over
-- The sections that hold a place, outermost first.
SELECT id, title FROM sections
WHERE document_id = $1 AND document_version = $2 AND char_start <= $3 AND $3 < char_end
ORDER BY index

-- name: list_sections
SELECT id, project_id, document_id, document_version, index, parent_id, level, title, char_start, char_end,
       page_start
FROM sections
WHERE project_id = $1
  AND ($2::uuid IS NULL OR document_id = $2)
  AND ($3::uuid IS NULL OR (document_id, index) > ($3, $4::integer))
ORDER BY document_id, index
LIMIT $5
