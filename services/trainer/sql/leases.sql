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
