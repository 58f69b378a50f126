-- name: is_leased
-- Whether a run has a device of a host.
SELECT EXISTS (SELECT FROM device_leases WHERE host = $1)

-- name: upsert_sample
INSERT INTO node_samples (host, sample) VALUES ($1, $2)
ON CONFLICT (host) DO UPDATE SET sample = EXCLUDED.sample, report_time = now()

-- name: list_samples
-- By machine, with the seconds since each was heard of.
SELECT host, sample, extract(epoch FROM now() - report_time)::float8 AS silence_seconds
FROM node_samples
WHERE $1::text IS NULL OR host > $1
ORDER BY host
LIMIT $2

-- name: drop_samples
DELETE FROM node_samples WHERE report_time < now() - make_interval(secs => $1)
