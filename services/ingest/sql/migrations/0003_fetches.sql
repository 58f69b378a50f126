-- Which documents a job fetched, the unchanged ones too.
CREATE TABLE fetches (
    job_id      uuid NOT NULL REFERENCES jobs ON DELETE CASCADE,
    document_id uuid NOT NULL REFERENCES documents ON DELETE CASCADE,
    PRIMARY KEY (job_id, document_id)
);
CREATE INDEX fetches_by_document ON fetches (document_id);
