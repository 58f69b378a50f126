-- Files that were announced, and lie in the bucket once they were sent.
CREATE TABLE import_uploads (
    id          uuid        PRIMARY KEY,
    project_id  uuid        NOT NULL,
    name        text        NOT NULL,
    size_bytes  bigint      NOT NULL,
    sha256      text        NOT NULL,
    create_time timestamptz NOT NULL DEFAULT now(),
    sweep_time  timestamptz                         -- since when its bytes are gone for their age
);
CREATE INDEX import_uploads_by_age ON import_uploads (create_time) WHERE sweep_time IS NULL;
CREATE INDEX import_uploads_by_project ON import_uploads (project_id);

-- Where an import stands is in its job. The jobs of a project are deleted before its imports, in one transaction.
CREATE TABLE imports (
    id          uuid        PRIMARY KEY,
    project_id  uuid        NOT NULL,
    upload_id   uuid        REFERENCES import_uploads DEFERRABLE INITIALLY DEFERRED,
    generations jsonb,                              -- what is imported where it is no upload: GenerationSource
    options     jsonb       NOT NULL,
    job_id      uuid        NOT NULL REFERENCES jobs DEFERRABLE INITIALLY DEFERRED,
    counts      jsonb,                              -- nothing until the rows were read
    profile     jsonb,                              -- nothing until the import has succeeded
    create_time timestamptz NOT NULL DEFAULT now(),
    CHECK ((upload_id IS NULL) <> (generations IS NULL))
);
CREATE INDEX imports_by_project ON imports (project_id, id);
CREATE INDEX imports_by_upload ON imports (upload_id);

-- The first bad rows of an import.
CREATE TABLE import_faults (
    import_id uuid    NOT NULL REFERENCES imports ON DELETE CASCADE,
    position  integer NOT NULL,
    file      text    NOT NULL,
    row       bigint  NOT NULL,
    field     text    NOT NULL,
    reason    text    NOT NULL,
    message   text    NOT NULL,
    PRIMARY KEY (import_id, position)
);
