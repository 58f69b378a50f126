-- name: lock_model
-- One caller at a time makes the deployment of a model.
SELECT pg_advisory_xact_lock(hashtextextended('deployment ' || $1::uuid::text || $2::uuid::text, 0))

-- name: find_deployment
SELECT id FROM deployments WHERE project_id = $1 AND model_id = $2 AND options = $3

-- name: upsert_deployment
-- A deployment that failed is tried again when somebody asks for it again.
INSERT INTO deployments (id, project_id, model_id, options, engine, served_model_name)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (project_id, model_id, options) DO UPDATE
SET state = CASE WHEN deployments.state IN ('failed', 'idle') THEN 'loading' ELSE deployments.state END,
    failure = NULL,
    update_time = CASE WHEN deployments.state IN ('failed', 'idle') THEN now() ELSE deployments.update_time END

-- name: get_deployment
SELECT * FROM deployments WHERE id = $1

-- name: get_deployments
SELECT * FROM deployments WHERE id = ANY ($1::uuid[])

-- name: list_deployments
SELECT * FROM deployments
WHERE ($1::uuid IS NULL OR project_id = $1)
  AND ($2::uuid IS NULL OR model_id = $2)
  AND ($3::uuid IS NULL OR id < $3)
ORDER BY id DESC
LIMIT $4

-- name: lock_deployment
SELECT project_id FROM deployments WHERE id = $1 FOR UPDATE

-- name: share_deployments
SELECT id FROM deployments WHERE id = ANY ($1::uuid[]) ORDER BY id FOR KEY SHARE

-- name: exam_that_asks
SELECT exam.id
FROM exams AS exam JOIN jobs AS job ON job.id = exam.job_id
WHERE exam.project_id = $2
  AND exam.arms @> jsonb_build_array(jsonb_build_object('deployment_id', $1::uuid::text))
  AND job.state IN ('pending', 'running', 'paused')
LIMIT 1

-- name: delete_deployment
DELETE FROM deployments WHERE id = $1

-- name: lead
-- One process looks after the engines; the lock ends with its session.
SELECT pg_try_advisory_lock(hashtextextended('sishu engines ' || current_schema(), 0))

-- name: wanted_deployments
SELECT * FROM deployments ORDER BY id

-- name: load_all_again
UPDATE deployments SET state = 'loading', failure = NULL, base_url = '', update_time = now()
WHERE state <> 'idle'

-- name: set_ready
UPDATE deployments SET state = 'ready', failure = NULL, base_url = $2, served_model_name = $3, update_time = now(),
    use_time = now()
WHERE id = $1

-- name: set_idle
UPDATE deployments SET state = 'idle', base_url = '', update_time = now()
WHERE id = $1 AND state = 'ready' AND use_time <= now() - make_interval(secs => $2::double precision)
RETURNING id

-- name: load_again
UPDATE deployments SET state = 'loading', update_time = now() WHERE id = $1 AND state = 'idle'

-- name: touch
UPDATE deployments SET use_time = now() WHERE id = $1

-- name: set_loading_again
UPDATE deployments SET state = 'loading', base_url = '', restarts = restarts + 1, update_time = now()
WHERE id = $1

-- name: set_failed
UPDATE deployments SET state = 'failed', base_url = '', failure = $2, update_time = now() WHERE id = $1

-- name: insert_exam
INSERT INTO exams (id, project_id, dataset_version_id, job_id, arms, item_count)
VALUES ($1, $2, $3, $4, $5, $6)

-- name: insert_exam_items
INSERT INTO exam_items (exam_id, example_id, position, messages, question, reference, quotes)
VALUES ($1, $2, $3, $4, $5, $6, $7)

-- name: get_exam
SELECT * FROM exams WHERE id = $1

-- name: list_exams
SELECT * FROM exams
WHERE project_id = $1 AND ($2::uuid IS NULL OR id < $2)
ORDER BY id DESC
LIMIT $3

-- name: exam_jobs
SELECT * FROM job_view WHERE id = ANY ($1::uuid[])

-- name: lock_exam
SELECT job.state
FROM exams JOIN jobs AS job ON job.id = exams.job_id
WHERE exams.id = $1
FOR UPDATE

-- name: get_exam_item
SELECT example_id, position, messages, question, reference, quotes
FROM exam_items WHERE exam_id = $1 AND example_id = $2

-- name: insert_exam_result
INSERT INTO exam_results (id, exam_id, example_id, arm, answer, score) VALUES ($1, $2, $3, $4, $5, $6)

-- name: count_exam_results
SELECT exam_id, count(*) AS results FROM exam_results WHERE exam_id = ANY ($1::uuid[]) GROUP BY exam_id

-- name: exam_scores
SELECT result.arm, item.position, result.score
FROM exam_results AS result JOIN exam_items AS item USING (exam_id, example_id)
WHERE exam_id = $1
ORDER BY item.position, result.arm

-- name: list_exam_results
SELECT result.id, result.exam_id, result.arm, result.example_id, item.position, item.question, item.reference,
       result.answer, result.score, item.quotes, result.create_time
FROM exam_results AS result JOIN exam_items AS item USING (exam_id, example_id)
WHERE exam_id = $1
  AND ($2::smallint IS NULL OR result.arm = $2)
  AND ($3::integer IS NULL OR (item.position, result.arm) > ($3, $4::smallint))
ORDER BY item.position, result.arm
LIMIT $5

-- name: delete_exam
WITH results AS (SELECT count(*) AS results FROM exam_results WHERE exam_id = $1),
     job AS (DELETE FROM jobs WHERE id = (SELECT job_id FROM exams WHERE id = $1)),
     exam AS (DELETE FROM exams WHERE id = $1)
SELECT results FROM results

-- name: count_project_rows
SELECT (SELECT count(*) FROM exam_items JOIN exams ON exams.id = exam_id WHERE project_id = $1) AS exam_items,
       (SELECT count(*) FROM exam_results JOIN exams ON exams.id = exam_id WHERE project_id = $1) AS exam_results

-- name: delete_project_exams
DELETE FROM exams WHERE project_id = $1 RETURNING id

-- name: delete_project_deployments
DELETE FROM deployments WHERE project_id = $1 RETURNING id

-- name: insert_conversation
INSERT INTO conversations (id, project_id, title) VALUES ($1, $2, $3)

-- name: get_conversation
SELECT * FROM conversations WHERE id = $1

-- name: list_conversations
SELECT * FROM conversations
WHERE project_id = $1 AND ($2::uuid IS NULL OR id < $2)
ORDER BY id DESC
LIMIT $3

-- name: lock_conversation
SELECT message_count FROM conversations WHERE id = $1 FOR UPDATE

-- name: lengthen_conversation
UPDATE conversations SET message_count = message_count + $2, update_time = now() WHERE id = $1

-- name: insert_conversation_message
INSERT INTO conversation_messages (conversation_id, position, message, deployment_id) VALUES ($1, $2, $3, $4)

-- name: conversation_messages
SELECT message FROM conversation_messages WHERE conversation_id = $1 ORDER BY position

-- name: list_conversation_messages
SELECT position, message, deployment_id, create_time
FROM conversation_messages
WHERE conversation_id = $1 AND position > $2
ORDER BY position
LIMIT $3

-- name: delete_conversation
DELETE FROM conversations WHERE id = $1 RETURNING message_count

-- name: delete_project_conversations
DELETE FROM conversations WHERE project_id = $1 RETURNING id, message_count
