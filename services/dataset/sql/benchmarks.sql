-- name: insert_benchmark
INSERT INTO benchmarks (id, project_id, name, upload_id, options, job_id) VALUES ($1, $2, $3, $4, $5, $6)

-- name: list_benchmarks
-- A single benchmark, or those of a project, newest first.
SELECT benchmark.*, upload.name AS file_name, upload.size_bytes, upload.sha256 AS file_sha256, to_jsonb(job) AS job
FROM benchmarks AS benchmark
JOIN import_uploads AS upload ON upload.id = benchmark.upload_id
JOIN job_view AS job ON job.id = benchmark.job_id
WHERE ($1::uuid IS NULL OR benchmark.id = $1)
  AND ($2::uuid IS NULL OR benchmark.project_id = $2)
  AND ($3::uuid IS NULL OR benchmark.id < $3)
ORDER BY benchmark.id DESC
LIMIT $4

-- name: benchmark_of_name
SELECT id FROM benchmarks WHERE project_id = $1 AND name = $2

-- name: set_read
UPDATE benchmarks SET counts = $2, faults = $3, files = $4 WHERE id = $1

-- name: delete_benchmark
DELETE FROM benchmarks WHERE id = $1
