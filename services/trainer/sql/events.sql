-- name: insert_events
INSERT INTO training_events (run_id, kind, message, details, source, time)
SELECT $1, given.* FROM unnest($2::text[], $3::text[], $4::jsonb[], $5::text[], $6::timestamptz[])
    AS given (kind, message, details, source, time)
WHERE EXISTS (SELECT FROM training_runs WHERE id = $1)
ON CONFLICT DO NOTHING

-- name: list_events
SELECT number, kind, message, details, time FROM training_events
WHERE run_id = $1 AND number > $2
ORDER BY number
LIMIT $3
