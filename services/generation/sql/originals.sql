-- name: find_originals
SELECT id, project_id, 'question' AS kind, 
       type = 'unanswerable' OR fact IS NOT NULL AND type <> 'template' AS has_fact, rejection, answer IS NOT NULL AS has_answer
FROM questions WHERE id = ANY ($1::uuid[])
UNION ALL
SELECT id, project_id, kind::text, true, rejection, true FROM candidates WHERE id = ANY ($1::uuid[])

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
-- $2 took the place of $1, and of what did so before.
UPDATE questions AS old SET state = 'rejected', rejection = $3
WHERE (old.id = $1 AND old.state <> 'rejected' OR old.replaces_id = $1 AND old.id <> $2 AND old.state = 'answered')
  AND EXISTS (SELECT FROM questions WHERE id = $2 AND state = 'answered')

-- name: hold_candidate
SELECT id FROM candidates WHERE id = $1 FOR NO KEY UPDATE

-- name: replace_candidate
UPDATE candidates AS old SET state = 'rejected', rejection = $3
WHERE (old.id = $1 AND old.state <> 'rejected' OR old.replaces_id = $1 AND old.id <> $2 AND old.state = 'kept')
  AND EXISTS (SELECT FROM candidates WHERE id = $2 AND state = 'kept')
