-- name: lock_version
-- Whether a version is there; it is not deleted before the transaction ends, and nobody else asks for statistics of it.
SELECT true FROM dataset_versions WHERE id = $1 FOR NO KEY UPDATE

-- name: same_statistics
SELECT id FROM dataset_statistics WHERE dataset_version_id = $1 AND options = $2

-- name: insert_statistics
INSERT INTO dataset_statistics (id, project_id, dataset_version_id, options, job_id) VALUES ($1, $2, $3, $4, $5)

-- name: get_statistics
-- By id; or of a version those with some options, or the newest, those that are ready first.
SELECT statistics.*, to_jsonb(job) AS job
FROM dataset_statistics AS statistics JOIN job_view AS job ON job.id = statistics.job_id
WHERE ($1::uuid IS NULL OR statistics.id = $1)
  AND ($2::uuid IS NULL OR dataset_version_id = $2)
  AND ($3::jsonb IS NULL OR options = $3)
ORDER BY key <> '' DESC, statistics.id DESC
LIMIT 1

-- name: set_made
UPDATE dataset_statistics SET key = $2 WHERE id = $1

-- name: delete_statistics
WITH gone AS (DELETE FROM dataset_statistics WHERE id = $1 RETURNING job_id)
DELETE FROM jobs USING gone WHERE id = job_id

-- name: jobs_of_version
SELECT job_id FROM dataset_statistics WHERE dataset_version_id = $1
