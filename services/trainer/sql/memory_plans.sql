-- name: take_plan
-- Once for a run.
INSERT INTO memory_plans (run_id, micro_tokens, gradient_checkpointing) VALUES ($1, $2, $3)
ON CONFLICT DO NOTHING
RETURNING run_id

-- name: get_plan
SELECT micro_tokens, gradient_checkpointing FROM memory_plans WHERE run_id = $1
