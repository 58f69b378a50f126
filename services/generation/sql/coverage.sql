-- name: count_questions
-- About chunks, by the first of each question; and of each chunk by type.
SELECT chunk_ids[1] AS chunk_id, type,
       count(DISTINCT fact ->> 'text') AS facts,
       count(DISTINCT fact ->> 'text') FILTER (WHERE state = 'answered') AS answered_facts,
       count(*) FILTER (WHERE state <> 'rejected') AS questions,
       count(*) FILTER (WHERE state = 'answered') AS answered,
       count(*) FILTER (WHERE state = 'rejected') AS rejected,
       count(*) FILTER (WHERE state = 'answered' AND fact IS NOT NULL) AS answered_about_facts
FROM questions
WHERE project_id = $1 AND chunk_ids && $2::uuid[] AND chunk_ids[1] = ANY ($2) AND ($3::uuid IS NULL OR generation_id = $3)
GROUP BY GROUPING SETS ((chunk_ids[1]), (chunk_ids[1], type))

-- name: asked_facts
-- About which facts of chunks there are questions, and whether one of these is answered.
SELECT chunk_ids[1] AS chunk_id, fact ->> 'text' AS text, bool_or(state = 'answered') AS answered
FROM questions
WHERE project_id = $1 AND chunk_ids && $2::uuid[] AND chunk_ids[1] = ANY ($2) AND fact IS NOT NULL
GROUP BY 1, 2

-- name: planned_facts
SELECT chunk_id, start FROM planned_facts WHERE generation_id = $1 AND chunk_id = ANY ($2::uuid[])

-- name: insert_planned_facts
INSERT INTO planned_facts (generation_id, chunk_id, start)
SELECT $1, chunk_id, start FROM unnest($2::uuid[], $3::integer[]) AS fact (chunk_id, start)

-- name: set_sections
UPDATE generations SET sections = $2, lacking_sections = $3 WHERE id = $1

-- name: has_open_items
-- Whether a job has open items beside one.
SELECT EXISTS (SELECT FROM job_items WHERE job_id = $1 AND state = 'pending' AND id <> $2)
