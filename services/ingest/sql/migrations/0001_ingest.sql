CREATE TABLE projects (
    id          uuid        PRIMARY KEY,
    name        text        NOT NULL,
    description text        NOT NULL DEFAULT '',
    create_time timestamptz NOT NULL DEFAULT now(),
    update_time timestamptz NOT NULL DEFAULT now(),
    delete_time timestamptz -- when its deletion began; from then on it is gone for all but its deletion
);
CREATE UNIQUE INDEX projects_by_name ON projects (name) WHERE delete_time IS NULL;

CREATE TYPE document_state AS ENUM (
    'uploaded', -- -> parsed, failed
    'parsed',   -- -> uploaded (other bytes), parsed, failed (parsed again)
    'failed'    -- -> uploaded (other bytes), parsed, failed (parsed again)
);

CREATE TABLE documents (
    id          uuid           PRIMARY KEY,
    project_id  uuid           NOT NULL REFERENCES projects ON DELETE CASCADE,
    name        text           NOT NULL,
    media_type  text           NOT NULL,
    version     integer        NOT NULL DEFAULT 1,
    state       document_state NOT NULL DEFAULT 'uploaded',
    failure     jsonb,
    chunk_count integer        NOT NULL DEFAULT 0,
    split_options jsonb,
    create_time timestamptz    NOT NULL DEFAULT now(),
    update_time timestamptz    NOT NULL DEFAULT now(),
    UNIQUE (project_id, name),
    CHECK ((failure IS NOT NULL) = (state = 'failed'))
);

-- A version has one file and, once it is parsed, one text; both never change.
CREATE TABLE document_versions (
    document_id uuid    NOT NULL REFERENCES documents ON DELETE CASCADE,
    version     integer NOT NULL,
    size_bytes  bigint  NOT NULL,
    sha256      text    NOT NULL,
    file_key    text    NOT NULL,
    text_key    text    NOT NULL DEFAULT '',
    text_sha256 text    NOT NULL DEFAULT '',
    text_bytes  bigint  NOT NULL DEFAULT 0,
    char_count  bigint  NOT NULL DEFAULT 0,
    page_count  integer NOT NULL DEFAULT 0,
    PRIMARY KEY (document_id, version)
);

CREATE VIEW document_view AS
SELECT document.id, document.project_id, document.name, document.media_type, document.version,
       document.state, document.failure, document.chunk_count,
       document.split_options, document.create_time, document.update_time,
       newest.size_bytes, newest.sha256, newest.file_key, newest.text_key, newest.text_sha256,
       newest.text_bytes, newest.char_count, newest.page_count
FROM documents AS document
JOIN document_versions AS newest ON newest.document_id = document.id AND newest.version = document.version;

-- The item that parses a version ends badly: so does the version, in the same transaction, whoever gave up on it.
CREATE FUNCTION fail_document() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE documents SET state = 'failed', failure = NEW.failure, update_time = now()
    WHERE id = NEW.resource_id AND id || ':' || version = NEW.key;
    RETURN NULL;
END $$;
CREATE TRIGGER fail_document AFTER UPDATE OF state ON job_items FOR EACH ROW
WHEN (NEW.kind = 'parse_document' AND NEW.state = 'failed') EXECUTE FUNCTION fail_document();

-- A file that was announced; its bytes go straight to the bucket, and are checked and copied before a document is made.
CREATE TABLE uploads (
    id          uuid        PRIMARY KEY,
    project_id  uuid        NOT NULL REFERENCES projects ON DELETE CASCADE,
    name        text        NOT NULL,
    media_type  text        NOT NULL,
    size_bytes  bigint      NOT NULL,
    sha256      text        NOT NULL,
    file_key    text        NOT NULL,
    document_id uuid,
    create_time timestamptz NOT NULL DEFAULT now()
);

-- A chunk says where it stands in the newest version that holds it; `current` when the last parse made it.
CREATE TABLE chunks (
    id               uuid    PRIMARY KEY,
    project_id       uuid    NOT NULL REFERENCES projects ON DELETE CASCADE,
    document_id      uuid    NOT NULL,
    document_version integer NOT NULL,
    current          boolean NOT NULL DEFAULT true,
    index            integer NOT NULL,
    text             text    NOT NULL,
    char_start       bigint  NOT NULL,
    char_end         bigint  NOT NULL,
    page_start       integer NOT NULL,
    page_end         integer NOT NULL,
    heading_path     text[]  NOT NULL,
    token_count      integer NOT NULL,
    sha256           text    NOT NULL,
    FOREIGN KEY (document_id, document_version) REFERENCES document_versions ON DELETE CASCADE,
    CHECK (char_start < char_end)
);
CREATE UNIQUE INDEX chunks_in_order ON chunks (document_id, index) WHERE current;
CREATE INDEX chunks_by_project ON chunks (project_id, document_id, index) WHERE current;
CREATE INDEX chunks_by_version ON chunks (document_id, document_version);
