-- name: set_trackers
UPDATE training_runs SET trackers = $2, update_time = now() WHERE id = $1
