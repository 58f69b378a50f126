-- name: is_leased
-- Whether a run has a device of a host.
SELECT EXISTS (SELECT FROM device_leases WHERE host = $1)
