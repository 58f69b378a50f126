-- name: questioned_chunks
-- Of some chunks those with a question, by the first of each, whatever became of it; with $3 one of a template, else another.
-- Read as by `count_questions` of coverage.sql.
SELECT wanted.id AS chunk_id FROM unnest($2::uuid[]) AS wanted (id)
WHERE EXISTS (SELECT FROM (SELECT project_id, type FROM questions WHERE chunk_ids[1] = wanted.id OFFSET 0) AS found
              WHERE project_id = $1 AND (type = 'template') = $3)

-- name: written_chunks
-- The same of candidates of a kind.
SELECT wanted.id AS chunk_id FROM unnest($2::uuid[]) AS wanted (id)
WHERE EXISTS (SELECT FROM (SELECT project_id, kind FROM candidates WHERE chunk_ids[1] = wanted.id OFFSET 0) AS found
              WHERE project_id = $1 AND kind = $3)

-- name: has_older
-- Whether a project has something that was made before an id.
SELECT EXISTS (SELECT FROM questions WHERE project_id = $1 AND id < $2)
    OR EXISTS (SELECT FROM candidates WHERE project_id = $1 AND id < $2)

-- name: note_chunks
INSERT INTO source_looks (look_id, id, document_id)
SELECT $1, chunk.id, chunk.document_id FROM unnest($2::uuid[], $3::uuid[]) AS chunk (id, document_id)
ON CONFLICT DO NOTHING

-- name: note_documents
-- How documents stand; of those without a stamp nothing can be told.
INSERT INTO source_looks (look_id, id, stamp)
SELECT $1, document.id, document.stamp FROM unnest($2::uuid[], $3::text[]) AS document (id, stamp)
ON CONFLICT (look_id, id) DO UPDATE SET stamp = EXCLUDED.stamp

-- name: changed_documents
-- Of documents as they stand now those that stood otherwise before their chunks were read, or of which other chunks were seen.
SELECT document.id FROM unnest($2::uuid[], $3::text[], $4::integer[]) AS document (id, stamp, chunks)
WHERE document.stamp IS DISTINCT FROM (SELECT noted.stamp FROM source_looks AS noted
                                       WHERE noted.look_id = $1 AND noted.id = document.id)
   OR document.chunks <> (SELECT count(*) FROM source_looks AS seen
                          WHERE seen.look_id = $1 AND seen.document_id = document.id)

-- name: forget_document
DELETE FROM source_looks WHERE look_id = $1 AND (id = $2 OR document_id = $2)

-- name: mark_questions
-- The next page of a project's questions: the last one's id, how many these are, and how many are newly marked and are marked
-- no more, which the job $6 counts too, if it is one. What was written since the look began may be about what it has not seen. `OFFSET 0` has the chunks of the page looked up one by one:
-- of a look that is new nobody knows how much it has seen.
WITH page AS MATERIALIZED (
    SELECT id, chunk_ids, document_ids FROM questions
    WHERE project_id = $2 AND ($3::uuid IS NULL OR id > $3) AND id < $1
    ORDER BY id
    LIMIT $4
), seen AS MATERIALIZED (
    SELECT found.id, found.stamp
    FROM (SELECT DISTINCT unnest(chunk_ids || document_ids) AS id FROM page) AS wanted
    CROSS JOIN LATERAL (SELECT id, stamp FROM source_looks WHERE look_id = $1 AND id = wanted.id OFFSET 0) AS found
), lost AS MATERIALIZED (
    SELECT DISTINCT page.id
    FROM page CROSS JOIN unnest(page.chunk_ids) AS chunk (id) LEFT JOIN seen ON seen.id = chunk.id
    WHERE seen.id IS NULL
), untold AS MATERIALIZED (
    SELECT DISTINCT page.id
    FROM page CROSS JOIN unnest(page.document_ids) AS document (id) JOIN seen ON seen.id = document.id
    WHERE seen.stamp IS NULL
), told AS (
    SELECT id, id IN (SELECT id FROM lost) AS gone
    FROM page
    WHERE ($5::uuid[] = '{}' OR document_ids <@ $5) AND id NOT IN (SELECT id FROM untold)
), changed AS (
    UPDATE questions SET source_gone_time = CASE WHEN told.gone THEN now() END
    FROM told
    WHERE questions.id = told.id AND told.gone <> (questions.source_gone_time IS NOT NULL)
    RETURNING told.gone
), counted AS (
    UPDATE source_markings
    SET marked = marked + (SELECT count(*) FROM changed WHERE gone),
        unmarked = unmarked + (SELECT count(*) FROM changed WHERE NOT gone)
    WHERE job_id = $6
)
SELECT (SELECT id FROM page ORDER BY id DESC LIMIT 1) AS last_id, (SELECT count(*) FROM page) AS looked_at,
       count(*) FILTER (WHERE gone) AS marked, count(*) FILTER (WHERE NOT gone) AS unmarked
FROM changed

-- name: mark_candidates
-- As `mark_questions`.
WITH page AS MATERIALIZED (
    SELECT id, chunk_ids, document_ids FROM candidates
    WHERE project_id = $2 AND ($3::uuid IS NULL OR id > $3) AND id < $1
    ORDER BY id
    LIMIT $4
), seen AS MATERIALIZED (
    SELECT found.id, found.stamp
    FROM (SELECT DISTINCT unnest(chunk_ids || document_ids) AS id FROM page) AS wanted
    CROSS JOIN LATERAL (SELECT id, stamp FROM source_looks WHERE look_id = $1 AND id = wanted.id OFFSET 0) AS found
), lost AS MATERIALIZED (
    SELECT DISTINCT page.id
    FROM page CROSS JOIN unnest(page.chunk_ids) AS chunk (id) LEFT JOIN seen ON seen.id = chunk.id
    WHERE seen.id IS NULL
), untold AS MATERIALIZED (
    SELECT DISTINCT page.id
    FROM page CROSS JOIN unnest(page.document_ids) AS document (id) JOIN seen ON seen.id = document.id
    WHERE seen.stamp IS NULL
), told AS (
    SELECT id, id IN (SELECT id FROM lost) AS gone
    FROM page
    WHERE ($5::uuid[] = '{}' OR document_ids <@ $5) AND id NOT IN (SELECT id FROM untold)
), changed AS (
    UPDATE candidates SET source_gone_time = CASE WHEN told.gone THEN now() END
    FROM told
    WHERE candidates.id = told.id AND told.gone <> (candidates.source_gone_time IS NOT NULL)
    RETURNING told.gone
), counted AS (
    UPDATE source_markings
    SET marked = marked + (SELECT count(*) FROM changed WHERE gone),
        unmarked = unmarked + (SELECT count(*) FROM changed WHERE NOT gone)
    WHERE job_id = $6
)
SELECT (SELECT id FROM page ORDER BY id DESC LIMIT 1) AS last_id, (SELECT count(*) FROM page) AS looked_at,
       count(*) FILTER (WHERE gone) AS marked, count(*) FILTER (WHERE NOT gone) AS unmarked
FROM changed

-- name: insert_marking
INSERT INTO source_markings (job_id) VALUES ($1)

-- name: get_marking
SELECT marked, unmarked FROM source_markings WHERE job_id = $1

-- name: project_markings
SELECT job_id FROM source_markings JOIN jobs ON jobs.id = job_id WHERE project_id = $1

-- name: forget_look
-- A part of what looks have found up to $1: of one that has ended, and of killed ones before $2.
DELETE FROM source_looks WHERE (look_id, id) IN (
    SELECT look_id, id FROM source_looks WHERE look_id = $1 OR look_id < $2 LIMIT $3)
