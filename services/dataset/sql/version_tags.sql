-- name: hold_version
-- Whether a version is there; it is not deleted before the transaction ends.
SELECT true FROM dataset_versions WHERE id = $1 FOR KEY SHARE

-- name: set_tag
-- The version that bore it before; nothing for none. Whoever else sets it waits.
WITH before AS (
    SELECT dataset_version_id FROM version_tags WHERE project_id = $1 AND name = $2
), told AS (
    INSERT INTO version_tags (project_id, name, dataset_version_id) VALUES ($1, $2, $3)
    ON CONFLICT (project_id, name) DO UPDATE SET dataset_version_id = excluded.dataset_version_id, create_time = now()
    WHERE version_tags.dataset_version_id <> excluded.dataset_version_id
)
SELECT dataset_version_id FROM before WHERE dataset_version_id <> $3

-- name: delete_tag
DELETE FROM version_tags WHERE dataset_version_id = $1 AND name = $2
