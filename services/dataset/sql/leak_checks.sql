-- name: insert_check
INSERT INTO leak_checks (id, project_id, wanted, job_id) VALUES ($1, $2, $3, $4)

-- name: list_checks
-- A single check, or those of a project, newest first.
SELECT leak_check.*, to_jsonb(job) AS job
FROM leak_checks AS leak_check JOIN job_view AS job ON job.id = leak_check.job_id
WHERE ($1::uuid IS NULL OR leak_check.id = $1)
  AND ($2::uuid IS NULL OR leak_check.project_id = $2)
  AND ($3::uuid IS NULL OR leak_check.id < $3)
ORDER BY leak_check.id DESC
LIMIT $4

-- name: looked_at
-- By id, and so the oldest first. Exam items are never trained on.
SELECT id, kind, content
FROM examples JOIN example_contents ON example_id = id
WHERE project_id = $1 AND kind <> 'exam_item'
  AND matches(examples, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)
  AND ($22::text = '' OR position($22 IN lower(content::text)) > 0)
ORDER BY id

-- name: exam_items
SELECT id, kind, content
FROM examples JOIN example_contents ON example_id = id
WHERE project_id = $1 AND kind = 'exam_item' AND state = 'kept' AND delete_time IS NULL
ORDER BY id

-- name: set_found
UPDATE leak_checks SET counts = $2, sources = $3, file = $4 WHERE id = $1

-- name: delete_check
DELETE FROM leak_checks WHERE id = $1
