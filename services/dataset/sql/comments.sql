-- name: insert_comment
-- Nothing where there is no such example.
INSERT INTO example_comments (id, example_id, author, text)
SELECT $1, id, $3, $4 FROM examples WHERE id = $2 AND delete_time IS NULL
RETURNING true

-- name: get_comment
SELECT * FROM example_comments WHERE id = $1

-- name: is_there
SELECT true FROM examples WHERE id = $1

-- name: list_comments
SELECT * FROM example_comments
WHERE example_id = $1 AND ($2::uuid IS NULL OR id > $2)
ORDER BY id
LIMIT $3

-- name: delete_comment
DELETE FROM example_comments WHERE id = $1
