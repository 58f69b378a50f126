-- name: same_export
-- The export that a version has with these options; whoever asks for it at the same time waits.
SELECT id FROM exports WHERE dataset_version_id = $1 AND options_sha256 = $2

-- name: lock_options
SELECT pg_advisory_xact_lock(hashtextextended('dataset.exports:' || $1::text || ':' || $2::text, 0))

-- name: hold_version
-- Whether the version is there and ready; until the transaction ends it is not deleted.
SELECT true FROM dataset_versions WHERE id = $1 AND content_sha256 <> '' FOR SHARE

-- name: insert_export
INSERT INTO exports (id, project_id, dataset_version_id, options, options_sha256, job_id) VALUES ($1, $2, $3, $4, $5, $6)

-- name: list_exports
-- A single export, or those of a project or version.
SELECT export.*, to_jsonb(job) AS job, COALESCE(
    (SELECT jsonb_agg(to_jsonb(file) - 'export_id' ORDER BY file.name) FROM export_files AS file WHERE file.export_id = export.id),
    '[]') AS files
FROM exports AS export JOIN job_view AS job ON job.id = export.job_id
WHERE ($1::uuid IS NULL OR export.id = $1)
  AND ($2::uuid IS NULL OR export.project_id = $2)
  AND ($3::uuid IS NULL OR export.dataset_version_id = $3)
  AND ($4::uuid IS NULL OR export.id < $4)
ORDER BY export.id DESC
LIMIT $5

-- name: insert_file
-- Nothing where another worker was faster.
INSERT INTO export_files (export_id, name, key, media_type, size_bytes, sha256, shape, split, rows, examples, left_out)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (export_id, name) DO NOTHING
RETURNING name

-- name: set_made
UPDATE exports SET made = true WHERE id = $1

-- name: delete_export
DELETE FROM exports WHERE id = $1

-- name: exports_of_version
SELECT id, job_id FROM exports WHERE dataset_version_id = $1
