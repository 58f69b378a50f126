-- name: insert_job
INSERT INTO jobs (id, project_id, kind, resource_id, lane) VALUES ($1, $2, $3, $4, lane_for($2, $5))

-- name: get_job
SELECT * FROM job_view WHERE id = $1

-- name: job_states
SELECT id, state FROM jobs WHERE id = ANY ($1::uuid[])

-- name: list_jobs
SELECT * FROM job_view
WHERE ($1::uuid IS NULL OR project_id = $1)
  AND ($2::job_state IS NULL OR state = $2)
  AND ($3::uuid IS NULL OR resource_id = $3)
  AND ($4::uuid IS NULL OR id < $4)
ORDER BY id DESC
LIMIT $5

-- name: list_failed_items
SELECT id, kind, resource_id, failure, attempts, update_time FROM job_items
WHERE job_id = $1 AND state = 'failed' AND ($2::uuid IS NULL OR id > $2)
ORDER BY id
LIMIT $3

-- name: insert_items
-- Says of each new one whether it may be handed out now.
WITH new AS (
    INSERT INTO job_items (id, job_id, kind, key, resource_id, payload, turn)
    SELECT id, $1, kind, key, resource_id, payload, turn
    FROM unnest($2::uuid[], $3::text[], $4::text[], $5::uuid[], $6::jsonb[], $7::bigint[])
        AS item (id, kind, key, resource_id, payload, turn)
    ON CONFLICT (job_id, kind, key) DO NOTHING
    RETURNING id, kind, turn
)
SELECT new.id, new.kind, new.turn, job.lane, job.state <> 'paused' AS ready
FROM new JOIN jobs AS job ON job.id = $1

-- name: take_turns
-- The first of $2 turns that follow one another.
INSERT INTO turns AS own (project_id, turn)
SELECT coalesce(job.project_id, job.id), passed.turn + $2 FROM jobs AS job, turn_now AS passed WHERE job.id = $1
FOR KEY SHARE OF passed
ON CONFLICT (project_id) DO UPDATE SET turn = greatest(own.turn, EXCLUDED.turn - $2) + $2
RETURNING turn - $2 + 1

-- name: pass_turn
UPDATE turn_now SET turn = $1 WHERE turn < $1

-- name: queued_names
-- Of PgQueuer's names for items those under which something can be handed out now.
SELECT name FROM unnest($1::text[]) AS given (name)
WHERE EXISTS (SELECT FROM pgqueuer WHERE entrypoint = given.name AND status = 'queued' AND execute_after <= now())

-- name: names_at_hand
-- PgQueuer's names of what is queued, also for later, or was left for $1 by a worker that is dead. From one name to the next
-- by an index: of hundreds of names items have few.
WITH RECURSIVE names AS (
    (SELECT entrypoint FROM pgqueuer WHERE status = 'queued' ORDER BY entrypoint LIMIT 1)
    UNION ALL
    SELECT (SELECT entrypoint FROM pgqueuer WHERE status = 'queued' AND entrypoint > names.entrypoint
            ORDER BY entrypoint LIMIT 1)
    FROM names WHERE names.entrypoint IS NOT NULL
)
SELECT entrypoint AS name FROM names WHERE entrypoint IS NOT NULL
UNION
SELECT entrypoint FROM pgqueuer WHERE status = 'picked' AND heartbeat < now() - $1::interval

-- name: lock_turns
-- Nothing where somebody takes turns now; nobody does until the end of the transaction.
SELECT true FROM turn_now FOR UPDATE SKIP LOCKED

-- name: forget_turns
-- Begins to count anew when nothing is queued or in work, long before the numbers are too large for PgQueuer.
WITH idle AS (
    SELECT turn FROM turn_now
    WHERE turn > 0 AND NOT EXISTS (SELECT FROM pgqueuer WHERE status IN ('queued', 'picked'))
), forgotten AS (DELETE FROM turns USING idle)
UPDATE turn_now SET turn = 0 FROM idle

-- name: load_items
SELECT item.id, item.job_id, job.project_id, job.resource_id AS job_resource_id, job.lane, item.kind, item.key,
       item.resource_id, item.payload, item.turn, item.state, job.state AS job_state
FROM job_items AS item JOIN jobs AS job ON job.id = item.job_id
WHERE item.id = ANY ($1::uuid[])

-- name: enter_jobs
-- Taken before rows of jobs are locked by those who end items. They share these, and one who wants to change a job would
-- wait for as long as one of them has it, which may be for ever: here, those who come after him wait for him.
SELECT pg_advisory_xact_lock_shared(hashtextextended(id::text, 0)) FROM unnest($1::uuid[]) AS job (id)

-- name: close_job
-- Lets those end who are in, and nobody else in until the end of the transaction.
SELECT pg_advisory_xact_lock(hashtextextended($1::uuid::text, 0))

-- name: lock_item
-- Locks the job before the item, as everyone does who locks both; the order of the clauses decides.
SELECT item.state = 'pending' AND job.state IN ('pending', 'running', 'paused') AS open
FROM job_items AS item JOIN jobs AS job ON job.id = item.job_id
WHERE item.id = $1
FOR SHARE OF job FOR NO KEY UPDATE OF item

-- name: lock_items
-- As `lock_item`, for some at once: those that are open.
SELECT item.id
FROM job_items AS item JOIN jobs AS job ON job.id = item.job_id
WHERE item.id = ANY ($1::uuid[]) AND item.state = 'pending' AND job.state IN ('pending', 'running', 'paused')
ORDER BY job.id, item.id
FOR SHARE OF job FOR NO KEY UPDATE OF item

-- name: note_trouble
-- Seconds since the first of the failures that led to another try. While an item only waits, the clock stands
-- still: what waits and fails in turn comes to its end as well.
UPDATE job_items
SET trouble_time = CASE WHEN $2::boolean THEN trouble_time + (now() - noted_time)
                        ELSE coalesce(trouble_time, now()) END,
    noted_time = now()
WHERE id = $1
RETURNING CASE WHEN $2 THEN 0 ELSE extract(epoch FROM now() - trouble_time) END::float8

-- name: is_in_trouble
-- No more once its job was resumed or retried.
SELECT trouble_time IS NOT NULL FROM job_items WHERE id = $1

-- name: forget_trouble
UPDATE job_items SET trouble_time = NULL, noted_time = NULL WHERE id = $1

-- name: end_item
-- Ends an item, counts it, and says how many items were open when it began to.
WITH ended AS (
    UPDATE job_items SET state = $3, failure = $4, attempts = $5, update_time = now() WHERE id = $2
), counted AS (
    INSERT INTO job_counts (job_id, shard, done, failed, skipped)
    VALUES ($1, pg_backend_pid() % 64, ($3 = 'done')::int, ($3 = 'failed')::int, ($3 = 'skipped')::int)
    ON CONFLICT (job_id, shard) DO UPDATE
    SET done    = job_counts.done + EXCLUDED.done,
        failed  = job_counts.failed + EXCLUDED.failed,
        skipped = job_counts.skipped + EXCLUDED.skipped
)
SELECT sum(total - done - failed - skipped)::bigint FROM job_counts WHERE job_id = $1

-- name: end_items
-- As `end_item`, for some at once that are done: jobs, items, attempts.
WITH given AS (
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::int[]) AS given (job_id, item_id, attempts)
), ended AS (
    UPDATE job_items SET state = 'done', attempts = given.attempts, update_time = now()
    FROM given WHERE job_items.id = given.item_id
), counted AS (
    INSERT INTO job_counts (job_id, shard, done)
    SELECT job_id, pg_backend_pid() % 64, count(*) FROM given GROUP BY job_id ORDER BY job_id
    ON CONFLICT (job_id, shard) DO UPDATE SET done = job_counts.done + EXCLUDED.done
)
SELECT job_id, sum(total - done - failed - skipped)::bigint AS open_items
FROM job_counts WHERE job_id = ANY ($1::uuid[]) GROUP BY job_id

-- name: add_counts
-- A connection keeps to one shard: transactions that counted in two could wait for each other.
INSERT INTO job_counts (job_id, shard, total, failed, skipped)
VALUES ($1, pg_backend_pid() % 64, $2, $3, $4)
ON CONFLICT (job_id, shard) DO UPDATE
SET total   = job_counts.total + EXCLUDED.total,
    failed  = job_counts.failed + EXCLUDED.failed,
    skipped = job_counts.skipped + EXCLUDED.skipped

-- name: start_job
UPDATE jobs SET state = 'running', update_time = now() WHERE id = $1 AND state = 'pending'

-- name: settle_job
-- Ends a job whose items have all ended. Runs in its own transaction after each item's, so that whoever
-- commits last sees all the counts.
UPDATE jobs
SET state = CASE WHEN counts.failed > 0 THEN 'failed' ELSE 'succeeded' END::job_state,
    progress = '', pause = NULL, update_time = now(), end_time = now()
FROM (SELECT sum(total) AS total, sum(done) AS done, sum(failed) AS failed, sum(skipped) AS skipped
      FROM job_counts WHERE job_id = $1) AS counts
WHERE jobs.id = $1 AND jobs.state IN ('pending', 'running', 'paused')
  AND counts.total = counts.done + counts.failed + counts.skipped

-- name: set_progress
UPDATE jobs SET progress = $2, update_time = now()
WHERE id = $1 AND state IN ('pending', 'running') AND progress <> $2

-- name: cancel_job
UPDATE jobs SET state = 'cancelled', progress = '', pause = NULL, update_time = now(), end_time = now()
WHERE id = $1 AND state IN ('pending', 'running', 'paused')
RETURNING id

-- name: keep_job
SELECT FROM jobs WHERE id = $1 FOR NO KEY UPDATE

-- name: pause_job
UPDATE jobs SET state = 'paused', progress = '', pause = $2, update_time = now()
WHERE id = $1 AND state IN ('pending', 'running')
RETURNING id

-- name: resume_job
UPDATE jobs SET state = 'running', pause = NULL, update_time = now()
WHERE id = $1 AND state = 'paused'
RETURNING id

-- name: count_turns
SELECT count(DISTINCT turn) FROM job_items WHERE job_id = $1 AND state = $2

-- name: reopen_items
-- Those in one state become open ones without a past; their turns begin at $3, in the order that they had.
UPDATE job_items
SET state = 'pending', failure = NULL, trouble_time = NULL, noted_time = NULL, turn = $3 - 1 + ranked.rank,
    update_time = now()
FROM (SELECT id, dense_rank() OVER (ORDER BY turn) AS rank FROM job_items WHERE job_id = $1 AND state = $2) AS ranked
WHERE job_items.id = ranked.id

-- name: drop_deliveries
-- Takes the open items of a job out of the queue, but for those that a worker has.
DELETE FROM pgqueuer USING job_items AS item
WHERE item.job_id = $1 AND item.state = 'pending'
  AND pgqueuer.dedupe_key = item.id::text AND pgqueuer.status = 'queued'

-- name: hasten
UPDATE pgqueuer SET execute_after = now() WHERE id IN (
    SELECT id FROM pgqueuer
    WHERE dedupe_key = ANY ($1::uuid[]::text[]) AND status = 'queued' AND execute_after > now()
    ORDER BY id FOR UPDATE
)
RETURNING dedupe_key

-- name: open_items
-- The next of the open items of a job, while it may go on.
SELECT item.id, item.kind, item.turn, job.lane
FROM job_items AS item JOIN jobs AS job ON job.id = item.job_id
WHERE job.id = $1 AND job.state IN ('pending', 'running') AND item.state = 'pending' AND item.id > $2
ORDER BY item.id
LIMIT $3

-- name: skip_open_items
UPDATE job_items SET state = 'skipped', update_time = now() WHERE job_id = $1 AND state = 'pending'

-- name: reopen_job
UPDATE jobs SET state = 'running', update_time = now(), end_time = NULL, lane = lane_for(project_id, $2)
WHERE id = $1 AND state = 'failed'
RETURNING id

-- name: may_recover
-- One worker of a room looks for what was lost, every $1 seconds, however many there are.
UPDATE recovery SET recover_time = now()
WHERE recover_time <= now() - make_interval(secs => $1)
  AND pg_try_advisory_xact_lock(hashtext(current_schema() || '.recover'))
RETURNING true

-- name: forget_deliveries
-- PgQueuer writes a row at every step of a delivery and keeps it for ever.
DELETE FROM pgqueuer_log
WHERE id IN (SELECT id FROM pgqueuer_log WHERE aggregated AND created < now() - interval '1 day' LIMIT 10000)

-- name: lost_items
-- Open items that PgQueuer no longer holds: their worker vanished between two writes.
SELECT item.id, item.kind, item.turn, job.lane
FROM job_items AS item JOIN jobs AS job ON job.id = item.job_id
WHERE item.state = 'pending' AND job.state IN ('pending', 'running')
  AND NOT EXISTS (SELECT 1 FROM pgqueuer
                  WHERE dedupe_key = item.id::text AND status IN ('queued', 'picked'))
ORDER BY item.id
LIMIT $1

-- name: unsettled_jobs
SELECT id FROM job_view
WHERE state IN ('pending', 'running', 'paused') AND total = done + failed + skipped
ORDER BY id
LIMIT 1000

-- name: close_project_jobs
SELECT pg_advisory_xact_lock(hashtextextended(id::text, 0))
FROM (SELECT id FROM jobs WHERE project_id = $1 ORDER BY id) AS job

-- name: lock_project_jobs
SELECT FROM jobs WHERE project_id = $1 ORDER BY id FOR UPDATE

-- name: delete_project_jobs
-- With their deliveries, and the requests to retry them.
WITH dropped AS (
    DELETE FROM pgqueuer USING jobs AS job JOIN job_items AS item ON item.job_id = job.id
    WHERE job.project_id = $1 AND item.state = 'pending'
      AND pgqueuer.dedupe_key = item.id::text AND pgqueuer.status = 'queued'
), turnless AS (DELETE FROM turns WHERE project_id = $1
), gone AS (DELETE FROM jobs WHERE project_id = $1 RETURNING id)
DELETE FROM requests USING gone WHERE resource_id = gone.id
