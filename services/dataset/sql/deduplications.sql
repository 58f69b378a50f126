-- name: insert_deduplication
INSERT INTO deduplications (id, project_id, filter, options, job_id) VALUES ($1, $2, $3, $4, $5)

-- name: list_deduplications
-- A single search, or those of a project.
SELECT search.*, to_jsonb(job) AS job, to_jsonb(apply_job) AS apply_job
FROM deduplications AS search
JOIN job_view AS job ON job.id = search.job_id
LEFT JOIN job_view AS apply_job ON apply_job.id = search.apply_job_id
WHERE ($1::uuid IS NULL OR search.id = $1)
  AND ($2::uuid IS NULL OR search.project_id = $2)
  AND ($3::uuid IS NULL OR search.id < $3)
ORDER BY search.id DESC
LIMIT $4

-- name: lock_deduplication
SELECT * FROM deduplications WHERE id = $1 FOR UPDATE

-- name: state_of_job
SELECT state FROM jobs WHERE id = $1

-- name: compared_examples
-- By id, and so the oldest first.
SELECT id, kind, state, score, revision_count, content
FROM examples JOIN example_contents ON example_id = id
WHERE project_id = $1
  AND matches(examples, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)
  AND ($22::text = '' OR position($22 IN lower(content::text)) > 0)
ORDER BY id

-- name: set_found
UPDATE deduplications SET counts = $2 WHERE id = $1

-- name: list_clusters
SELECT cluster.*, (
    SELECT coalesce(jsonb_agg(jsonb_build_object('example_id', example_id, 'similarity', similarity, 'kind', kind)), '[]')
    FROM (
        SELECT * FROM duplicates AS one
        WHERE one.deduplication_id = cluster.deduplication_id AND one.cluster = cluster.number
        ORDER BY example_id LIMIT $4
    ) AS first
) AS duplicates
FROM duplicate_clusters AS cluster
WHERE deduplication_id = $1 AND number > $2
ORDER BY number
LIMIT $3

-- name: list_duplicates
SELECT example_id, similarity, kind FROM duplicates
WHERE deduplication_id = $1 AND cluster = $2 AND ($3::uuid IS NULL OR example_id > $3)
ORDER BY example_id
LIMIT $4

-- name: set_applying
UPDATE deduplications SET apply_job_id = $2, author = $3 WHERE id = $1

-- name: reject_duplicates
-- The next duplicates; of these those become rejected that are as they were when they were compared, and whose keepers are.
WITH next AS (
    SELECT cluster, example_id, revision, similarity, kind FROM duplicates
    WHERE deduplication_id = $1 AND (cluster, example_id) > ($2::integer, $3::uuid)
    ORDER BY cluster, example_id
    LIMIT $4
), meant AS (
    SELECT e.*, next.similarity, next.kind AS copy_kind, keeper.id AS keeper_id
    FROM next
    JOIN duplicate_clusters AS found ON found.deduplication_id = $1 AND found.number = next.cluster
    JOIN examples AS keeper ON keeper.id = found.keeper_id
    JOIN examples AS e ON e.id = next.example_id
    WHERE e.state = 'kept' AND e.delete_time IS NULL AND e.revision_count = next.revision
      AND keeper.state = 'kept' AND keeper.delete_time IS NULL AND keeper.revision_count = found.keeper_revision
    ORDER BY e.id
    FOR UPDATE OF e
), told AS (
    INSERT INTO example_revisions (example_id, number, change_id, author, fields, state, rejection, score, labels, tag_ids)
    SELECT id, revision_count + 1, $5, $6, '{state,rejection}', state, rejection, score, labels, tag_ids FROM meant
), changed AS (
    UPDATE examples
    SET state = 'rejected',
        rejection = jsonb_build_object(
            'code', 'FAILED_PRECONDITION',
            'reason', CASE meant.copy_kind WHEN 'exact' THEN 'DUPLICATE' WHEN 'near_copy' THEN 'NEAR_COPY' ELSE 'MEANING_COPY' END,
            'message', CASE meant.copy_kind WHEN 'exact' THEN 'it says the same as example '
                                            WHEN 'near_copy' THEN 'it says nearly the same as example '
                                            ELSE 'it means the same as example ' END || meant.keeper_id,
            'metadata', jsonb_build_object(
                'example_id', meant.keeper_id, 'deduplication_id', $1::uuid,
                'similarity', to_char(meant.similarity, 'FM0.000'))),
        revision_count = examples.revision_count + 1,
        update_time = greatest(now(), examples.update_time + interval '1 microsecond')
    FROM meant WHERE examples.id = meant.id
    RETURNING 1
)
SELECT (SELECT count(*) FROM next) AS looked_at, (SELECT count(*) FROM changed) AS rejected,
       last.cluster, last.example_id
FROM (SELECT cluster, example_id FROM next ORDER BY cluster DESC, example_id DESC LIMIT 1) AS last

-- name: advance
UPDATE deduplications
SET applied_cluster = $2, applied_id = $3, rejected = rejected + $4, skipped = skipped + $5
WHERE id = $1

-- name: delete_deduplication
DELETE FROM deduplications WHERE id = $1
