-- name: insert_provider
INSERT INTO providers (id, name, base_url, deployment_id, pool_ids, model, sealed_key, key_variable, key_file, sampling,
                       limits, price, streaming, project_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
ON CONFLICT (project_id, name) DO NOTHING
RETURNING *

-- name: get_provider
SELECT * FROM providers WHERE id = $1

-- name: lock_provider
SELECT * FROM providers WHERE id = $1 FOR UPDATE

-- name: get_providers
SELECT providers.* FROM providers JOIN unnest($1::uuid[]) WITH ORDINALITY AS wanted (id, place) USING (id) ORDER BY place

-- name: share_providers
-- In one order everywhere: transactions that lock the same ones could wait for each other.
SELECT * FROM providers WHERE id = ANY ($1::uuid[]) ORDER BY id FOR SHARE

-- name: list_pools
SELECT * FROM providers WHERE pool_ids @> ARRAY[$1::uuid] AND pool_ids <> '{}' ORDER BY id

-- name: list_providers
SELECT * FROM providers
WHERE project_id = $1 AND ($2::text = '' OR name = $2) AND ($3::uuid IS NULL OR id < $3)
ORDER BY id DESC
LIMIT $4

-- name: update_provider
UPDATE providers
SET name = $2, base_url = $3, deployment_id = $4, pool_ids = $5, model = $6, sealed_key = $7, key_variable = $8,
    key_file = $9, sampling = $10, limits = $11, price = $12, streaming = $13, update_time = now()
WHERE id = $1
RETURNING *

-- name: provider_has_generations
SELECT EXISTS (
    SELECT FROM generations
    WHERE provider_id = $1
       OR project_id = (SELECT project_id FROM providers WHERE id = $1)
          AND $1::text IN (options #>> '{gates,judge,provider_id}', options #>> '{gates,embedding_provider_id}',
                           options #>> '{knowledge,provider_id}')
)

-- name: delete_provider
DELETE FROM providers WHERE id = $1

-- name: share_provider
SELECT id FROM providers WHERE id = $1 FOR KEY SHARE

-- name: insert_generation
INSERT INTO generations (id, project_id, provider_id, options, prompt_versions) VALUES ($1, $2, $3, $4, $5)

-- name: get_generation
SELECT * FROM generations WHERE id = $1

-- name: get_origins
SELECT generations.id AS generation_id, generations.options::text AS generation_options,
       generations.prompt_versions::text AS generation_prompt_versions,
       generations.create_time AS generation_create_time, providers.*
FROM generations JOIN providers ON providers.id = generations.provider_id
WHERE generations.id = ANY ($1::uuid[])

-- name: view_generations
-- One by its id, or a page of a project; each with its job and what it made.
SELECT generations.*, job.job, made.*, wrote.*, lacking.*, used.*, latest.*
FROM (SELECT * FROM generations
      WHERE ($1::uuid IS NULL OR id = $1) AND ($2::uuid IS NULL OR project_id = $2) AND ($3::uuid IS NULL OR id < $3)
      ORDER BY id DESC
      LIMIT $4) AS generations
CROSS JOIN LATERAL (
    SELECT to_jsonb(job_view) AS job FROM job_view WHERE resource_id = generations.id ORDER BY id DESC LIMIT 1
) AS job
CROSS JOIN LATERAL (
    SELECT coalesce(sum(count), 0)::bigint AS questions,
           coalesce(sum(count) FILTER (WHERE state = 'answered'), 0)::bigint AS answered,
           coalesce(sum(count) FILTER (WHERE state = 'rejected'), 0)::bigint AS rejected,
           coalesce(jsonb_object_agg(reason, count) FILTER (WHERE state = 'rejected'), '{}') AS question_reasons
    FROM (SELECT state, rejection ->> 'reason' AS reason, count(*) AS count
          FROM questions WHERE generation_id = generations.id
          GROUP BY 1, 2) AS counted
) AS made
CROSS JOIN LATERAL (
    -- A generation makes questions or candidates, so that no reason is on both sides.
    SELECT coalesce(sum(count) FILTER (WHERE state = 'kept'), 0)::bigint AS kept_candidates,
           coalesce(sum(count) FILTER (WHERE state = 'rejected'), 0)::bigint AS rejected_candidates,
           made.question_reasons
           || coalesce(jsonb_object_agg(reason, count) FILTER (WHERE state = 'rejected'), '{}') AS rejected_by_reason
    FROM (SELECT state, rejection ->> 'reason' AS reason, count(*) AS count
          FROM candidates WHERE generation_id = generations.id
          GROUP BY 1, 2) AS counted
) AS wrote
CROSS JOIN LATERAL (
    SELECT coalesce(sum(count), 0)::bigint AS missing, coalesce(jsonb_object_agg(reason, count), '{}') AS missing_by_reason
    FROM (SELECT reason, sum(count) AS count
          FROM (SELECT reason, count FROM missing_questions WHERE generation_id = generations.id
                UNION ALL
                -- Of a first call or answer all forms in all voices that would have followed; see further_forms.py.
                SELECT item.failure ->> 'reason',
                       CASE item.kind WHEN 'answer_template' THEN 1 ELSE
                           coalesce((item.payload #>> '{forms,count}')::integer, (generations.options ->> 'forms_per_fact')::integer)
                           * coalesce(jsonb_array_length(item.payload -> 'voices'), 1)
                           * coalesce(jsonb_array_length(item.payload -> 'facts'), 1) - (item.kind = 'write_answer')::integer END
                FROM job_items AS item
                WHERE item.job_id = (job.job ->> 'id')::uuid
                  AND (item.state = 'failed' OR item.state = 'skipped' AND item.failure IS NOT NULL)
                  AND (item.kind IN ('write_questions', 'answer_template')
                       OR (item.kind = 'write_answer' AND item.payload ? 'voices'))
                UNION ALL
                -- What was to be regenerated and could not be.
                SELECT item.failure ->> 'reason', coalesce(jsonb_array_length(item.payload -> 'question_ids'), 1)
                FROM job_items AS item
                WHERE generations.options -> 'regeneration' <> 'null' AND item.job_id = (job.job ->> 'id')::uuid
                  AND item.failure IS NOT NULL AND item.kind IN ('regenerate_questions', 'regenerate_answer', 'regenerate_candidate')
                UNION ALL
                -- Examples that could not be judged or improved.
                SELECT item.failure ->> 'reason', 1
                FROM job_items AS item
                WHERE generations.options ->> 'kind' IN ('judge_examples', 'improve_examples') AND item.job_id = (job.job ->> 'id')::uuid
                  AND item.failure IS NOT NULL AND item.kind IN ('judge_example', 'improve_example')
               ) AS found
          GROUP BY reason) AS counted
) AS lacking
CROSS JOIN LATERAL (
    SELECT coalesce(sum(prompt_tokens), 0)::bigint AS prompt_tokens,
           coalesce(sum(completion_tokens), 0)::bigint AS completion_tokens,
           coalesce(sum(calls), 0)::bigint AS calls,
           coalesce(sum(cost), 0)::float8 AS cost,
           coalesce(nullif(max(currency), ''),
                    (SELECT max(member.price ->> 'currency')
                     FROM providers AS pool JOIN providers AS member ON member.id = pool.id OR member.id = ANY (pool.pool_ids)
                     WHERE pool.id = generations.provider_id), '') AS currency,
           coalesce(sum(cached), 0)::bigint AS cached
    FROM call_sums WHERE generation_id = generations.id
) AS used
CROSS JOIN LATERAL (
    -- Ids begin with the time: $5 is the first of the last minute.
    SELECT CASE WHEN job.job ->> 'state' IN ('pending', 'running', 'paused')
        THEN (SELECT coalesce(sum(calls), 0) FROM llm_calls WHERE generation_id = generations.id AND id > $5)
             / least(60, greatest(1, extract(epoch FROM now() - generations.create_time)))
        ELSE 0 END::float8 AS calls_per_second
) AS latest
ORDER BY generations.id DESC

-- name: set_options
UPDATE generations SET options = options || $2 WHERE id = $1

-- name: lock_generation_job
SELECT id, state FROM jobs WHERE resource_id = $1 FOR UPDATE

-- name: delete_generation_jobs
DELETE FROM jobs WHERE resource_id = $1

-- name: delete_generation_questions
WITH unbanded AS (
    DELETE FROM question_bands AS own USING question_marks AS known, questions
    WHERE questions.generation_id = $1 AND known.question_id = questions.id
      AND own.band = ANY (known.bands) AND own.question_id = questions.id
)
DELETE FROM questions WHERE generation_id = $1

-- name: delete_generation
DELETE FROM generations WHERE id = $1

-- name: delete_project_questions
WITH unbanded AS (
    DELETE FROM question_bands AS own USING question_marks AS known, questions
    WHERE questions.project_id = $1 AND known.question_id = questions.id
      AND own.band = ANY (known.bands) AND own.question_id = questions.id
), said AS (DELETE FROM question_wordings WHERE project_id = $1)
DELETE FROM questions WHERE project_id = $1

-- name: delete_project_generations
DELETE FROM generations WHERE project_id = $1 RETURNING id

-- name: delete_project_providers
DELETE FROM providers WHERE project_id = $1 RETURNING id
