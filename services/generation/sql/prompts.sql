-- name: lock_prompt
-- Versions of a prompt are made and restored one after the other.
SELECT pg_advisory_xact_lock(hashtextextended('prompt ' || $1::uuid::text || ' ' || $2 || ' ' || $3, 0))

-- name: get_prompt_made
SELECT * FROM prompt_version_view WHERE id = $1

-- name: get_prompt_version
SELECT * FROM prompt_version_view WHERE project_id = $1 AND name = $2 AND language = $3 AND number = $4

-- name: get_current_prompt
SELECT * FROM prompt_version_view WHERE project_id = $1 AND name = $2 AND language = $3 AND current

-- name: list_current_prompts
SELECT * FROM prompt_version_view WHERE project_id = $1 AND current

-- name: list_current_numbers
SELECT name, language, number FROM current_prompts WHERE project_id = $1

-- name: list_prompt_versions
SELECT * FROM prompt_version_view
WHERE project_id = $1 AND name = $2 AND language = $3 AND ($4::integer IS NULL OR number < $4)
ORDER BY number DESC
LIMIT $5

-- name: insert_prompt_version
INSERT INTO prompt_versions (id, project_id, name, language, number, template)
SELECT $1, $2, $3, $4, coalesce(max(number), 0) + 1, $5
FROM prompt_versions WHERE project_id = $2 AND name = $3 AND language = $4
RETURNING number

-- name: set_current_prompt
-- Nothing where there is no such version; one that is there stays until this ends.
INSERT INTO current_prompts (project_id, name, language, number)
SELECT project_id, name, language, number FROM prompt_versions
WHERE project_id = $1 AND name = $2 AND language = $3 AND number = $4
FOR KEY SHARE
ON CONFLICT (project_id, name, language) DO UPDATE SET number = EXCLUDED.number

-- name: unset_current_prompt
DELETE FROM current_prompts WHERE project_id = $1 AND name = $2 AND language = $3

-- name: delete_project_prompts
DELETE FROM prompt_versions WHERE project_id = $1 RETURNING id
