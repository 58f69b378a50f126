-- name: insert_questions
-- What takes the place of another is about the same text, be it gone, and the same fact.
INSERT INTO questions (project_id, generation_id, call_id, id, chunk_ids, document_ids, heading_path, text, text_key,
                       fact, form, state, rejection, type, question_template_id, linked_facts, known, source_gone_time,
                       replaces_id, genre_audience_id)
SELECT $1, $2, new.call_id, new.id, new.chunk_ids, new.document_ids, new.heading_path, new.text, new.text_key, new.fact, new.form,
       new.state, new.rejection, new.type, new.question_template_id, new.linked_facts, coalesce(new.known, old.known),
       old.source_gone_time, old.id, (SELECT id FROM genre_audiences WHERE id = new.genre_audience_id FOR KEY SHARE)
FROM jsonb_to_recordset($3)
    AS new (call_id uuid, id uuid, chunk_ids uuid[], document_ids uuid[], heading_path text[], text text, text_key text, fact jsonb,
            form integer, state question_state, rejection jsonb, type question_type, question_template_id uuid, linked_facts jsonb,
            known boolean, replaces_id uuid, genre_audience_id uuid)
LEFT JOIN LATERAL (
    SELECT id, known, source_gone_time FROM questions WHERE id = new.replaces_id FOR KEY SHARE
) AS old ON true

-- name: insert_missing
INSERT INTO missing_questions (call_id, generation_id, reason, count)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::integer[])

-- name: set_answer
UPDATE questions
SET state = $2, rejection = $3, answer = $4, answer_quotes = $5, answer_reasoning = $6, answer_call_id = $7
WHERE id = $1 AND state = 'open'

-- name: get_open_questions
SELECT generations.id AS generation_id, generations.options::text AS generation_options,
       generations.prompt_versions::text AS generation_prompt_versions,
       generations.create_time AS generation_create_time, questions.id AS question_id, questions.text AS question_text,
       questions.chunk_ids[1] AS question_chunk_id, questions.replaces_id AS question_replaces_id,
       to_jsonb(genre_audiences) AS question_genre_audience, providers.*
FROM questions
LEFT JOIN genre_audiences ON genre_audiences.id = questions.genre_audience_id
JOIN generations ON generations.id = questions.generation_id
JOIN providers ON providers.id = generations.provider_id
WHERE questions.id = ANY ($1::uuid[])

-- name: get_question
SELECT *, ARRAY(SELECT tag_id FROM question_tags WHERE question_id = question_view.id ORDER BY tag_id) AS tag_ids
FROM question_view WHERE id = $1

-- name: list_questions
SELECT *, ARRAY(SELECT tag_id FROM question_tags WHERE question_id = question_view.id ORDER BY tag_id) AS tag_ids
FROM question_view
WHERE project_id = $1
  AND ($2::uuid IS NULL OR generation_id = $2)
  AND ($3::uuid IS NULL OR chunk_ids @> ARRAY[$3::uuid])
  AND ($4::question_state IS NULL OR state = $4)
  AND ($5::uuid IS NULL OR id IN (
      WITH RECURSIVE below AS (
          SELECT $5::uuid AS id UNION ALL SELECT tags.id FROM tags JOIN below ON tags.parent_id = below.id
      )
      SELECT question_id FROM question_tags JOIN below ON below.id = tag_id
  ))
  AND ($6::uuid IS NULL OR genre_audience_id = $6)
  AND ($7::question_type IS NULL OR type = $7)
  AND ($8::uuid IS NULL OR question_template_id = $8)
  AND ($9::uuid IS NULL OR document_ids @> ARRAY[$9::uuid])
  AND (NOT $10 OR source_gone_time IS NOT NULL)
  AND ($11::uuid IS NULL OR id > $11)
ORDER BY id
LIMIT $12

-- name: delete_question
WITH unbanded AS (
    DELETE FROM question_bands AS own USING question_marks AS known, questions
    WHERE questions.id = $1 AND known.question_id = questions.id
      AND own.band = ANY (known.bands) AND own.question_id = questions.id
)
DELETE FROM questions WHERE id = $1
