-- name: insert_model
INSERT INTO models (id, project_id, name, kind, source, base_model_id, training_run_id, job_id, architecture,
                    parameter_count, sha256, chat_template_sha256, context_length, size_bytes,
                    renderer_sha256)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
ON CONFLICT (project_id, name) DO NOTHING
RETURNING id

-- name: select_models
-- One by its id, or a page of a project.
SELECT models.id, models.project_id, name, models.kind, source, base_model_id, training_run_id, architecture,
       parameter_count, sha256, chat_template_sha256, context_length, size_bytes, renderer_sha256,
       models.create_time,
       to_jsonb(job) AS job
FROM models
LEFT JOIN job_view AS job ON job.id = models.job_id
WHERE ($1::uuid IS NULL OR models.id = $1)
  AND ($2::uuid IS NULL OR models.project_id = $2)
  AND ($3::model_kind IS NULL OR models.kind = $3)
  AND ($4::text = '' OR name = $4)
  AND ($5::uuid IS NULL OR models.id < $5)
ORDER BY models.id DESC
LIMIT $6

-- name: set_described
UPDATE models
SET architecture = $2, parameter_count = $3, sha256 = $4, chat_template_sha256 = $5, context_length = $6
WHERE id = $1

-- name: lock_job_of_model
-- Before the model, as preparing does when it ends.
SELECT id FROM jobs WHERE id = (SELECT job_id FROM models WHERE id = $1) FOR UPDATE

-- name: lock_model
SELECT job_id FROM models WHERE id = $1 FOR UPDATE

-- name: share_model
SELECT id FROM models WHERE id = $1 FOR SHARE

-- name: uses_of_model
SELECT (SELECT count(*) FROM models WHERE base_model_id = $1) AS adapters,
       (SELECT count(*) FROM training_runs JOIN jobs ON jobs.id = training_runs.job_id
        WHERE base_model_id = $1 AND jobs.state IN ('pending', 'running', 'paused')) AS runs

-- name: delete_model
DELETE FROM models WHERE id = $1

-- name: insert_model_files
INSERT INTO model_files (model_id, name, key, size_bytes, sha256) VALUES ($1, $2, $3, $4, $5)

-- name: list_model_files
-- The folder's; exports lie beside it.
SELECT name, key, size_bytes, sha256 FROM model_files WHERE model_id = $1 AND name NOT LIKE 'gguf/%' ORDER BY name

-- name: insert_run
INSERT INTO training_runs (id, project_id, name, dataset_version_id, dataset_content_sha256, base_model_id,
                           base_model_sha256, config, job_id, model_id, code_version)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)

-- name: select_runs
-- One by its id, or a page of a project.
SELECT run.id, run.project_id, run.name, dataset_version_id, dataset_content_sha256, base_model_id,
       base_model_sha256, config, run.model_id, code_version, engine, phase, steps, steps_total, tokens, tokens_per_second,
       loss_first, loss_last, peak_memory_bytes, parameter_count, trainable_parameter_count, device,
       precision, dropped_rows, validation_loss, validation_loss_best, validation_best_step, published_step, verdict, trackers,
       run.create_time, greatest(run.update_time, job.update_time) AS update_time,
       coalesce((SELECT host FROM run_leases WHERE run_id = run.id), '') AS host,
       ARRAY(SELECT device FROM device_leases WHERE run_id = run.id ORDER BY device) AS device_ids,
       to_jsonb(job) AS job,
       (SELECT to_jsonb(estimate) FROM memory_estimates AS estimate WHERE estimate.run_id = run.id) AS memory_estimate
FROM training_runs AS run
JOIN job_view AS job ON job.id = run.job_id
WHERE ($1::uuid IS NULL OR run.id = $1)
  AND ($2::uuid IS NULL OR run.project_id = $2)
  AND ($3::uuid IS NULL OR run.id < $3)
ORDER BY run.id DESC
LIMIT $4

-- name: count_runs
SELECT CASE WHEN jobs.state = 'pending' OR (jobs.state = 'running' AND run.phase = 'waiting') THEN 'pending'
            ELSE jobs.state::text END AS state, count(*) AS runs
FROM training_runs AS run JOIN jobs ON jobs.id = run.job_id
GROUP BY 1

-- name: set_phase
UPDATE training_runs SET phase = $2, update_time = now() WHERE id = $1

-- name: set_waiting
UPDATE training_runs SET phase = $2, update_time = now()
WHERE id = $1 AND NOT EXISTS (SELECT FROM run_leases WHERE run_id = $1)
RETURNING id

-- name: set_summary
UPDATE training_runs
SET phase = $2, steps = $3, steps_total = $4, tokens_per_second = $5, loss_first = $6, loss_last = $7,
    peak_memory_bytes = $8, parameter_count = $9, trainable_parameter_count = $10, device = $11,
    precision = $12, dropped_rows = $13, validation_loss = $14, validation_loss_best = $15,
    validation_best_step = $16, published_step = $17, engine = $18, update_time = now()
WHERE id = $1

-- name: upsert_steps
-- A step that is done again after a resume replaces the one before; the run's tokens follow.
WITH given AS (
    SELECT * FROM unnest($2::integer[], $3::float8[], $4::float8[], $5::float8[], $6::float8[], $7::bigint[],
                         $8::bigint[], $9::bigint[], $10::float8[], $11::bigint[], $12::timestamptz[],
                         $13::float8[], $14::float8[], $15::float8[])
        AS step (step, epoch, loss, learning_rate, grad_norm, tokens, supervised_tokens, padded_tokens,
                 seconds, peak_memory_bytes, time, validation_loss, reward_accuracy, reward_margin)
), replaced AS (
    SELECT coalesce(sum(tokens), 0) AS tokens FROM training_steps
    WHERE run_id = $1 AND step IN (SELECT step FROM given)
), stored AS (
    INSERT INTO training_steps (run_id, step, epoch, loss, learning_rate, grad_norm, tokens,
                                supervised_tokens, padded_tokens, seconds, peak_memory_bytes, time,
                                validation_loss, reward_accuracy, reward_margin)
    SELECT $1, given.* FROM given
    ON CONFLICT (run_id, step) DO UPDATE
    SET epoch = EXCLUDED.epoch, loss = EXCLUDED.loss, learning_rate = EXCLUDED.learning_rate,
        grad_norm = EXCLUDED.grad_norm, tokens = EXCLUDED.tokens,
        supervised_tokens = EXCLUDED.supervised_tokens, padded_tokens = EXCLUDED.padded_tokens,
        seconds = EXCLUDED.seconds, peak_memory_bytes = EXCLUDED.peak_memory_bytes, time = EXCLUDED.time,
        validation_loss = EXCLUDED.validation_loss, reward_accuracy = EXCLUDED.reward_accuracy,
        reward_margin = EXCLUDED.reward_margin, revision = EXCLUDED.revision
)
UPDATE training_runs
SET tokens = training_runs.tokens + (SELECT coalesce(sum(tokens), 0) FROM given) - replaced.tokens
FROM replaced
WHERE id = $1

-- name: list_steps
SELECT step, epoch, loss, learning_rate, grad_norm, tokens, supervised_tokens, padded_tokens, seconds,
       peak_memory_bytes, time, validation_loss, reward_accuracy, reward_margin
FROM training_steps
WHERE run_id = $1 AND step > $2
ORDER BY step
LIMIT $3

-- name: list_new_steps
-- In the order in which they were done; one that was done again is new again.
SELECT step, epoch, loss, learning_rate, grad_norm, tokens, supervised_tokens, padded_tokens, seconds,
       peak_memory_bytes, time, validation_loss, reward_accuracy, reward_margin, revision
FROM training_steps
WHERE run_id = $1 AND step > $2 AND revision > $3
ORDER BY revision
LIMIT $4

-- name: lock_run
-- Locks the job before the run, as a run that ends does; the order of the clauses decides.
SELECT jobs.id AS job_id, jobs.state AS job_state
FROM training_runs JOIN jobs ON jobs.id = training_runs.job_id
WHERE training_runs.id = $1
FOR UPDATE OF jobs FOR UPDATE OF training_runs

-- name: model_of_run
SELECT id FROM models WHERE training_run_id = $1

-- name: delete_run
DELETE FROM training_runs WHERE id = $1

-- name: list_ids
SELECT ARRAY(SELECT id FROM training_runs WHERE project_id = $1) AS runs,
       ARRAY(SELECT id FROM models WHERE project_id = $1) AS models,
       ARRAY(SELECT id FROM model_uploads WHERE project_id = $1) AS uploads

-- name: delete_project
-- The statements of one query see the same rows, so the counts are those before the cascade.
WITH steps AS (
    SELECT count(*) FROM training_steps JOIN training_runs ON id = run_id WHERE project_id = $1
), files AS (
    SELECT count(*) FROM model_files JOIN models ON id = model_id WHERE project_id = $1
), uploads AS (
    DELETE FROM model_uploads WHERE project_id = $1 RETURNING id
), runs AS (
    DELETE FROM training_runs WHERE project_id = $1 RETURNING id
), models AS (
    DELETE FROM models WHERE project_id = $1 RETURNING id
)
SELECT (SELECT count(*) FROM runs) AS training_runs, (SELECT * FROM steps) AS training_steps,
       (SELECT count(*) FROM models) AS models, (SELECT * FROM files) AS model_files,
       (SELECT count(*) FROM uploads) AS model_uploads
