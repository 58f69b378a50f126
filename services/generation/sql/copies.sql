-- name: hold_wordings
-- Who adds questions of the same words at the same time waits here for the other, and sees its questions then. In one order
-- everywhere, so that two do not wait for each other.
INSERT INTO question_wordings AS own (project_id, key)
SELECT $1, key FROM unnest($2::bigint[]) AS key ORDER BY key
ON CONFLICT (project_id, key) DO UPDATE SET key = EXCLUDED.key

-- name: find_copies
-- Of each new question those that are kept, or may be, and bear a mark that it looks for; of each band, which very many may
-- share, the last ones.
SELECT new.id AS new_id, known.*
FROM jsonb_to_recordset($2) AS new (id uuid, wanted bigint[], bands bigint[])
CROSS JOIN LATERAL (
    (SELECT id, generation_id, text, fact
     FROM question_marks JOIN questions ON id = question_id
     WHERE marks && new.wanted AND project_id = $1 AND state <> 'rejected'
     LIMIT 50)
    UNION
    SELECT id, generation_id, text, fact
    FROM unnest(new.bands) AS own
    CROSS JOIN LATERAL (SELECT question_id FROM question_bands WHERE band = own ORDER BY question_id DESC LIMIT 2) AS near
    JOIN questions ON id = question_id
    WHERE project_id = $1 AND state <> 'rejected'
) AS known

-- name: insert_marks
WITH new AS (
    SELECT id, marks, bands FROM jsonb_to_recordset($1) AS new (id uuid, marks bigint[], bands bigint[])
), banded AS (
    INSERT INTO question_bands (band, question_id) SELECT DISTINCT unnest(bands), id FROM new
)
INSERT INTO question_marks (question_id, marks, bands) SELECT id, marks, bands FROM new
