-- name: request
-- Adds a request, or finds that of before; nothing while another item waits for the same. What an item that has ended
-- leaves behind is taken over, and asked for anew where it failed.
INSERT INTO batch_requests AS own (id, item_id, generation_id, project_id, key, provider_id, endpoint_id, base_url, body)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (project_id, key) DO UPDATE
SET item_id       = EXCLUDED.item_id,
    generation_id = EXCLUDED.generation_id,
    state         = CASE WHEN own.item_id <> EXCLUDED.item_id AND own.state = 'failed' THEN 'open' ELSE own.state END
WHERE own.item_id = EXCLUDED.item_id
   OR NOT EXISTS (SELECT FROM job_items AS item JOIN jobs AS job ON job.id = item.job_id
                  WHERE item.id = own.item_id AND item.state = 'pending' AND job.state <> 'paused')
RETURNING state, reply, EXISTS (SELECT FROM batches WHERE id = own.batch_id AND remote_id <> '') AS handed_in

-- name: find_request
-- The request that stands for an item, also what one that has ended leaves behind; and whether another item waits for it.
WITH found AS (
    SELECT id, item_id, state, reply,
           EXISTS (SELECT FROM job_items AS item JOIN jobs AS job ON job.id = item.job_id
                   WHERE item.id = own.item_id AND item.state = 'pending' AND job.state <> 'paused') AS in_work,
           EXISTS (SELECT FROM batches WHERE id = own.batch_id AND remote_id <> '') AS handed_in
    FROM batch_requests AS own
    WHERE project_id = $3 AND key = $4
), taken AS (
    UPDATE batch_requests AS own SET item_id = $1, generation_id = $2
    FROM found
    WHERE own.id = found.id AND own.item_id <> $1 AND own.item_id = found.item_id
      AND NOT in_work AND own.state <> 'failed'
)
SELECT state, reply, item_id <> $1 AND in_work AS is_anothers, handed_in
FROM found
WHERE item_id = $1 OR in_work OR state <> 'failed'

-- name: wait
INSERT INTO batch_waiters (item_id, project_id, key) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING

-- name: served_waiters
-- Items that need not wait any longer: who asked has ended, well or not, or is paused.
SELECT item_id FROM batch_waiters AS own
WHERE NOT EXISTS (
    SELECT FROM batch_requests AS request
    JOIN job_items AS item ON item.id = request.item_id
    JOIN jobs AS job ON job.id = item.job_id
    WHERE request.project_id = own.project_id AND request.key = own.key
      AND item.state = 'pending' AND job.state <> 'paused'
)

-- name: forget_waiters
-- Those that were handed out, and those that have ended meanwhile.
DELETE FROM batch_waiters AS own
WHERE item_id = ANY ($1::uuid[])
   OR (item_id = ANY ($2::uuid[])
       AND NOT EXISTS (SELECT FROM job_items AS item WHERE item.id = own.item_id AND item.state = 'pending'))

-- name: give_up
-- The item goes on with single calls.
UPDATE batch_requests SET state = 'failed', reply = NULL WHERE item_id = $1

-- name: refusing_endpoints
SELECT endpoint_id FROM batch_limits WHERE endpoint_id = ANY ($1::text[]) AND most_requests = 0 AND end_time > now()

-- name: limit_requests
INSERT INTO batch_limits AS own (endpoint_id, most_requests, end_time) VALUES ($1, $2, now() + $3::interval)
ON CONFLICT (endpoint_id) DO UPDATE
SET most_requests = CASE WHEN own.end_time > now() THEN least(own.most_requests, EXCLUDED.most_requests)
                         ELSE EXCLUDED.most_requests END,
    end_time      = EXCLUDED.end_time

-- name: set_crowded
INSERT INTO batch_limits AS own (endpoint_id, most_requests, crowded, end_time)
VALUES ($1, $2, true, now() + $3::interval)
ON CONFLICT (endpoint_id) DO UPDATE
SET most_requests = CASE WHEN own.end_time > now() THEN own.most_requests ELSE EXCLUDED.most_requests END,
    crowded       = true,
    end_time      = EXCLUDED.end_time

-- name: has_room
UPDATE batch_limits SET crowded = false
WHERE crowded AND endpoint_id = (SELECT endpoint_id FROM batches WHERE id = $1)

-- name: size_of_batch
-- Its requests, and whether it was, or was to be, handed in beside others.
SELECT (SELECT count(*) FROM batch_requests WHERE batch_id = $1 AND state = 'open') AS requests,
       beside OR (remote_id = '' AND EXISTS (
           SELECT FROM batches AS other
           WHERE other.endpoint_id = own.endpoint_id AND other.id <> own.id AND other.remote_id <> ''
       )) AS beside
FROM batches AS own WHERE id = $1

-- name: let_go
-- Their items find another endpoint, or call singly.
DELETE FROM batch_requests WHERE endpoint_id = $1 AND state = 'open' AND batch_id IS NULL RETURNING item_id

-- name: lead
-- One process hands in batches; the lock ends with its session.
SELECT pg_try_advisory_lock(hashtextextended('sishu batches ' || current_schema(), 0))

-- name: forget_requests
-- Those whose items are done have been used; those whose items failed or are gone were not, but for a while may be.
DELETE FROM batch_requests
WHERE EXISTS (SELECT FROM job_items WHERE job_items.id = item_id AND job_items.state = 'done')
   OR (NOT EXISTS (SELECT FROM job_items WHERE job_items.id = item_id AND job_items.state = 'pending')
       AND (batch_id IS NULL OR state <> 'open') AND (state <> 'answered' OR create_time < now() - $1::interval))

-- name: gatherable
-- Endpoints whose requests wait: no new one came for a while, or there are as many as a batch holds. Not those with a
-- batch on its way, which may turn out to be refused, nor those that take no more until one has ended.
SELECT waiting.endpoint_id, min(provider_id::text) AS provider_id, min(base_url) AS base_url,
       coalesce(min(nullif(most_requests, 0)), $3) AS most_requests
FROM batch_requests AS waiting
LEFT JOIN batch_limits AS found ON found.endpoint_id = waiting.endpoint_id AND found.end_time > now()
WHERE state = 'open' AND batch_id IS NULL
  AND NOT EXISTS (SELECT FROM batches WHERE batches.endpoint_id = waiting.endpoint_id
                  AND (remote_id = '' OR found.crowded))
GROUP BY waiting.endpoint_id
HAVING max(create_time) < now() - $1::interval OR min(create_time) < now() - $2::interval
    OR count(*) >= coalesce(min(nullif(most_requests, 0)), $3) OR sum(octet_length(body)) >= $4

-- name: insert_batch
INSERT INTO batches (id, provider_id, endpoint_id, base_url, model, sealed_key, key_variable, key_file)
SELECT $1, $2, $3, $4, coalesce(model, ''), sealed_key, coalesce(key_variable, ''), coalesce(key_file, '')
FROM (VALUES (1)) AS always LEFT JOIN providers ON providers.id = $2

-- name: gather
-- The oldest, as many as a batch holds.
WITH waiting AS (
    SELECT id, row_number() OVER sizes AS number, sum(octet_length(body) + 200) OVER sizes AS size
    FROM batch_requests
    WHERE endpoint_id = $2 AND base_url = $3 AND state = 'open' AND batch_id IS NULL
    WINDOW sizes AS (ORDER BY create_time, id)
)
UPDATE batch_requests SET batch_id = $1
FROM waiting
WHERE batch_requests.id = waiting.id AND (number = 1 OR (number <= $4 AND size <= $5))

-- name: due_batches
-- Those whose time has come, and those that nobody wants any more, at once.
SELECT id, provider_id, endpoint_id, base_url, model, sealed_key, key_variable, key_file, input_file_id, remote_id,
       cancelled, create_time, next_look_time, trouble_time
FROM batches
WHERE next_look_time <= now()
   OR (NOT cancelled AND NOT EXISTS (
       SELECT FROM batch_requests JOIN job_items ON job_items.id = batch_requests.item_id
       WHERE batch_requests.batch_id = batches.id AND job_items.state = 'pending'))
ORDER BY next_look_time
LIMIT $1

-- name: batch_bodies
SELECT id, body FROM batch_requests WHERE batch_id = $1 AND id > $2 ORDER BY id LIMIT $3

-- name: set_uploaded
UPDATE batches SET input_file_id = $2 WHERE id = $1

-- name: set_submitted
UPDATE batches AS own
SET remote_id = $2,
    beside    = EXISTS (SELECT FROM batches AS other
                        WHERE other.endpoint_id = own.endpoint_id AND other.id <> own.id AND other.remote_id <> '')
WHERE id = $1

-- name: jobs_of_batch
SELECT DISTINCT item.job_id FROM batch_requests AS request JOIN job_items AS item ON item.id = request.item_id
WHERE request.batch_id = $1 AND request.state = 'open'

-- name: set_cancelled
UPDATE batches SET cancelled = true WHERE id = $1

-- name: look_again
-- Seldom for one that takes long.
UPDATE batches
SET next_look_time = now() + least(greatest((now() - create_time) / 20, $2::interval), $3::interval)
WHERE id = $1

-- name: note_trouble
UPDATE batches SET trouble_time = coalesce(trouble_time, now()) WHERE id = $1 RETURNING now() - trouble_time

-- name: forget_trouble
UPDATE batches SET trouble_time = NULL WHERE id = $1

-- name: is_wanted
SELECT EXISTS (
    SELECT FROM batch_requests JOIN job_items ON job_items.id = batch_requests.item_id
    WHERE batch_requests.batch_id = $1 AND job_items.state = 'pending'
)

-- name: answer
-- The first answer of a request stays.
WITH given AS (
    SELECT * FROM unnest($2::uuid[], $3::jsonb[]) AS given (id, reply)
)
UPDATE batch_requests
SET state = CASE WHEN given.reply IS NULL THEN 'failed' ELSE 'answered' END::batch_request_state, reply = given.reply
FROM given
WHERE batch_requests.id = given.id AND batch_requests.batch_id = $1 AND batch_requests.state = 'open'
RETURNING batch_requests.item_id, given.reply IS NOT NULL AS answered

-- name: release
-- What has no answer waits for the next batch, or is called singly.
UPDATE batch_requests
SET batch_id = NULL, state = CASE WHEN $2::boolean THEN 'open' ELSE 'failed' END::batch_request_state
WHERE batch_id = $1 AND state = 'open'
RETURNING item_id

-- name: delete_batch
DELETE FROM batches WHERE id = $1
