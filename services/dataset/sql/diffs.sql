-- name: hold_versions
-- Which of two versions there are; they are not deleted before the transaction ends.
SELECT id FROM dataset_versions WHERE id = ANY ($1::uuid[]) FOR KEY SHARE

-- name: insert_diff
INSERT INTO dataset_diffs (id, project_id, base_id, version_id, job_id) VALUES ($1, $2, $3, $4, $5)

-- name: get_diff
SELECT diff.*, to_jsonb(job) AS job
FROM dataset_diffs AS diff JOIN job_view AS job ON job.id = diff.job_id
WHERE diff.id = $1

-- name: set_made
UPDATE dataset_diffs SET counts = $2, file = $3 WHERE id = $1
