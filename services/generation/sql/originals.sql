-- name: find_originals
-- Each with what took its place already, of several the one that was kept last. A question that was rejected for a reason
-- of its own keeps that, so that only its successor tells. Also the job that is at work on it still.
SELECT id, project_id, 'question' AS kind,
       type = 'unanswerable' OR fact IS NOT NULL AND type <> 'template' AS has_fact, rejection, answer IS NOT NULL AS has_answer,
       state::text, (SELECT id FROM jobs WHERE resource_id = own.generation_id AND jobs.state IN ('pending', 'running', 'paused')
                     LIMIT 1) AS job_id,
       coalesce(CASE rejection ->> 'reason' WHEN 'REPLACED' THEN (rejection #>> '{metadata,id}')::uuid END, (
           SELECT id FROM questions AS next
           WHERE next.replaces_id = own.id AND (next.state = 'answered' OR next.rejection ->> 'reason' = 'REPLACED')
           ORDER BY next.state = 'answered' DESC, next.id DESC LIMIT 1)) AS successor_id
FROM questions AS own WHERE id = ANY ($1::uuid[])
UNION ALL
SELECT id, project_id, kind::text, true, rejection, true,
       state::text, (SELECT id FROM jobs WHERE resource_id = own.generation_id AND jobs.state IN ('pending', 'running', 'paused')
                     LIMIT 1),
       coalesce(CASE rejection ->> 'reason' WHEN 'REPLACED' THEN (rejection #>> '{metadata,id}')::uuid END, (
           SELECT id FROM candidates AS next
           WHERE next.replaces_id = own.id AND (next.state = 'kept' OR next.rejection ->> 'reason' = 'REPLACED')
           ORDER BY next.state = 'kept' DESC, next.id DESC LIMIT 1))
FROM candidates AS own WHERE id = ANY ($1::uuid[])

-- name: question_places
SELECT id, chunk_ids[1] AS chunk_id, fact, linked_facts, form, type, genre_audience_id FROM questions WHERE id = ANY ($1::uuid[])

-- name: get_questions
SELECT *, ARRAY(SELECT tag_id FROM question_tags WHERE question_id = question_view.id ORDER BY tag_id) AS tag_ids
FROM question_view WHERE id = ANY ($1::uuid[])

-- name: copy_embedding
INSERT INTO question_embeddings (question_id, project_id, space, key, signs, vector)
SELECT $2, project_id, space, key, signs, vector FROM question_embeddings WHERE question_id = $1

-- name: hold_question
-- Before what takes its place, as a deletion does.
SELECT id FROM questions WHERE id = $1 FOR NO KEY UPDATE

-- name: replace_question
-- $2 took the place of $1. What was rejected before keeps its own reason.
UPDATE questions SET state = 'rejected', rejection = $3
WHERE id = $1 AND state <> 'rejected' AND EXISTS (SELECT FROM questions WHERE id = $2 AND state = 'answered')

-- name: hold_candidate
SELECT id FROM candidates WHERE id = $1 FOR NO KEY UPDATE

-- name: replace_candidate
UPDATE candidates SET state = 'rejected', rejection = $3
WHERE id = $1 AND state <> 'rejected' AND EXISTS (SELECT FROM candidates WHERE id = $2 AND state = 'kept')
