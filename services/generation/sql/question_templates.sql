-- name: insert_question_template
INSERT INTO question_templates (id, project_id, name, text, description, answer, labels, several_labels, json_schema)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (project_id, name) DO NOTHING
RETURNING id

-- name: get_question_template
SELECT * FROM question_templates WHERE id = $1

-- name: lock_question_template
SELECT * FROM question_templates WHERE id = $1 FOR UPDATE

-- name: list_question_templates
SELECT * FROM question_templates WHERE project_id = $1 AND ($2::uuid IS NULL OR id > $2) ORDER BY id LIMIT $3

-- name: update_question_template
UPDATE question_templates
SET name = $2, text = $3, description = $4, answer = $5, labels = $6, several_labels = $7, json_schema = $8, update_time = now()
WHERE id = $1

-- name: delete_question_template
DELETE FROM question_templates WHERE id = $1 RETURNING id

-- name: delete_project_question_templates
DELETE FROM question_templates WHERE project_id = $1 RETURNING id

-- name: share_question_templates
SELECT * FROM question_templates WHERE id = ANY ($1::uuid[]) ORDER BY id FOR SHARE

-- name: insert_generation_templates
INSERT INTO generation_templates (generation_id, question_template_id, content)
SELECT $1, new.id, new.content FROM jsonb_to_recordset($2) AS new (id uuid, content jsonb)

-- name: get_generation_template
SELECT content FROM generation_templates WHERE generation_id = $1 AND question_template_id = $2

-- name: insert_answered_question
-- One call wrote it with its answer. A template that was deleted since is not named.
INSERT INTO questions (project_id, generation_id, call_id, answer_call_id, id, chunk_ids, document_ids, heading_path, text, text_key,
                       form, state, rejection, type, answer, answer_quotes, answer_reasoning, question_template_id)
SELECT $1, $2, $3, $3, $4, $5, $6, $7, $8, $9, 0, $10, $11, 'template', $12, $13, $14,
       (SELECT id FROM question_templates WHERE id = $15 FOR KEY SHARE)
