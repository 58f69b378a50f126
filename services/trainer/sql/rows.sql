-- name: drop_rows
DELETE FROM training_rows WHERE run_id = $1 AND split = $2

-- name: insert_rows
INSERT INTO training_rows (run_id, split, line, row_id, outcome, tokens, kept_tokens, samples)
SELECT $1, $2, * FROM unnest($3::bigint[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::integer[])

-- name: list_rows
SELECT split, line, row_id, outcome, tokens, kept_tokens, samples
FROM training_rows
WHERE run_id = $1
  AND ($2::text = '' OR outcome = $2)
  AND ($3::text IS NULL OR (split, line) > ($3, $4::bigint))
ORDER BY split, line
LIMIT $5
