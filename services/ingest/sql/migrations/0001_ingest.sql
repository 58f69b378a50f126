CREATE TABLE projects (
    id          uuid        PRIMARY KEY,
    name        text        NOT NULL UNIQUE,
    description text        NOT NULL DEFAULT '',
    create_time timestamptz NOT NULL DEFAULT now(),
    update_time timestamptz NOT NULL DEFAULT now()
);

CREATE TYPE document_state AS ENUM (
    'uploaded', -- -> parsed, failed
    'parsed',   -- -> uploaded (next version), parsed, failed (parsed again)
    'failed'    -- -> uploaded (next version), parsed, failed (parsed again)
);

CREATE TABLE documents (
    id          uuid           PRIMARY KEY,
    project_id  uuid           NOT NULL REFERENCES projects ON DELETE CASCADE,
    name        text           NOT NULL,
    media_type  text           NOT NULL,
    size_bytes  bigint         NOT NULL,
    sha256      text           NOT NULL,
    version     integer        NOT NULL DEFAULT 1,
    state       document_state NOT NULL DEFAULT 'uploaded',
    failure     jsonb,
    file_key    text           NOT NULL,
    text_key    text           NOT NULL DEFAULT '',
    text_sha256 text           NOT NULL DEFAULT '',
    text_bytes  bigint         NOT NULL DEFAULT 0,
    char_count  bigint         NOT NULL DEFAULT 0,
    page_count  integer        NOT NULL DEFAULT 0,
    chunk_count integer        NOT NULL DEFAULT 0,
    create_time timestamptz    NOT NULL DEFAULT now(),
    update_time timestamptz    NOT NULL DEFAULT now(),
    UNIQUE (project_id, name),
    CHECK ((failure IS NOT NULL) = (state = 'failed'))
);

-- A file that was announced; its bytes go straight to the bucket, and are checked before a document is made.
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

CREATE TABLE chunks (
    id               uuid    PRIMARY KEY,
    project_id       uuid    NOT NULL REFERENCES projects ON DELETE CASCADE,
    document_id      uuid    NOT NULL REFERENCES documents ON DELETE CASCADE,
    document_version integer NOT NULL,
    index            integer NOT NULL,
    text             text    NOT NULL,
    char_start       bigint  NOT NULL,
    char_end         bigint  NOT NULL,
    page_start       integer NOT NULL,
    page_end         integer NOT NULL,
    heading_path     text[]  NOT NULL,
    token_count      integer NOT NULL,
    sha256           text    NOT NULL,
    UNIQUE (document_id, index),
    CHECK (char_start < char_end)
);
CREATE INDEX chunks_by_project ON chunks (project_id, document_id, index);
