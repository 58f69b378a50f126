-- The domain trees of projects. Their places say which questions are linked to a tag.
CREATE TABLE tags (
    id          uuid        PRIMARY KEY,
    project_id  uuid        NOT NULL,
    parent_id   uuid,
    title       text        NOT NULL CHECK (title <> ''),
    index       integer     NOT NULL,                  -- among those under the same parent, from 0
    create_time timestamptz NOT NULL DEFAULT now(),
    update_time timestamptz NOT NULL DEFAULT now(),
    UNIQUE (project_id, id),
    UNIQUE NULLS NOT DISTINCT (project_id, parent_id, title),
    UNIQUE NULLS NOT DISTINCT (project_id, parent_id, index) DEFERRABLE,
    FOREIGN KEY (project_id, parent_id) REFERENCES tags (project_id, id) ON DELETE CASCADE
);
CREATE INDEX tags_by_parent ON tags (parent_id);

-- Parts of documents that a tag is about; of a chunk alone where one is named, which then stands for itself.
CREATE TABLE tag_places (
    tag_id       uuid    NOT NULL REFERENCES tags ON DELETE CASCADE,
    number       integer NOT NULL,
    document_id  uuid    NOT NULL,
    heading_path text[]  NOT NULL DEFAULT '{}',
    chunk_id     uuid,
    PRIMARY KEY (tag_id, number)
);
CREATE INDEX tag_places_by_document ON tag_places (document_id);

CREATE TABLE question_tags (
    question_id uuid NOT NULL REFERENCES questions ON DELETE CASCADE,
    tag_id      uuid NOT NULL REFERENCES tags ON DELETE CASCADE,
    PRIMARY KEY (question_id, tag_id)
);
CREATE INDEX question_tags_by_tag ON question_tags (tag_id);

-- What generations of tags put under tags: headings, and beginnings of chunks where there are none. Gone when the tree is there.
CREATE TABLE tag_entries (
    generation_id uuid    NOT NULL REFERENCES generations ON DELETE CASCADE,
    number        integer NOT NULL,                    -- in reading order, from 1
    document_id   uuid    NOT NULL,
    document_name text    NOT NULL,
    heading_path  text[]  NOT NULL,
    chunk_id      uuid,
    title         text    NOT NULL,                    -- as models see it
    tag           text[],                              -- titles from the top; nothing before it has one
    written       boolean NOT NULL DEFAULT false,      -- a model was asked for tags for it
    placed        boolean NOT NULL DEFAULT false,      -- a model was asked which tag it belongs under
    PRIMARY KEY (generation_id, number)
);
