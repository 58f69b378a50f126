-- name: insert_endpoint
INSERT INTO endpoints (id, base_url, model) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING

-- name: lock_endpoint
-- One worker after another adds what it saw. All go by the clock of the database.
SELECT concurrency, output_mode, streams, habits_version, extract(epoch FROM clock_timestamp())::float8 AS now
FROM endpoints WHERE id = $1 FOR UPDATE

-- name: note_worker
INSERT INTO endpoint_workers (endpoint_id, worker_id, in_flight, demand, urgent, granted)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (endpoint_id, worker_id) DO UPDATE
SET in_flight = EXCLUDED.in_flight, demand = EXCLUDED.demand, urgent = EXCLUDED.urgent,
    granted = EXCLUDED.granted, update_time = clock_timestamp()

-- name: list_others
SELECT worker_id, in_flight, demand, urgent, granted FROM endpoint_workers
WHERE endpoint_id = $1 AND worker_id <> $2 AND update_time > clock_timestamp() - $3::interval

-- name: save_endpoint
-- What the server said last of a pause holds.
UPDATE endpoints
SET concurrency = $2, update_time = now(),
    paused_until = CASE WHEN $3::float8 > 0 THEN now() + make_interval(secs => $3) ELSE paused_until END
WHERE id = $1
RETURNING greatest(0, extract(epoch FROM paused_until - now()))::float8 AS paused_seconds

-- name: forget_workers
DELETE FROM endpoint_workers WHERE update_time < now() - interval '1 hour'

-- name: leave_endpoints
DELETE FROM endpoint_workers WHERE worker_id = $1

-- name: set_habits
UPDATE endpoints SET output_mode = $2, streams = $3, habits_version = habits_version + 1 WHERE id = $1

-- name: get_habits
SELECT output_mode, streams, habits_version FROM endpoints WHERE id = $1
