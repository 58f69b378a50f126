-- name: begin_checkpoint
-- Only by the worker that holds the run.
INSERT INTO training_checkpoints (id, run_id, step, prefix)
SELECT $1, run_id, $3, $4 FROM run_leases WHERE holder = $5 AND run_id = $2
RETURNING id

-- name: complete_checkpoint
UPDATE training_checkpoints SET complete = true, files = $2, size_bytes = $3, create_time = now()
WHERE id = $1 AND EXISTS (SELECT FROM run_leases WHERE holder = $4 AND run_id = training_checkpoints.run_id)
RETURNING id

-- name: drop_checkpoint
DELETE FROM training_checkpoints WHERE id = $1

-- name: drop_checkpoints
DELETE FROM training_checkpoints WHERE run_id = $1

-- name: runs_left_behind
-- Cancelled runs that have checkpoints and that no worker holds: one that does deletes them itself.
SELECT DISTINCT run.id AS run_id
FROM training_checkpoints AS checkpoint
JOIN training_runs AS run ON run.id = checkpoint.run_id
JOIN jobs ON jobs.id = run.job_id
WHERE jobs.state = 'cancelled'
  AND NOT EXISTS (
    SELECT FROM run_leases AS lease
    WHERE lease.run_id = run.id AND lease.heartbeat_time >= now() - make_interval(secs => $1)
  )
LIMIT 100

-- name: list_of_run
-- All of a run, those whose upload has only begun too, with what was measured at their steps.
SELECT checkpoint.id, checkpoint.step, prefix, files, size_bytes, complete, create_time, loss, validation_loss
FROM training_checkpoints AS checkpoint
LEFT JOIN training_steps AS measured ON measured.run_id = checkpoint.run_id AND measured.step = checkpoint.step
WHERE checkpoint.run_id = $1
ORDER BY checkpoint.step DESC, create_time DESC

-- name: list_page
SELECT checkpoint.id, checkpoint.step, prefix, files, size_bytes, complete, create_time, loss, validation_loss
FROM training_checkpoints AS checkpoint
LEFT JOIN training_steps AS measured ON measured.run_id = checkpoint.run_id AND measured.step = checkpoint.step
WHERE checkpoint.run_id = $1 AND complete AND ($2::integer IS NULL OR checkpoint.step < $2)
ORDER BY checkpoint.step DESC
LIMIT $3

-- name: losses_at
SELECT step, validation_loss FROM training_steps
WHERE run_id = $1 AND step = ANY ($2::integer[]) AND validation_loss IS NOT NULL
