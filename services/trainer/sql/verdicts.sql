-- name: list_losses
-- What a run went back from stands beyond its step until it is done again.
SELECT step.step, step.epoch, step.learning_rate, step.loss, step.validation_loss
FROM training_steps AS step JOIN training_runs AS run ON run.id = step.run_id
WHERE step.run_id = $1 AND step.step <= run.steps
ORDER BY step.step

-- name: set_verdict
UPDATE training_runs SET verdict = $2, update_time = now() WHERE id = $1
