-- name: insert_making
-- A model that a job makes; what it is stands fast when the job ends.
INSERT INTO models (id, project_id, name, kind, base_model_id, job_id)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (project_id, name) DO NOTHING
RETURNING id

-- name: set_made
UPDATE models
SET architecture = $2, parameter_count = $3, sha256 = $4, chat_template_sha256 = $5, context_length = $6,
    renderer_sha256 = $7, size_bytes = $8
WHERE id = $1
RETURNING id

-- name: put_model_file
INSERT INTO model_files (model_id, name, key, size_bytes, sha256) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (model_id, name) DO UPDATE
SET key = EXCLUDED.key, size_bytes = EXCLUDED.size_bytes, sha256 = EXCLUDED.sha256

-- name: share_model
SELECT id FROM models WHERE id = $1 FOR SHARE

-- name: list_exports
SELECT name, key, size_bytes, sha256 FROM model_files WHERE model_id = $1 AND name LIKE 'gguf/%' ORDER BY name

-- name: model_ids_there
SELECT id FROM models WHERE id = ANY ($1::uuid[])

-- name: insert_upload
INSERT INTO model_uploads (id, project_id, files) VALUES ($1, $2, $3)

-- name: get_upload
SELECT id, project_id, files FROM model_uploads WHERE id = $1

-- name: take_upload
DELETE FROM model_uploads WHERE id = $1

-- name: old_uploads
SELECT id, project_id, files FROM model_uploads WHERE create_time < now() - make_interval(secs => $1) LIMIT 100

-- name: curve
-- Every so many steps, the last one, and those at which the validation loss was measured.
SELECT step, loss, validation_loss
FROM training_steps
WHERE run_id = $1 AND (step % $2 = 0 OR step = $3 OR step = 1 OR validation_loss IS NOT NULL)
ORDER BY step
