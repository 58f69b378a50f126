-- name: get_example
SELECT examples.*, content, lineage FROM examples JOIN example_contents ON example_id = id
WHERE id = $1 AND delete_time IS NULL

-- name: list_oldest
SELECT examples.*, content, lineage
FROM examples JOIN example_contents ON example_id = id
WHERE project_id = $1
  AND matches(examples, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)
  AND ($22::text = '' OR position($22 IN lower(content::text)) > 0)
  AND ($24::uuid IS NULL OR id > $24) AND ($25::uuid IS NULL OR id <= $25)
ORDER BY id
LIMIT $23

-- name: place_oldest
-- Up to where a page looks at most.
SELECT id FROM examples
WHERE project_id = $1 AND ($3::uuid IS NULL OR id > $3)
ORDER BY id OFFSET $2 LIMIT 1

-- name: list_newest
SELECT examples.*, content, lineage
FROM examples JOIN example_contents ON example_id = id
WHERE project_id = $1
  AND matches(examples, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)
  AND ($22::text = '' OR position($22 IN lower(content::text)) > 0)
  AND ($24::uuid IS NULL OR id < $24) AND ($25::uuid IS NULL OR id >= $25)
ORDER BY id DESC
LIMIT $23

-- name: place_newest
-- Up to where a page looks at most.
SELECT id FROM examples
WHERE project_id = $1 AND ($3::uuid IS NULL OR id < $3)
ORDER BY id DESC OFFSET $2 LIMIT 1

-- name: list_lowest_score
SELECT examples.*, content, lineage
FROM examples JOIN example_contents ON example_id = id
WHERE project_id = $1
  AND matches(examples, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)
  AND ($22::text = '' OR position($22 IN lower(content::text)) > 0)
  AND ($25::uuid IS NULL OR (coalesce(score, -1), id) > ($24::double precision, $25)) AND ($27::uuid IS NULL OR (coalesce(score, -1), id) <= ($26::double precision, $27))
ORDER BY coalesce(score, -1), id
LIMIT $23

-- name: place_lowest_score
SELECT coalesce(score, -1) AS key, id FROM examples
WHERE project_id = $1 AND ($4::uuid IS NULL OR (coalesce(score, -1), id) > ($3::double precision, $4))
ORDER BY coalesce(score, -1), id OFFSET $2 LIMIT 1

-- name: list_highest_score
SELECT examples.*, content, lineage
FROM examples JOIN example_contents ON example_id = id
WHERE project_id = $1
  AND matches(examples, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)
  AND ($22::text = '' OR position($22 IN lower(content::text)) > 0)
  AND ($25::uuid IS NULL OR (coalesce(score, -1), id) < ($24::double precision, $25)) AND ($27::uuid IS NULL OR (coalesce(score, -1), id) >= ($26::double precision, $27))
ORDER BY coalesce(score, -1) DESC, id DESC
LIMIT $23

-- name: place_highest_score
SELECT coalesce(score, -1) AS key, id FROM examples
WHERE project_id = $1 AND ($4::uuid IS NULL OR (coalesce(score, -1), id) < ($3::double precision, $4))
ORDER BY coalesce(score, -1) DESC, id DESC OFFSET $2 LIMIT 1

-- name: list_last_changed
SELECT examples.*, content, lineage
FROM examples JOIN example_contents ON example_id = id
WHERE project_id = $1
  AND matches(examples, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)
  AND ($22::text = '' OR position($22 IN lower(content::text)) > 0)
  AND ($25::uuid IS NULL OR (update_time, id) < ($24::timestamptz, $25)) AND ($27::uuid IS NULL OR (update_time, id) >= ($26::timestamptz, $27))
ORDER BY update_time DESC, id DESC
LIMIT $23

-- name: place_last_changed
SELECT update_time AS key, id FROM examples
WHERE project_id = $1 AND ($4::uuid IS NULL OR (update_time, id) < ($3::timestamptz, $4))
ORDER BY update_time DESC, id DESC OFFSET $2 LIMIT 1

-- name: count_examples
SELECT count(*) FROM examples WHERE project_id = $1 AND matches(examples, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)

-- name: count_by_facet
-- The most frequent values. Grouped before the lists of values are taken apart: far fewer lists than examples differ.
SELECT value, sum(count)::bigint AS count
FROM (
    SELECT facet_values(examples, $22) AS values, count(*) AS count
    FROM examples WHERE project_id = $1 AND matches(examples, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)
    GROUP BY values
) AS grouped, unnest(values) AS value
WHERE value <> ''
GROUP BY value
ORDER BY sum(count) DESC, value
LIMIT $23
