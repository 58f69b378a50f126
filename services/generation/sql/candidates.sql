-- name: insert_candidate
INSERT INTO candidates (id, project_id, generation_id, kind, state, content, content_key, chunk_ids, document_ids,
                        fact_ids, question_id, quotes, rejection, reasoning, call_id, heading_path, replaces_id,
                        source_gone_time, judgement, judge_call_id)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, (SELECT id FROM questions WHERE id = $11), $12, $13, $14, $15, $16,
       (SELECT id FROM candidates WHERE id = $17 FOR KEY SHARE), (SELECT source_gone_time FROM candidates WHERE id = $17),
       $18::jsonb, CASE WHEN $18::jsonb IS NOT NULL THEN $15::uuid END
ON CONFLICT (generation_id, content_key) WHERE state <> 'rejected' DO NOTHING
RETURNING id

-- name: get_candidate
SELECT * FROM candidate_view WHERE id = $1

-- name: list_candidates
SELECT * FROM candidate_view
WHERE project_id = $1
  AND ($2::uuid IS NULL OR generation_id = $2)
  AND ($3::uuid IS NULL OR chunk_ids @> ARRAY[$3::uuid])
  AND ($4::candidate_kind IS NULL OR kind = $4)
  AND ($5::candidate_state IS NULL OR state = $5)
  AND ($6::uuid IS NULL OR tag_ids && ARRAY(
      WITH RECURSIVE under AS (
          SELECT id FROM tags WHERE id = $6
          UNION ALL
          SELECT tags.id FROM tags JOIN under ON tags.parent_id = under.id)
      SELECT id FROM under))
  AND (NOT $7 OR source_gone_time IS NOT NULL)
  AND ($8::uuid IS NULL OR id > $8)
ORDER BY id
LIMIT $9

-- name: delete_candidate
DELETE FROM candidates WHERE id = $1

-- name: delete_generation_candidates
DELETE FROM candidates WHERE generation_id = $1

-- name: delete_project_candidates
DELETE FROM candidates WHERE project_id = $1

-- name: list_answered
-- Questions with a good answer from the documents as they are, oldest first; those of templates are not understood without
-- them, and to those that the documents do not answer a refusal is the good answer.
SELECT id FROM questions
WHERE project_id = $1
  AND ($2::uuid IS NULL OR generation_id = $2)
  AND state = 'answered' AND chunk_ids <> '{}' AND type NOT IN ('template', 'unanswerable')
  AND source_gone_time IS NULL
  AND ($3::uuid IS NULL OR id > $3)
ORDER BY id
LIMIT $4
