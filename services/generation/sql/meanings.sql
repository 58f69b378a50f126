-- name: find_vectors
SELECT DISTINCT ON (key) key, vector FROM question_embeddings WHERE project_id = $1 AND key = ANY ($2::bytea[])

-- name: hold_meanings
SELECT pg_advisory_xact_lock(hashtextextended($1, 1))

-- name: find_meanings
SELECT new.id AS new_id, known.id, known.generation_id, known.text, known.fact,
       CASE WHEN known.type = 'unanswerable' THEN known.chunk_ids[1] END AS open_chunk, own.vector
FROM jsonb_to_recordset($3) AS new (id uuid, signs bit(256))
JOIN question_embeddings AS own
    ON own.project_id = $1 AND own.space = $2 AND bit_count(own.signs # new.signs) <= $4::integer
JOIN questions AS known ON known.id = own.question_id AND known.state <> 'rejected'

-- name: insert_embeddings
INSERT INTO question_embeddings (project_id, space, question_id, key, signs, vector)
SELECT $1, $2, question_id, key, signs::bit(256), vector
FROM unnest($3::uuid[], $4::bytea[], $5::text[], $6::bytea[]) AS new (question_id, key, signs, vector)
