-- name: lock_tags
-- Who changes the tree of a project does so alone, and no question is linked meanwhile.
SELECT pg_advisory_xact_lock(hashtextextended('tags ' || $1::uuid::text, 0))

-- name: share_tags
SELECT pg_advisory_xact_lock_shared(hashtextextended('tags ' || $1::uuid::text, 0))

-- name: view_tags
-- One by its id, or a page of a project: each before those under it.
WITH RECURSIVE tree AS (
    SELECT tags.*, ARRAY[index] AS path, ARRAY[id] AS above FROM tags
    WHERE project_id = coalesce($2, (SELECT project_id FROM tags WHERE id = $1)) AND parent_id IS NULL
    UNION ALL
    SELECT tags.*, tree.path || tags.index, tree.above || tags.id FROM tags JOIN tree ON tags.parent_id = tree.id
), page AS (
    SELECT * FROM tree
    WHERE ($1::uuid IS NULL OR id = $1) AND ($3::integer[] IS NULL OR path > $3)
    ORDER BY path
    LIMIT $4
), counted AS (
    SELECT one.id, count(DISTINCT question_id) AS questions
    FROM tree CROSS JOIN unnest(tree.above) AS one (id) JOIN question_tags ON question_tags.tag_id = tree.id
    WHERE one.id IN (SELECT id FROM page)
    GROUP BY one.id
)
SELECT page.id, page.project_id, page.parent_id, page.title, page.index, page.path, page.create_time, page.update_time,
       coalesce(counted.questions, 0) AS question_count,
       (SELECT coalesce(jsonb_agg(jsonb_build_object('document_id', document_id, 'heading_path', heading_path,
                                                     'chunk_id', chunk_id) ORDER BY number), '[]')
        FROM tag_places WHERE tag_id = page.id) AS places
FROM page LEFT JOIN counted USING (id)
ORDER BY path

-- name: get_tag
SELECT id, project_id, parent_id, title FROM tags WHERE id = $1

-- name: find_tag
SELECT id FROM tags WHERE project_id = $1 AND parent_id IS NOT DISTINCT FROM $2 AND title = $3

-- name: list_above
-- A tag and those above it.
WITH RECURSIVE above AS (
    SELECT id, parent_id FROM tags WHERE id = $1
    UNION ALL
    SELECT tags.id, tags.parent_id FROM tags JOIN above ON tags.id = above.parent_id
)
SELECT id FROM above

-- name: insert_tag
INSERT INTO tags (id, project_id, parent_id, title, index)
SELECT $1, $2, $3, $4, coalesce(max(index) + 1, 0)
FROM tags WHERE project_id = $2 AND parent_id IS NOT DISTINCT FROM $3

-- name: update_tag
UPDATE tags
SET title = $2, parent_id = $3, update_time = now(),
    index = CASE WHEN parent_id IS NOT DISTINCT FROM $3 THEN index
            ELSE (SELECT coalesce(max(index) + 1, 0) FROM tags AS beside
                  WHERE beside.project_id = tags.project_id AND beside.parent_id IS NOT DISTINCT FROM $3) END
WHERE id = $1

-- name: close_gaps
UPDATE tags SET index = placed.place
FROM (SELECT id, row_number() OVER (PARTITION BY parent_id ORDER BY index) - 1 AS place FROM tags WHERE project_id = $1)
    AS placed
WHERE tags.id = placed.id AND tags.index <> placed.place

-- name: delete_places
DELETE FROM tag_places WHERE tag_id = $1

-- name: insert_places
-- Those that the tags do not have.
INSERT INTO tag_places (tag_id, number, document_id, heading_path, chunk_id)
SELECT tag_id,
       (SELECT coalesce(max(number), 0) FROM tag_places WHERE tag_places.tag_id = new.tag_id)
       + row_number() OVER (PARTITION BY tag_id ORDER BY number),
       document_id, heading_path, chunk_id
FROM jsonb_to_recordset($1) AS new (tag_id uuid, number integer, document_id uuid, heading_path text[], chunk_id uuid)
WHERE NOT EXISTS (
    SELECT FROM tag_places AS known
    WHERE known.tag_id = new.tag_id AND known.document_id = new.document_id AND known.heading_path = new.heading_path
      AND known.chunk_id IS NOT DISTINCT FROM new.chunk_id
)

-- name: delete_tag
WITH RECURSIVE below AS (
    SELECT $1::uuid AS id UNION ALL SELECT tags.id FROM tags JOIN below ON tags.parent_id = below.id
)
DELETE FROM tags WHERE id IN (SELECT id FROM below) RETURNING id

-- name: delete_project_tags
DELETE FROM tags WHERE project_id = $1 RETURNING id

-- name: list_paths
-- The titles of all tags from the top, each before those under it.
WITH RECURSIVE tree AS (
    SELECT id, ARRAY[title] AS titles, ARRAY[index] AS path FROM tags WHERE project_id = $1 AND parent_id IS NULL
    UNION ALL
    SELECT tags.id, tree.titles || tags.title, tree.path || tags.index FROM tags JOIN tree ON tags.parent_id = tree.id
)
SELECT id, titles FROM tree ORDER BY path

-- name: insert_tags
-- Behind those that are under their parents, in the order in which they are given.
INSERT INTO tags (id, project_id, parent_id, title, index)
SELECT new.id, $1, new.parent_id, new.title,
       (SELECT coalesce(max(index) + 1, 0) FROM tags
        WHERE project_id = $1 AND parent_id IS NOT DISTINCT FROM new.parent_id)
       + row_number() OVER (PARTITION BY new.parent_id ORDER BY new.number) - 1
FROM jsonb_to_recordset($2) AS new (number integer, id uuid, parent_id uuid, title text)

-- name: link_new_questions
-- Questions without links, as `link_questions`; those of one call are about few chunks.
WITH asked AS (
    SELECT id, chunk_ids[1] AS chunk_id, document_ids[1] AS document_id, heading_path FROM questions
    WHERE id = ANY ($2::uuid[]) AND cardinality(chunk_ids) > 0
), spots AS (
    SELECT DISTINCT chunk_id, document_id, heading_path FROM asked
)
INSERT INTO question_tags (question_id, tag_id)
SELECT DISTINCT asked.id, narrowest.tag_id
FROM spots
CROSS JOIN LATERAL (
    SELECT tag_id, rank() OVER (ORDER BY tag_places.chunk_id IS NULL, cardinality(tag_places.heading_path) DESC) AS place
    FROM tag_places JOIN tags ON tags.id = tag_id
    WHERE tags.project_id = $1 AND tag_places.document_id = spots.document_id
      AND (tag_places.chunk_id = spots.chunk_id
           OR (tag_places.chunk_id IS NULL
               AND spots.heading_path[:cardinality(tag_places.heading_path)] = tag_places.heading_path))
) AS narrowest
JOIN asked USING (chunk_id, document_id, heading_path)
WHERE narrowest.place = 1
ON CONFLICT DO NOTHING

-- name: link_questions
-- All questions of a project about documents, to the tags with the narrowest places that hold them, and to no others: the
-- chunk, else the longest part of its heading path, else the document.
WITH asked AS (
    SELECT id, chunk_ids[1] AS chunk_id, document_ids[1] AS document_id, heading_path FROM questions
    WHERE project_id = $1 AND cardinality(chunk_ids) > 0
), places AS (
    SELECT tag_places.* FROM tag_places JOIN tags ON tags.id = tag_places.tag_id WHERE tags.project_id = $1
), held AS (
    SELECT asked.id AS question_id, places.tag_id, depth
    FROM asked
    CROSS JOIN generate_series(0, cardinality(asked.heading_path)) AS depth
    JOIN places ON places.document_id = asked.document_id AND places.heading_path = asked.heading_path[:depth]
    WHERE places.chunk_id IS NULL
    UNION ALL
    SELECT asked.id, places.tag_id, 1000000
    FROM asked JOIN places ON places.document_id = asked.document_id AND places.chunk_id = asked.chunk_id
), wanted AS (
    SELECT DISTINCT question_id, tag_id
    FROM (SELECT held.*, rank() OVER (PARTITION BY question_id ORDER BY depth DESC) AS place FROM held) AS ranked
    WHERE place = 1
), differing AS (
    -- Grouped, not joined: how many links there are the planner cannot know.
    SELECT question_id, tag_id, bool_or(is_new) AS is_new
    FROM (SELECT question_id, tag_id, true AS is_new FROM wanted
          UNION ALL
          SELECT question_id, tag_id, false FROM question_tags JOIN questions ON questions.id = question_id
          WHERE project_id = $1 AND cardinality(chunk_ids) > 0) AS each
    GROUP BY question_id, tag_id
    HAVING count(*) = 1
), dropped AS (
    DELETE FROM question_tags USING differing
    WHERE NOT is_new AND question_tags.question_id = differing.question_id AND question_tags.tag_id = differing.tag_id
)
-- A question that is deleted meanwhile is left out.
INSERT INTO question_tags (question_id, tag_id)
SELECT question_id, tag_id FROM differing JOIN questions ON questions.id = question_id
WHERE is_new
FOR KEY SHARE OF questions
ON CONFLICT DO NOTHING
