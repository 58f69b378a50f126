-- name: count_questions
-- About chunks, by the first of each question; and of each chunk by type. The chunks are looked up one by one, which `OFFSET 0`
-- keeps: of tables that nobody has analysed yet the questions of the project are thought so few that all would be read.
SELECT wanted.id AS chunk_id, type,
       count(DISTINCT fact ->> 'text') AS facts,
       count(DISTINCT fact ->> 'text') FILTER (WHERE state = 'answered') AS answered_facts,
       count(*) FILTER (WHERE state <> 'rejected') AS questions,
       count(*) FILTER (WHERE state = 'answered') AS answered,
       count(*) FILTER (WHERE state = 'rejected') AS rejected,
       count(*) FILTER (WHERE state = 'answered' AND fact IS NOT NULL) AS answered_about_facts
FROM (SELECT DISTINCT unnest($2::uuid[]) AS id) AS wanted
CROSS JOIN LATERAL (
    SELECT project_id, generation_id, type, state, fact FROM questions WHERE chunk_ids[1] = wanted.id OFFSET 0
) AS found
WHERE project_id = $1 AND ($3::uuid IS NULL OR generation_id = $3)
GROUP BY GROUPING SETS ((wanted.id), (wanted.id, type))

-- name: asked_facts
-- About which facts of chunks there are questions, and whether one of these is answered; read as by `count_questions`.
SELECT wanted.id AS chunk_id, fact ->> 'text' AS text, bool_or(state = 'answered') AS answered
FROM (SELECT DISTINCT unnest($2::uuid[]) AS id) AS wanted
CROSS JOIN LATERAL (SELECT project_id, state, fact FROM questions WHERE chunk_ids[1] = wanted.id OFFSET 0) AS found
WHERE project_id = $1 AND fact IS NOT NULL
GROUP BY 1, 2

-- name: planned_facts
SELECT chunk_id, start FROM planned_facts WHERE generation_id = $1 AND chunk_id = ANY ($2::uuid[])

-- name: insert_planned_facts
-- A chunk that moved while a page was read may be named twice.
INSERT INTO planned_facts (generation_id, chunk_id, start)
SELECT $1, chunk_id, start FROM unnest($2::uuid[], $3::integer[]) AS fact (chunk_id, start)
ON CONFLICT DO NOTHING

-- name: set_sections
UPDATE generations SET sections = $2, lacking_sections = $3 WHERE id = $1

-- name: has_open_items
-- Whether a job has open items beside one.
SELECT EXISTS (SELECT FROM job_items WHERE job_id = $1 AND state = 'pending' AND id <> $2)
