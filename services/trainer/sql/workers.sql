-- name: upsert_worker
-- Of a worker that was silent for so long that it was forgotten, a heartbeat is the beginning.
INSERT INTO workers (id, host, process_id, devices, memory_bytes, code_version) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (id) DO UPDATE SET heartbeat_time = now()

-- name: drop_worker
DELETE FROM workers WHERE id = $1

-- name: drop_lost_workers
DELETE FROM workers WHERE heartbeat_time < now() - make_interval(secs => $1)

-- name: list_workers
-- With the run that has each of their devices.
SELECT id, host, process_id, devices, memory_bytes, code_version, start_time, heartbeat_time,
       heartbeat_time < now() - make_interval(secs => $2) AS is_lost,
       EXISTS (SELECT FROM run_leases WHERE worker_id = workers.id) AS is_busy,
       coalesce((SELECT jsonb_object_agg(device, run_id) FROM device_leases WHERE host = workers.host), '{}') AS taken
FROM workers
WHERE $1::uuid IS NULL OR id > $1
ORDER BY id
LIMIT $3

-- name: most_devices
-- The most that a worker has that is alive.
SELECT coalesce(max(jsonb_array_length(devices)), 0) FROM workers
WHERE heartbeat_time >= now() - make_interval(secs => $1)
