-- name: requested
-- What a project has that a request id made.
SELECT resource_id FROM requests WHERE resource_id IN (
    SELECT id FROM jobs WHERE project_id = $1
    UNION ALL SELECT id FROM dataset_versions WHERE project_id = $1
    UNION ALL SELECT id FROM dataset_diffs WHERE project_id = $1
    UNION ALL SELECT id FROM exports WHERE project_id = $1
    UNION ALL SELECT id FROM deduplications WHERE project_id = $1
    UNION ALL SELECT id FROM benchmarks WHERE project_id = $1
    UNION ALL SELECT id FROM leak_checks WHERE project_id = $1
    UNION ALL SELECT id FROM imports WHERE project_id = $1
    UNION ALL SELECT id FROM import_uploads WHERE project_id = $1
    UNION ALL SELECT id FROM examples WHERE project_id = $1
    UNION ALL SELECT id FROM reviews WHERE project_id = $1
    UNION ALL SELECT example_comments.id FROM example_comments JOIN examples ON example_id = examples.id WHERE project_id = $1)

-- name: delete_project_exports
DELETE FROM exports WHERE project_id = $1

-- name: delete_project_diffs
DELETE FROM dataset_diffs WHERE project_id = $1

-- name: delete_project_versions
DELETE FROM dataset_versions WHERE project_id = $1

-- name: delete_project_claims
DELETE FROM review_claims WHERE project_id = $1

-- name: delete_project_reviews
DELETE FROM reviews WHERE project_id = $1

-- name: delete_project_comments
DELETE FROM example_comments USING examples WHERE example_id = examples.id AND project_id = $1

-- name: delete_project_duplicates
DELETE FROM duplicates USING deduplications WHERE deduplication_id = id AND project_id = $1

-- name: delete_project_clusters
DELETE FROM duplicate_clusters USING deduplications WHERE deduplication_id = id AND project_id = $1

-- name: delete_project_deduplications
DELETE FROM deduplications WHERE project_id = $1

-- name: delete_project_revisions
DELETE FROM example_revisions USING examples WHERE example_id = id AND project_id = $1

-- name: delete_project_contents
DELETE FROM example_contents USING examples WHERE example_id = id AND project_id = $1

-- name: delete_project_examples
DELETE FROM examples WHERE project_id = $1

-- name: delete_project_numbers
DELETE FROM version_numbers WHERE project_id = $1

-- name: delete_project_leak_checks
DELETE FROM leak_checks WHERE project_id = $1

-- name: delete_project_benchmarks
DELETE FROM benchmarks WHERE project_id = $1

-- name: delete_project_imports
DELETE FROM imports WHERE project_id = $1

-- name: delete_project_uploads
DELETE FROM import_uploads WHERE project_id = $1
