-- name: call
-- Parts of a statement: a call, the sums, and the answer for later calls.
call AS (
    INSERT INTO llm_calls (id, generation_id, prompt_version, provider_id, model, parameters, prompt_tokens,
                           completion_tokens, calls, seconds, cost, currency, chunk_id, failure, cached)
    VALUES ($1, $2, $3, $4, $5, $6, $7::bigint, $8::bigint, $9::bigint, $10::float8, $11::float8, $12::text, $13, $14, $15::jsonb)
), summed AS (
    INSERT INTO call_sums AS own (generation_id, shard, prompt_tokens, completion_tokens, calls, seconds, cost, currency, cached)
    VALUES ($2, pg_backend_pid() % 16, $7, $8, $9, $10, $11, $12, ($15 IS NOT NULL)::int)
    ON CONFLICT (generation_id, shard) DO UPDATE
    SET prompt_tokens     = own.prompt_tokens + EXCLUDED.prompt_tokens,
        completion_tokens = own.completion_tokens + EXCLUDED.completion_tokens,
        calls             = own.calls + EXCLUDED.calls,
        seconds           = own.seconds + EXCLUDED.seconds,
        cost              = own.cost + EXCLUDED.cost,
        currency          = coalesce(nullif(EXCLUDED.currency, ''), own.currency),
        cached            = own.cached + EXCLUDED.cached
), kept AS (
    INSERT INTO llm_answers (project_id, key, answer) SELECT $16, $17, $18::text::jsonb WHERE $17::bytea IS NOT NULL
    ON CONFLICT (project_id, key) DO UPDATE SET answer = EXCLUDED.answer, create_time = now()
)

-- name: find_answer
SELECT answer FROM llm_answers WHERE project_id = $1 AND key = $2

-- name: delete_project_answers
DELETE FROM llm_answers WHERE project_id = $1

-- name: lock_generation
SELECT id FROM generations WHERE id = $1 FOR KEY SHARE
