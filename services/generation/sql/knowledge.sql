-- name: set_known
-- With the call, as `call` of calls.sql.
UPDATE questions SET known = $20 WHERE id = $21
