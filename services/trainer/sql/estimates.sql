-- name: set_config
INSERT INTO model_configs (model_id, config) VALUES ($1, $2)
ON CONFLICT (model_id) DO UPDATE SET config = EXCLUDED.config

-- name: get_config
-- Of the model, or of the base that it was made from.
WITH RECURSIVE line AS (
    SELECT id, base_model_id, 0 AS depth FROM models WHERE id = $1
    UNION ALL
    SELECT models.id, models.base_model_id, depth + 1 FROM models JOIN line ON models.id = line.base_model_id
)
SELECT config FROM line JOIN model_configs ON model_id = line.id ORDER BY depth LIMIT 1

-- name: save_estimate
INSERT INTO memory_estimates (run_id, tensors_bytes, needed_bytes, free_bytes, memory, micro_batch_tokens,
                              tokens_per_second, forced)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (run_id) DO UPDATE
SET tensors_bytes = EXCLUDED.tensors_bytes, needed_bytes = EXCLUDED.needed_bytes,
    free_bytes = EXCLUDED.free_bytes, memory = EXCLUDED.memory,
    micro_batch_tokens = EXCLUDED.micro_batch_tokens, tokens_per_second = EXCLUDED.tokens_per_second,
    forced = EXCLUDED.forced
