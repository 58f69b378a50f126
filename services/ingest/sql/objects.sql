-- name: note_fresh
INSERT INTO fresh_objects (prefix) VALUES ($1)

-- name: take_fresh
DELETE FROM fresh_objects WHERE prefix = $1 AND NOT swept RETURNING prefix

-- name: forget_fresh
DELETE FROM fresh_objects WHERE prefix = $1

-- name: sweep_fresh
-- From now on no transaction takes what is under them.
UPDATE fresh_objects SET swept = true
WHERE prefix IN (
    SELECT prefix FROM fresh_objects WHERE create_time < now() - $1::interval ORDER BY create_time LIMIT $2
)
RETURNING prefix
