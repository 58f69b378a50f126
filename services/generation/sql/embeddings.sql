-- name: find_text_embeddings
SELECT key, vector FROM text_embeddings WHERE project_id = $1 AND key = ANY ($2::bytea[])

-- name: insert_text_embeddings
INSERT INTO text_embeddings (project_id, key, vector)
SELECT $1, key, vector FROM unnest($2::bytea[], $3::bytea[]) AS new (key, vector)
ORDER BY key
ON CONFLICT (project_id, key) DO NOTHING

-- name: delete_project_embeddings
DELETE FROM text_embeddings WHERE project_id = $1
