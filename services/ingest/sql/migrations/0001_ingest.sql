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
    'parsed',   -- -> uploaded (other bytes), parsed (parsed again)
    'failed'    -- -> uploaded (other bytes), parsed, failed (parsed again)
);

CREATE TABLE documents (
    id          uuid           PRIMARY KEY,
    project_id  uuid           NOT NULL REFERENCES projects ON DELETE CASCADE,
    name        text           NOT NULL,
    media_type  text           NOT NULL,
    parent_id   uuid           REFERENCES documents ON DELETE CASCADE, -- the archive or mail that holds it
    source_url  text           NOT NULL DEFAULT '',
    version     integer        NOT NULL DEFAULT 1,
    state       document_state NOT NULL DEFAULT 'uploaded',
    failure     jsonb,
    chunk_count   integer      NOT NULL DEFAULT 0,
    section_count integer      NOT NULL DEFAULT 0,
    parse_options jsonb, -- of the last parse of this version
    create_time timestamptz    NOT NULL DEFAULT now(),
    update_time timestamptz    NOT NULL DEFAULT now(),
    UNIQUE (project_id, name),
    CHECK ((failure IS NOT NULL) = (state = 'failed'))
);
CREATE INDEX documents_by_parent ON documents (parent_id) WHERE parent_id IS NOT NULL;

-- A version has one file and, once it is parsed, one text; both never change.
CREATE TABLE document_versions (
    document_id  uuid     NOT NULL REFERENCES documents ON DELETE CASCADE,
    version      integer  NOT NULL,
    base_version integer  NOT NULL DEFAULT 0, -- the version whose text was cleaned to make this one's
    size_bytes   bigint   NOT NULL,
    sha256       text     NOT NULL,
    file_key     text     NOT NULL,
    refusal      jsonb, -- why the file is not to be read, whatever its bytes: a member of an archive with a name that tricks
    text_key     text     NOT NULL DEFAULT '',
    text_sha256  text     NOT NULL DEFAULT '',
    text_bytes   bigint   NOT NULL DEFAULT 0,
    char_count   bigint   NOT NULL DEFAULT 0,
    page_starts  bigint[] NOT NULL DEFAULT '{}', -- first character of each page
    image_count  integer  NOT NULL DEFAULT 0,
    encoding     text     NOT NULL DEFAULT '', -- in which a text file was read
    PRIMARY KEY (document_id, version)
);
CREATE INDEX document_versions_by_hash ON document_versions (sha256);

-- The pictures in a version's text, by place; one that stands at several places has several rows.
CREATE TABLE document_images (
    document_id uuid    NOT NULL,
    version     integer NOT NULL,
    index       integer NOT NULL,
    name        text    NOT NULL,
    media_type  text    NOT NULL,
    size_bytes  bigint  NOT NULL,
    sha256      text    NOT NULL,
    file_key    text    NOT NULL,
    char_start  bigint  NOT NULL,
    char_end    bigint  NOT NULL,
    page        integer NOT NULL,
    PRIMARY KEY (document_id, version, index),
    FOREIGN KEY (document_id, version) REFERENCES document_versions ON DELETE CASCADE
);

-- What cleaning changed in the text of the base version.
CREATE TABLE clean_changes (
    document_id uuid    NOT NULL,
    version     integer NOT NULL,
    index       integer NOT NULL,
    char_start  bigint  NOT NULL,
    char_end    bigint  NOT NULL,
    removed     text    NOT NULL,
    added       text    NOT NULL,
    rule        text    NOT NULL,
    PRIMARY KEY (document_id, version, index),
    FOREIGN KEY (document_id, version) REFERENCES document_versions ON DELETE CASCADE
);

CREATE VIEW document_view AS
SELECT document.id, document.project_id, document.parent_id, document.source_url, document.name,
       document.media_type, document.version, document.state, document.failure, document.chunk_count,
       document.section_count, document.parse_options, document.create_time, document.update_time,
       newest.base_version, newest.size_bytes, newest.sha256, newest.file_key, newest.refusal, newest.text_key,
       newest.text_sha256, newest.text_bytes, newest.char_count,
       cardinality(newest.page_starts) AS page_count, newest.image_count, newest.encoding
FROM documents AS document
JOIN document_versions AS newest ON newest.document_id = document.id AND newest.version = document.version;

-- The item that parses a version ends badly: so does the version, in the same transaction, whoever gave up on it.
-- What was parsed before stays parsed: it has its text and its chunks, and the item has the failure.
CREATE FUNCTION fail_document() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE documents SET state = 'failed', failure = NEW.failure, update_time = now()
    WHERE id = NEW.resource_id AND id || ':' || version = NEW.key AND state <> 'parsed';
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

-- Documents that were deleted, and whose objects may still be there.
CREATE TABLE deletions (
    document_id  uuid        PRIMARY KEY,
    project_id   uuid        NOT NULL REFERENCES projects ON DELETE CASCADE,
    document_ids uuid[]      NOT NULL, -- it and all that it held; each has a prefix of objects
    file_keys    text[]      NOT NULL, -- the objects that may be elsewhere
    chunk_count  bigint      NOT NULL,
    create_time  timestamptz NOT NULL DEFAULT now()
);

-- A chunk says where it stands in the newest version that holds it; `current` when ListChunks has it.
CREATE TABLE chunks (
    id               uuid    PRIMARY KEY,
    project_id       uuid    NOT NULL REFERENCES projects ON DELETE CASCADE,
    document_id      uuid    NOT NULL,
    document_version integer NOT NULL,
    current          boolean NOT NULL DEFAULT true,
    excluded         boolean NOT NULL DEFAULT false,
    edit_of          uuid,                        -- the chunk in whose place this one stands, with another text
    edited_by        uuid,                        -- the chunk that stands in the place of this one
    made_from        uuid[]  NOT NULL DEFAULT '{}', -- the chunks that were merged, or the one that was split
    index            integer NOT NULL,
    text             text    NOT NULL,
    char_start       bigint  NOT NULL,
    char_end         bigint  NOT NULL,
    overlap          integer NOT NULL,
    page_start       integer NOT NULL,
    page_end         integer NOT NULL,
    heading_path     text[]  NOT NULL,
    section_id       uuid,
    table_header     text    NOT NULL,
    token_count      integer NOT NULL,
    sha256           text    NOT NULL,
    FOREIGN KEY (document_id, document_version) REFERENCES document_versions ON DELETE CASCADE,
    CHECK (char_start < char_end)
);
CREATE UNIQUE INDEX chunks_in_order ON chunks (document_id, index) WHERE current;
CREATE INDEX chunks_by_project ON chunks (project_id, document_id, index) WHERE current;
CREATE INDEX chunks_by_version ON chunks (document_id, document_version);

-- The outline of a document's newest version.
CREATE TABLE sections (
    id               uuid    PRIMARY KEY,
    project_id       uuid    NOT NULL REFERENCES projects ON DELETE CASCADE,
    document_id      uuid    NOT NULL,
    document_version integer NOT NULL,
    index            integer NOT NULL,
    parent_id        uuid,
    level            integer NOT NULL,
    title            text    NOT NULL,
    char_start       bigint  NOT NULL,
    char_end         bigint  NOT NULL,
    page_start       integer NOT NULL,
    UNIQUE (document_id, index),
    FOREIGN KEY (document_id, document_version) REFERENCES document_versions ON DELETE CASCADE
);
CREATE INDEX sections_by_project ON sections (project_id, document_id, index);
