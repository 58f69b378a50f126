-- name: call
-- Parts of a statement: a call, and the sums.
call AS (
    INSERT INTO llm_calls (id, generation_id, prompt_version, provider_id, model, parameters, prompt_tokens,
                           completion_tokens, calls, seconds, cost, currency, chunk_id, failure)
    VALUES ($1, $2, $3, $4, $5, $6, $7::bigint, $8::bigint, $9::bigint, $10::float8, $11::float8, $12::text, $13, $14)
), summed AS (
    INSERT INTO call_sums AS own (generation_id, shard, prompt_tokens, completion_tokens, calls, seconds, cost, currency)
    VALUES ($2, pg_backend_pid() % 16, $7, $8, $9, $10, $11, $12)
    ON CONFLICT (generation_id, shard) DO UPDATE
    SET prompt_tokens     = own.prompt_tokens + EXCLUDED.prompt_tokens,
        completion_tokens = own.completion_tokens + EXCLUDED.completion_tokens,
        calls             = own.calls + EXCLUDED.calls,
        seconds           = own.seconds + EXCLUDED.seconds,
        cost              = own.cost + EXCLUDED.cost,
        currency          = coalesce(nullif(EXCLUDED.currency, ''), own.currency)
)

-- name: lock_generation
SELECT id FROM generations WHERE id = $1 FOR KEY SHARE
