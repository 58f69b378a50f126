-- What a generation with `coverage` has found when it last looked.
ALTER TABLE generations
    ADD COLUMN sections         bigint NOT NULL DEFAULT 0,
    ADD COLUMN lacking_sections bigint NOT NULL DEFAULT 0; -- answered facts are what they lack

-- Facts about which a generation with `coverage` has asked, whatever came of that: none is asked about again.
CREATE TABLE planned_facts (
    generation_id uuid    NOT NULL REFERENCES generations ON DELETE CASCADE,
    chunk_id      uuid    NOT NULL,
    start         integer NOT NULL, -- where it begins in the chunk, whose text never changes
    PRIMARY KEY (generation_id, chunk_id, start)
);

-- What a look at the current versions of documents has found so far; gone when it has ended. Of a killed one it stays for a day.
CREATE TABLE source_looks (
    look_id     uuid NOT NULL,
    id          uuid NOT NULL, -- a chunk that is there; where `document_id` is null a document
    document_id uuid,
    stamp       text,          -- of a document how it stood before its chunks were read; null: nothing can be told of it
    PRIMARY KEY (look_id, id)
);
CREATE INDEX source_looks_by_document ON source_looks (document_id, look_id);

-- What a job that marks what was written about chunks that are gone has marked so far.
CREATE TABLE source_markings (
    job_id   uuid   PRIMARY KEY REFERENCES jobs ON DELETE CASCADE,
    marked   bigint NOT NULL DEFAULT 0,
    unmarked bigint NOT NULL DEFAULT 0
);

CREATE INDEX questions_gone ON questions (project_id, id) WHERE source_gone_time IS NOT NULL;
CREATE INDEX candidates_gone ON candidates (project_id, id) WHERE source_gone_time IS NOT NULL;

-- What there is about chunks is looked up by the first of each question and candidate.
CREATE INDEX questions_by_first_chunk ON questions ((chunk_ids[1]));
CREATE INDEX candidates_by_first_chunk ON candidates ((chunk_ids[1]));
