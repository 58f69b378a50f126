-- name: hold_wordings
-- Who adds questions of the same words at the same time waits here for the other, and sees its questions then. In one order
-- everywhere, so that two do not wait for each other.
INSERT INTO question_wordings AS own (project_id, key)
SELECT $1, key FROM unnest($2::bigint[]) AS key ORDER BY key
ON CONFLICT (project_id, key) DO UPDATE SET key = EXCLUDED.key

-- name: find_copies
-- Of each new question those that are kept, or may be, and bear a mark that it looks for; of each band, which very many may
-- share, the last ones. `OFFSET 0` keeps the order in which the tables are read: new tables are thought so small that the
-- questions of the project would be read first, each time.
SELECT new.id AS new_id, known.*
FROM jsonb_to_recordset($2) AS new (id uuid, wanted bigint[], bands bigint[])
CROSS JOIN LATERAL (
    (SELECT known.*
     FROM (SELECT question_id FROM question_marks WHERE marks && new.wanted OFFSET 0) AS found
     CROSS JOIN LATERAL (
         SELECT id, generation_id, text, fact, CASE WHEN type = 'unanswerable' THEN chunk_ids[1] END AS open_chunk FROM questions
         WHERE id = found.question_id AND project_id = $1 AND state <> 'rejected'
         OFFSET 0
     ) AS known
     LIMIT 50)
    UNION
    SELECT known.*
    FROM unnest(new.bands) AS own
    CROSS JOIN LATERAL (
        SELECT question_id FROM question_bands WHERE band = own ORDER BY question_id DESC LIMIT 2
    ) AS found
    CROSS JOIN LATERAL (
        SELECT id, generation_id, text, fact, CASE WHEN type = 'unanswerable' THEN chunk_ids[1] END AS open_chunk FROM questions
        WHERE id = found.question_id AND project_id = $1 AND state <> 'rejected'
        OFFSET 0
    ) AS known
) AS known

-- name: insert_marks
WITH new AS (
    SELECT id, marks, bands FROM jsonb_to_recordset($1) AS new (id uuid, marks bigint[], bands bigint[])
), banded AS (
    INSERT INTO question_bands (band, question_id) SELECT DISTINCT unnest(bands), id FROM new
)
INSERT INTO question_marks (question_id, marks, bands) SELECT id, marks, bands FROM new
