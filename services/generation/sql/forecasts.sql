-- name: add_chunks
-- A chunk that is named twice counts once.
WITH new AS (
    INSERT INTO generation_chunks (generation_id, chunk_id, characters, items, asked)
    SELECT $1, chunk_id, characters, items, $5
    FROM unnest($2::uuid[], $3::integer[], $4::integer[]) AS chunk (chunk_id, characters, items)
    ON CONFLICT DO NOTHING
    RETURNING characters
), added AS (SELECT count(*) AS chunks, coalesce(sum(characters), 0) AS characters FROM new)
UPDATE generations
SET chunk_count = chunk_count + added.chunks, character_count = character_count + added.characters,
    planned = $6
FROM added
WHERE id = $1

-- name: choose_chunks
-- $2 of the chunks in the order of their length, at even distances: the middles of so many parts.
SELECT chunk_id
FROM (SELECT chunk_id, row_number() OVER (ORDER BY characters, chunk_id) AS place, count(*) OVER () AS total
      FROM generation_chunks WHERE generation_id = $1) AS ranked
WHERE (2 * place * $2 + total) / (2 * total) > (2 * (place - 1) * $2 + total) / (2 * total)
ORDER BY place

-- name: forget_chunks
WITH gone AS (
    DELETE FROM generation_chunks WHERE generation_id = $1 AND chunk_id = ANY ($2::uuid[])
    RETURNING characters
), removed AS (SELECT count(*) AS chunks, coalesce(sum(characters), 0) AS characters FROM gone)
UPDATE generations
SET chunk_count = chunk_count - removed.chunks, character_count = character_count - removed.characters
FROM removed
WHERE id = $1

-- name: set_links
UPDATE generation_chunks SET links = found.value
FROM jsonb_each($2) AS found
WHERE generation_id = $1 AND chunk_id = found.key::uuid

-- name: list_links
SELECT chunk_id, links FROM generation_chunks WHERE generation_id = $1 AND chunk_id = ANY ($2::uuid[]) AND links IS NOT NULL

-- name: ask_chunks
UPDATE generation_chunks SET asked = true WHERE generation_id = $1 AND chunk_id = ANY ($2::uuid[])

-- name: get_extent
SELECT planned, chunk_count AS chunks, character_count AS characters,
       (SELECT sum((endpoints.concurrency ->> 'limit')::float8)
        FROM providers AS pool
        JOIN providers AS member ON member.id = pool.id OR member.id = ANY (pool.pool_ids)
        JOIN endpoints ON (endpoints.base_url, endpoints.model) = (member.base_url, member.model)
        WHERE pool.id = generations.provider_id) AS calls_at_once,
       EXISTS (SELECT FROM jobs JOIN job_items AS item ON item.job_id = jobs.id
               WHERE jobs.resource_id = generations.id AND item.state = 'pending'
                AND item.kind NOT IN ('write_answer', 'answer_template', 'judge_answer'))
           AS asks_questions,
       coalesce((options ->> 'templates_only')::boolean, false) AS templates_only,
       options ->> 'knowledge' IS NOT NULL AS asks_knowledge,
       coalesce((options ->> 'batch')::boolean, false)
       AND NOT coalesce((SELECT bool_and(EXISTS (SELECT FROM batch_limits AS found WHERE found.endpoint_id = endpoints.id
                                                 AND most_requests = 0 AND end_time > now()))
                         FROM providers AS pool
                         JOIN providers AS member ON member.id = pool.id OR member.id = ANY (pool.pool_ids)
                         JOIN endpoints ON (endpoints.base_url, endpoints.model) = (member.base_url, member.model)
                         WHERE pool.id = generations.provider_id), false) AS in_batches
FROM generations WHERE id = $1

-- name: seen_chunks
-- What chunks took that are done, at most $2 of those drawn; with $3 as if nothing had been cached. With $4 calls about a
-- chunk may follow that nothing else tells of.
SELECT chunk.characters, used.calls, used.prompt_tokens, used.completion_tokens, used.cost, used.seconds,
       used.chains
FROM (SELECT chunk_id, characters, items FROM generation_chunks
      WHERE generation_id = $1 AND asked
      ORDER BY draw LIMIT $2) AS chunk
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE failure = '' AND (prompt_version LIKE 'questions%' OR prompt_version LIKE 'template\_%')) AS items,
           count(*) AS chains,
           coalesce(sum(calls + coalesce((old.cached ->> 'calls')::bigint, 0)), 0)::bigint AS calls,
           coalesce(sum(prompt_tokens + coalesce((old.cached ->> 'prompt_tokens')::bigint, 0)), 0)::bigint
               AS prompt_tokens,
           coalesce(sum(completion_tokens + coalesce((old.cached ->> 'completion_tokens')::bigint, 0)), 0)::bigint
               AS completion_tokens,
           coalesce(sum(cost + coalesce((old.cached ->> 'cost')::float8, 0)), 0)::float8 AS cost,
           coalesce(sum(seconds + coalesce((old.cached ->> 'seconds')::float8, 0)), 0)::float8 AS seconds
    FROM llm_calls AS call
    CROSS JOIN LATERAL (SELECT CASE WHEN $3::boolean THEN call.cached END AS cached) AS old
    WHERE generation_id = $1 AND chunk_id = chunk.chunk_id
) AS used
WHERE used.items >= chunk.items
  AND chunk.chunk_id NOT IN (
      SELECT chunk_ids[1] FROM questions WHERE generation_id = $1 AND state IN ('open', 'judging') AND chunk_ids <> '{}'
  )
  AND (NOT $4 OR chunk.chunk_id NOT IN (
      SELECT item.resource_id FROM job_items AS item JOIN jobs ON jobs.id = item.job_id
      WHERE jobs.resource_id = $1 AND item.state = 'pending' AND item.kind IN ('write_questions', 'probe_fact')
  ))
