-- name: next_number
INSERT INTO version_numbers (project_id, last) VALUES ($1, 1)
ON CONFLICT (project_id) DO UPDATE SET last = version_numbers.last + 1
RETURNING last

-- name: insert_version
INSERT INTO dataset_versions (id, project_id, number, parent_id, options, job_id)
SELECT $1, $2, $3, (SELECT id FROM dataset_versions WHERE project_id = $2 ORDER BY number DESC LIMIT 1), $4, $5

-- name: list_versions
-- A single version, or those of a project.
SELECT version.*, to_jsonb(job) AS job,
       ARRAY(SELECT name FROM version_tags WHERE dataset_version_id = version.id ORDER BY name COLLATE "C") AS tags
FROM dataset_versions AS version JOIN job_view AS job ON job.id = version.job_id
WHERE ($1::uuid IS NULL OR version.id = $1)
  AND ($2::uuid IS NULL OR version.project_id = $2)
  AND ($3::uuid IS NULL OR version.id < $3)
  AND ($5::integer = 0 OR version.number = $5)
  AND ($6::text = '' OR version.id = (SELECT dataset_version_id FROM version_tags WHERE project_id = $2 AND name = $6))
ORDER BY version.id DESC
LIMIT $4

-- name: content_of
SELECT content_sha256 FROM dataset_versions WHERE id = $1

-- name: set_made
UPDATE dataset_versions
SET split_counts = $2, dropped_counts = $3, content_sha256 = $4, files = $5, figures = $6
WHERE id = $1

-- name: delete_diffs
-- Those that a version is in, with their jobs.
WITH gone AS (DELETE FROM dataset_diffs WHERE base_id = $1 OR version_id = $1 RETURNING job_id)
DELETE FROM jobs USING gone WHERE id = job_id

-- name: delete_version
DELETE FROM dataset_versions WHERE id = $1

-- name: any_kept_example
SELECT EXISTS (
    SELECT 1 FROM examples WHERE project_id = $1 AND state = 'kept' AND matches(examples, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21))

-- name: count_kept
SELECT count(*) FROM examples WHERE project_id = $1 AND state = 'kept' AND matches(examples, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)

-- name: kept_rows
-- As a version takes them; lists are JSON, or NULL where they are empty.
SELECT id, kind::text, content, lineage, CASE WHEN labels <> '{}' THEN to_json(labels) END,
    CASE WHEN tag_ids <> '{}' THEN to_json(tag_ids) END, document_id, question_type, language, generation_id,
    CASE WHEN heading_path <> '{}' THEN array_to_string(heading_path, ' / ') END, score, characters,
    review_state::text
FROM examples JOIN example_contents ON example_id = id
WHERE project_id = $1 AND state = 'kept' AND matches(examples, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)
ORDER BY id
