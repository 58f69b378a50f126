ALTER TABLE candidates
    ADD COLUMN judgement     jsonb,
    ADD COLUMN judge_call_id uuid REFERENCES llm_calls ON DELETE CASCADE,
    ADD CHECK ((judgement IS NULL) = (judge_call_id IS NULL)),
    ADD CHECK (state <> 'judging' OR judgement IS NULL);
CREATE INDEX candidates_by_judge_call ON candidates (judge_call_id) WHERE judge_call_id IS NOT NULL;

DROP VIEW candidate_view;
-- The tags of a candidate are those of the narrowest places that hold its first chunk, as for questions: the chunk, else the
-- longest part of its heading path, else the document. They are looked up, so that they follow the tree.
CREATE VIEW candidate_view AS
SELECT candidates.*, to_jsonb(llm_calls) AS call, to_jsonb(judge_call) AS judge_call, linked.tag_ids
FROM candidates
JOIN llm_calls ON llm_calls.id = candidates.call_id
LEFT JOIN llm_calls AS judge_call ON judge_call.id = candidates.judge_call_id
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(DISTINCT held.tag_id) FILTER (WHERE held.place = 1), '{}') AS tag_ids
    FROM (SELECT places.tag_id,
                 rank() OVER (ORDER BY places.chunk_id IS NULL, cardinality(places.heading_path) DESC) AS place
          FROM tag_places AS places JOIN tags ON tags.id = places.tag_id
          WHERE tags.project_id = candidates.project_id AND places.document_id = candidates.document_ids[1]
            AND (places.chunk_id = candidates.chunk_ids[1]
                 OR (places.chunk_id IS NULL
                     AND candidates.heading_path[:cardinality(places.heading_path)] = places.heading_path))) AS held
) AS linked;
