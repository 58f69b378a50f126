-- What an example was before each of its changes.
CREATE TABLE example_revisions (
    example_id  uuid             NOT NULL,
    number      integer          NOT NULL, -- counts from 1; that of the newest is `examples.revision_count`
    change_id   uuid             NOT NULL,
    author      text             NOT NULL,
    fields      text[]           NOT NULL, -- what was changed
    -- What it said, with what follows from that; NULL where this change left that as it was.
    content     json,
    language    text,
    characters  integer,
    key         bytea,
    -- How it came to be; NULL where this change left that as it was.
    lineage     json,
    state       example_state    NOT NULL,
    rejection   jsonb,
    score       double precision,
    labels      text[]           NOT NULL,
    tag_ids     uuid[]           NOT NULL,
    delete_time timestamptz,
    create_time timestamptz      NOT NULL DEFAULT now(),
    PRIMARY KEY (example_id, number)
);
CREATE INDEX example_revisions_by_change ON example_revisions (change_id, example_id);

CREATE TYPE example_change_kind AS ENUM ('update', 'delete', 'undo', 'apply');

-- Changes of many examples, each made by the job of its id. How far it has got stands here, and is stored with what it has changed.
CREATE TABLE example_changes (
    id               uuid                PRIMARY KEY REFERENCES jobs ON DELETE CASCADE,
    kind             example_change_kind NOT NULL,
    author           text                NOT NULL,
    wanted           jsonb               NOT NULL, -- which examples, and what they become
    undone_change_id uuid,
    after            uuid                NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000', -- up to here all is done
    last             uuid,                         -- the last example that there was when it was asked for
    changed          bigint              NOT NULL DEFAULT 0,
    skipped          bigint              NOT NULL DEFAULT 0,
    page_token       text                NOT NULL DEFAULT '', -- of an apply: up to this page of its generation all is done
    create_time      timestamptz         NOT NULL DEFAULT now()
);

-- Words, each once and in order, with some more and without others.
CREATE FUNCTION words_with(words text[], added text[], removed text[]) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(array_agg(DISTINCT word COLLATE "C" ORDER BY word COLLATE "C"), '{}')
    FROM unnest(words || added) AS word WHERE word <> ALL (removed)
$$;

CREATE FUNCTION ids_with(ids uuid[], added uuid[], removed uuid[]) RETURNS uuid[] LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(array_agg(DISTINCT id ORDER BY id), '{}') FROM unnest(ids || added) AS id WHERE id <> ALL (removed)
$$;
