-- name: lock_host
-- Workers of a machine take devices one after another.
SELECT pg_advisory_xact_lock(hashtextextended('sishu devices of ' || $1, 0))

-- name: drop_stale_leases
-- After a restart of Postgres nobody could send a heartbeat for a while, and nobody is to lose a device for it.
DELETE FROM run_leases
WHERE heartbeat_time < now() - make_interval(secs => $1)
  AND pg_postmaster_start_time() < now() - make_interval(secs => $1)

-- name: take_run
INSERT INTO run_leases (run_id, host, worker_id, holder) VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING
RETURNING holder

-- name: take_devices
-- The first $4 that are free among those given.
INSERT INTO device_leases (host, device, run_id)
SELECT $1, device, $3 FROM unnest($2::text[]) WITH ORDINALITY AS given (device, place)
WHERE NOT EXISTS (SELECT FROM device_leases AS taken WHERE taken.host = $1 AND taken.device = given.device)
ORDER BY place
LIMIT $4
ON CONFLICT DO NOTHING
RETURNING device

-- name: renew_lease
UPDATE run_leases SET heartbeat_time = now() WHERE holder = $1 RETURNING holder

-- name: free_devices
DELETE FROM device_leases USING run_leases AS lease WHERE lease.run_id = device_leases.run_id AND lease.holder = $1

-- name: release_lease
DELETE FROM run_leases WHERE holder = $1 RETURNING holder

-- name: list_taken
SELECT device FROM device_leases WHERE host = $1

-- name: list_waits
-- Of runs that wait still, were refused within the last $2 seconds, and have not waited for longer than $3.
SELECT wait.run_id, wait.devices, wait.count, wait.since
FROM device_waits AS wait
JOIN training_runs AS run ON run.id = wait.run_id
JOIN jobs ON jobs.id = run.job_id
WHERE wait.host = $1
  AND jobs.state IN ('pending', 'running')
  AND wait.asked_time > now() - make_interval(secs => $2)
  AND wait.since > now() - make_interval(secs => $3)
  AND NOT EXISTS (SELECT FROM run_leases WHERE run_leases.run_id = wait.run_id)

-- name: upsert_wait
-- A run waits on one machine: the first that refused it, for as long as a worker there lives ($5: silence of one that does
-- not). A merge is no run, and waits for one device only. A wait of which nothing was heard for $6 seconds begins anew.
INSERT INTO device_waits AS wait (run_id, host, devices, count)
SELECT id, $2, $3, $4 FROM training_runs WHERE id = $1
ON CONFLICT (run_id) DO UPDATE
SET (host, devices) = (
        SELECT CASE WHEN stays THEN wait.host ELSE EXCLUDED.host END,
               CASE WHEN stays AND wait.host <> EXCLUDED.host THEN wait.devices ELSE EXCLUDED.devices END
        FROM (SELECT EXISTS (SELECT FROM workers WHERE workers.host = wait.host
                             AND heartbeat_time > now() - make_interval(secs => $5)) AS stays) AS worker),
    count = EXCLUDED.count,
    since = CASE WHEN wait.asked_time > now() - make_interval(secs => $6) THEN wait.since ELSE now() END,
    asked_time = now()
RETURNING host, since

-- name: drop_wait
DELETE FROM device_waits WHERE run_id = $1

-- name: keep_wait
UPDATE device_waits SET asked_time = now() WHERE run_id = $1
