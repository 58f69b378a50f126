-- name: upsert_file
-- Not of a run that was deleted meanwhile.
INSERT INTO training_run_files (run_id, name, key, size_bytes, sha256)
SELECT $1, $2, $3, $4, $5 WHERE EXISTS (SELECT FROM training_runs WHERE id = $1)
ON CONFLICT (run_id, name) DO UPDATE
SET key = EXCLUDED.key, size_bytes = EXCLUDED.size_bytes, sha256 = EXCLUDED.sha256

-- name: list_files
SELECT name, key, size_bytes, sha256 FROM training_run_files WHERE run_id = $1 ORDER BY name

-- name: list_scalars
SELECT step.step, step.epoch, step.loss, step.learning_rate, step.grad_norm, step.tokens, step.seconds, step.time,
       step.validation_loss, step.reward_accuracy, step.reward_margin
FROM training_steps AS step JOIN training_runs AS run ON run.id = step.run_id
WHERE step.run_id = $1 AND step.step <= run.steps
ORDER BY step.step
