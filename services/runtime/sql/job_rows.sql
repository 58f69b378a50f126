-- name: hold_job
-- Whether the job goes on; until the transaction ends it cannot be cancelled or deleted.
SELECT true FROM jobs WHERE id = $1 AND state IN ('pending', 'running', 'paused') FOR SHARE

-- name: delete_jobs
DELETE FROM jobs WHERE id = ANY ($1::uuid[])
