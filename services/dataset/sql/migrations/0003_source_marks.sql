-- What a job that marks examples whose chunks are gone has marked so far.
CREATE TABLE source_markings (
    job_id   uuid   PRIMARY KEY REFERENCES jobs ON DELETE CASCADE,
    marked   bigint NOT NULL DEFAULT 0,
    unmarked bigint NOT NULL DEFAULT 0
);
