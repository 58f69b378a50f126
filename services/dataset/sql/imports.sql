-- name: insert_upload
INSERT INTO import_uploads (id, project_id, name, size_bytes, sha256) VALUES ($1, $2, $3, $4, $5)

-- name: get_upload
SELECT id, project_id, name, size_bytes, sha256, create_time FROM import_uploads WHERE id = $1

-- name: old_uploads
-- Whose bytes no import waits for or reads.
SELECT id, project_id, name, size_bytes, sha256, create_time
FROM import_uploads AS upload
WHERE sweep_time IS NULL AND create_time < now() - make_interval(secs => $1) AND NOT EXISTS (
    SELECT FROM imports JOIN jobs ON jobs.id = imports.job_id
    WHERE upload_id = upload.id AND jobs.state IN ('pending', 'running', 'paused'))
ORDER BY create_time
LIMIT $2

-- name: delete_uploads
DELETE FROM import_uploads AS upload
WHERE id = ANY ($1::uuid[]) AND NOT EXISTS (SELECT FROM imports WHERE upload_id = upload.id)

-- name: note_swept
-- Those of which an import tells still.
UPDATE import_uploads SET sweep_time = now() WHERE id = ANY ($1::uuid[])

-- name: insert_import
INSERT INTO imports (id, project_id, upload_id, generations, options, job_id) VALUES ($1, $2, $3, $4, $5, $6)

-- name: list_imports
-- A single import, or those of a project, newest first.
SELECT import.*, upload.name, upload.size_bytes, upload.sha256, to_jsonb(job) AS job
FROM imports AS import
LEFT JOIN import_uploads AS upload ON upload.id = import.upload_id
JOIN job_view AS job ON job.id = import.job_id
WHERE ($1::uuid IS NULL OR import.id = $1)
  AND ($2::uuid IS NULL OR import.project_id = $2)
  AND ($3::uuid IS NULL OR import.id < $3)
ORDER BY import.id DESC
LIMIT $4

-- name: lock_project
-- One import into a project at a time, so that of two duplicates the second sees the first.
SELECT pg_advisory_xact_lock(hashtextextended('dataset.imports:' || $1::text, 0))

-- name: sort_in_memory
-- In the transaction: what was just copied in is in no statistics, by which the planner would go from row to row, or through all of a table
-- in the order of an index; and a million rows of what duplicates are found by take less than this.
SELECT set_config('enable_nestloop', 'off', true), set_config('enable_indexscan', 'off', true), set_config('work_mem', '128MB', true)

-- name: reject_duplicates
-- Of an import, what others of the project ask or say that were kept before, or rows before it.
UPDATE examples AS later
SET state = 'rejected', rejection = jsonb_build_object(
    'code', 'ALREADY_EXISTS',
    'reason', 'DUPLICATE',
    'message', 'example ' || duplicate.first_id || ' asks the same question',
    'metadata', jsonb_build_object('example_id', duplicate.first_id))
FROM (
    SELECT id, import_id, first_value(id) OVER (PARTITION BY key ORDER BY id) AS first_id FROM examples
    WHERE project_id = $1 AND state = 'kept' AND delete_time IS NULL
) AS duplicate
WHERE later.id = duplicate.id AND later.import_id = $2 AND duplicate.import_id = $2 AND duplicate.first_id <> duplicate.id

-- name: set_counts
UPDATE imports SET counts = $2, profile = $3 WHERE id = $1

-- name: delete_faults
DELETE FROM import_faults WHERE import_id = $1

-- name: list_faults
SELECT * FROM import_faults WHERE import_id = $1 AND position > $2 ORDER BY position LIMIT $3
