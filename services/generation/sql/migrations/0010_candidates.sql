CREATE TYPE candidate_kind AS ENUM ('conversation', 'preference_pair', 'passage', 'exam_item', 'example_judgement', 'example_answer');

CREATE TYPE candidate_state AS ENUM (
    'judging', -- -> kept, rejected
    'kept',    -- end
    'rejected' -- end
);

-- What may become an example, of a kind other than one question with its answer.
CREATE TABLE candidates (
    id            uuid            PRIMARY KEY,
    project_id    uuid            NOT NULL,
    generation_id uuid            NOT NULL REFERENCES generations ON DELETE CASCADE,
    kind          candidate_kind  NOT NULL,
    state         candidate_state NOT NULL,
    content       jsonb           NOT NULL,
    content_key   text            NOT NULL,             -- hash of the wording without case, signs and spaces
    chunk_ids     uuid[]          NOT NULL DEFAULT '{}',
    document_ids  uuid[]          NOT NULL DEFAULT '{}',
    fact_ids      uuid[]          NOT NULL DEFAULT '{}',
    heading_path  text[]          NOT NULL DEFAULT '{}', -- of the first chunk
    question_id   uuid            REFERENCES questions ON DELETE SET NULL,
    quotes        jsonb           NOT NULL DEFAULT '[]',
    rejection     jsonb,
    reasoning     text            NOT NULL DEFAULT '',
    call_id       uuid            NOT NULL REFERENCES llm_calls ON DELETE CASCADE,
    replaces_id   uuid            REFERENCES candidates ON DELETE SET NULL,
    source_gone_time timestamptz,                        -- since when a chunk is in no current version
    create_time   timestamptz     NOT NULL DEFAULT now(),
    CHECK ((rejection IS NOT NULL) = (state = 'rejected'))
);
CREATE INDEX candidates_by_project ON candidates (project_id, id);
CREATE INDEX candidates_by_generation ON candidates (generation_id, id);
CREATE INDEX candidates_by_call ON candidates (call_id);
CREATE INDEX candidates_by_question ON candidates (question_id) WHERE question_id IS NOT NULL;
CREATE INDEX candidates_by_replaced ON candidates (replaces_id) WHERE replaces_id IS NOT NULL;
CREATE INDEX candidates_by_chunk ON candidates USING gin (chunk_ids);
-- One kept candidate of a wording in a generation.
CREATE UNIQUE INDEX candidates_once ON candidates (generation_id, content_key) WHERE state <> 'rejected';

-- The tags of a candidate are those of the narrowest places that hold its first chunk, as for questions: the chunk, else the
-- longest part of its heading path, else the document. They are looked up, so that they follow the tree.
CREATE VIEW candidate_view AS
SELECT candidates.*, to_jsonb(llm_calls) AS call, linked.tag_ids
FROM candidates
JOIN llm_calls ON llm_calls.id = candidates.call_id
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
