-- name: call
-- Parts of a statement: a call, the answer for later calls, the sums, and the end of what was reserved. Postgres
-- does the last part first: who waits for an answer that another stores holds its sums, never the other way round.
call AS (
    INSERT INTO llm_calls (id, generation_id, prompt_version, provider_id, model, parameters, prompt_tokens,
                           completion_tokens, calls, seconds, cost, currency, chunk_id, failure, cached)
    VALUES ($1, $2, $3, $4, $5, $6, $7::bigint, $8::bigint, $9::bigint, $10::float8, $11::float8, $12::text, $13, $14, $15::jsonb)
), kept AS (
    INSERT INTO llm_answers (project_id, key, answer) SELECT $16, $17, $18::text::jsonb WHERE $17::bytea IS NOT NULL
    ON CONFLICT (project_id, key) DO UPDATE SET answer = EXCLUDED.answer, claimed_by = NULL, create_time = now()
), summed AS (
    INSERT INTO call_sums AS own (generation_id, shard, prompt_tokens, completion_tokens, calls, seconds, cost, currency, cached)
    VALUES ($2, pg_backend_pid() % 64, $7, $8, $9, $10, $11, $12, ($15 IS NOT NULL)::int)
    ON CONFLICT (generation_id, shard) DO UPDATE
    SET prompt_tokens     = own.prompt_tokens + EXCLUDED.prompt_tokens,
        completion_tokens = own.completion_tokens + EXCLUDED.completion_tokens,
        calls             = own.calls + EXCLUDED.calls,
        seconds           = own.seconds + EXCLUDED.seconds,
        cost              = own.cost + EXCLUDED.cost,
        currency          = coalesce(nullif(EXCLUDED.currency, ''), own.currency),
        cached            = own.cached + EXCLUDED.cached
), released AS (DELETE FROM reservations WHERE item_id = $19)

-- name: insert_calls
-- As `call`, for some at once. Of those who asked the same at the same time one answer is kept.
WITH given AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset($1)
        AS given (id uuid, generation_id uuid, prompt_version text, provider_id uuid, model text, parameters jsonb,
                  prompt_tokens bigint, completion_tokens bigint, calls bigint, seconds float8, cost float8, currency text,
                  chunk_id uuid, failure text, cached jsonb, project_id uuid, key text, answer text, item_id uuid)
), call AS (
    INSERT INTO llm_calls (id, generation_id, prompt_version, provider_id, model, parameters, prompt_tokens,
                           completion_tokens, calls, seconds, cost, currency, chunk_id, failure, cached)
    SELECT id, generation_id, prompt_version, provider_id, model, parameters, prompt_tokens,
           completion_tokens, calls, seconds, cost, currency, chunk_id, failure, cached
    FROM given
), kept AS (
    INSERT INTO llm_answers (project_id, key, answer)
    SELECT DISTINCT ON (project_id, key) project_id, decode(key, 'hex'), answer::jsonb FROM given WHERE key IS NOT NULL
    ORDER BY project_id, key
    ON CONFLICT (project_id, key) DO UPDATE SET answer = EXCLUDED.answer, claimed_by = NULL, create_time = now()
), summed AS (
    INSERT INTO call_sums AS own (generation_id, shard, prompt_tokens, completion_tokens, calls, seconds, cost, currency, cached)
    SELECT generation_id, pg_backend_pid() % 64, sum(prompt_tokens), sum(completion_tokens), sum(calls), sum(seconds),
           sum(cost), max(currency), count(cached)
    FROM given GROUP BY generation_id ORDER BY generation_id
    ON CONFLICT (generation_id, shard) DO UPDATE
    SET prompt_tokens     = own.prompt_tokens + EXCLUDED.prompt_tokens,
        completion_tokens = own.completion_tokens + EXCLUDED.completion_tokens,
        calls             = own.calls + EXCLUDED.calls,
        seconds           = own.seconds + EXCLUDED.seconds,
        cost              = own.cost + EXCLUDED.cost,
        currency          = coalesce(nullif(EXCLUDED.currency, ''), own.currency),
        cached            = own.cached + EXCLUDED.cached
)
DELETE FROM reservations WHERE item_id IN (SELECT item_id FROM given)

-- name: kept_answer
SELECT answer FROM llm_answers WHERE project_id = $1 AND key = $2 AND answer IS NOT NULL

-- name: find_answer
-- The answer that is kept, but for $4, which was read and is of no use any more. Where there is none, the item $3 claims
-- it, and says whether it did: not while another that claimed it is in work. Who comes as the answer is being stored
-- waits for that here, and claims nothing. A claim that is lost with Postgres costs a call at most, so none waits for its disk.
WITH found AS (
    SELECT answer FROM llm_answers
    WHERE project_id = $1 AND key = $2 AND answer IS NOT NULL AND answer IS DISTINCT FROM $4::text::jsonb
), claimed AS (
    INSERT INTO llm_answers AS own (project_id, key, claimed_by)
    SELECT $1, $2, $3::uuid WHERE NOT EXISTS (SELECT FROM found)
    ON CONFLICT (project_id, key) DO UPDATE SET claimed_by = EXCLUDED.claimed_by, create_time = now()
    WHERE own.answer IS NOT DISTINCT FROM $4::text::jsonb
      AND (own.claimed_by = EXCLUDED.claimed_by
           OR own.create_time < now() - $6::interval
           OR NOT EXISTS (SELECT FROM pgqueuer
                          WHERE dedupe_key = own.claimed_by::text AND status = 'picked' AND heartbeat > now() - $5::interval))
    RETURNING set_config('synchronous_commit', 'off', true)
)
SELECT (SELECT answer FROM found) AS answer, (SELECT count(*) FROM claimed) > 0 AS claimed

-- name: give_up_claim
WITH gone AS (
    DELETE FROM llm_answers WHERE project_id = $1 AND key = $2 AND claimed_by = $3 AND answer IS NULL
)
UPDATE llm_answers SET claimed_by = NULL
WHERE project_id = $1 AND key = $2 AND claimed_by = $3 AND answer IS NOT NULL

-- name: lock_budget
-- One reservation after another, so that each sees those before it.
SELECT id FROM generations WHERE id = $1 FOR NO KEY UPDATE

-- name: is_budget
-- Whether the budget is still what it was.
SELECT coalesce((options ->> 'max_tokens')::bigint, 0) = $2::bigint AND coalesce((options ->> 'max_cost')::float8, 0) = $3::float8
FROM generations WHERE id = $1

-- name: reserve
-- Reserves what fits, in place of what the item had, and says how the budget stands. What another delivery had reserved
-- counts as spent, if no batch has its call: the worker was killed.
WITH old AS (
    SELECT attempt, in_batch, tokens, cost FROM reservations WHERE item_id = $2
), lost AS (
    SELECT tokens, cost FROM old WHERE attempt <> $5 AND NOT in_batch
), wanted AS (
    SELECT greatest($3::bigint, (SELECT tokens FROM old WHERE in_batch)) AS tokens,
           greatest($4::float8, (SELECT cost FROM old WHERE in_batch)) AS cost
), most AS (
    SELECT coalesce((options ->> 'max_tokens')::bigint, 0) AS tokens, coalesce((options ->> 'max_cost')::float8, 0) AS cost
    FROM generations WHERE id = $1
), spent AS (
    SELECT (coalesce(sum(prompt_tokens + completion_tokens + lost_tokens), 0)
            + coalesce((SELECT tokens FROM lost), 0))::bigint AS tokens,
           (coalesce(sum(cost + lost_cost), 0) + coalesce((SELECT cost FROM lost), 0))::float8 AS cost
    FROM call_sums WHERE generation_id = $1
), held AS (
    SELECT coalesce(sum(tokens), 0)::bigint AS tokens, coalesce(sum(cost), 0)::float8 AS cost
    FROM reservations WHERE generation_id = $1 AND item_id <> $2
), fitting AS (
    SELECT (most.tokens = 0 OR spent.tokens + held.tokens + wanted.tokens <= most.tokens)
       AND (most.cost = 0 OR spent.cost + held.cost + wanted.cost <= most.cost) AS fits
    FROM most, spent, held, wanted
), reserved AS (
    INSERT INTO reservations AS own (item_id, generation_id, attempt, tokens, cost)
    SELECT $2, $1, $5, wanted.tokens, wanted.cost FROM fitting, wanted WHERE fits
    ON CONFLICT (item_id) DO UPDATE
    SET attempt = EXCLUDED.attempt, in_batch = false, tokens = EXCLUDED.tokens, cost = EXCLUDED.cost
), dropped AS (
    DELETE FROM reservations USING fitting WHERE item_id = $2 AND NOT fits AND EXISTS (SELECT FROM lost)
), noted AS (
    INSERT INTO call_sums AS own (generation_id, shard, lost_tokens, lost_cost)
    SELECT $1, pg_backend_pid() % 64, tokens, cost FROM lost
    ON CONFLICT (generation_id, shard) DO UPDATE
    SET lost_tokens = own.lost_tokens + EXCLUDED.lost_tokens, lost_cost = own.lost_cost + EXCLUDED.lost_cost
)
SELECT fits, most.tokens AS most_tokens, most.cost AS most_cost, spent.tokens AS spent_tokens, spent.cost AS spent_cost
FROM fitting, most, spent

-- name: set_in_batch
UPDATE reservations SET in_batch = true WHERE item_id = $1

-- name: has_call
SELECT EXISTS (SELECT FROM llm_calls WHERE id = $1)

-- name: release
DELETE FROM reservations WHERE item_id = $1

-- name: delete_project_answers
DELETE FROM llm_answers WHERE project_id = $1

-- name: lock_generation
SELECT id FROM generations WHERE id = $1 FOR KEY SHARE
