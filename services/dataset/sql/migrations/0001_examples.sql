CREATE TYPE example_kind AS ENUM ('sft', 'conversation', 'preference', 'pretraining', 'exam_item');

CREATE TYPE example_state AS ENUM (
    'kept',    -- -> rejected (review)
    'rejected' -- -> kept (review)
);

CREATE TYPE review_state AS ENUM ('unreviewed', 'accepted', 'rejected', 'disputed');

-- By what examples are found and counted; narrow, so that a million of them are counted in a moment. What they say is in `example_contents`.
CREATE TABLE examples (
    id               uuid          PRIMARY KEY,
    project_id       uuid          NOT NULL,
    kind             example_kind  NOT NULL,
    state            example_state NOT NULL,
    rejection        jsonb,
    score            double precision,
    labels           text[]        NOT NULL,
    tag_ids          uuid[]        NOT NULL,
    language         text          NOT NULL,            -- zh, en, or empty
    characters       integer       NOT NULL,
    generation_id    uuid,
    import_id        uuid,
    -- The question or candidate that it was imported from. One example an item, however often and from wherever it is imported.
    item_id          uuid,
    document_id      uuid,
    heading_path     text[]        NOT NULL,
    question_type    text          NOT NULL,
    prompt_version   text          NOT NULL,            -- that of the answer, or of whatever a model wrote last
    model            text          NOT NULL,            -- as prompt_version
    key              bytea         NOT NULL,            -- equal for examples that ask, or say, the same: the first half of a SHA-256
    source_gone_time timestamptz,                       -- as that of the question, when it was last asked for
    create_time      timestamptz   NOT NULL DEFAULT now(),
    update_time      timestamptz   NOT NULL DEFAULT now(),
    delete_time      timestamptz,                       -- since when it is left out of everything
    revision_count   integer       NOT NULL DEFAULT 0,  -- how often it was changed
    review_state     review_state  NOT NULL DEFAULT 'unreviewed', -- by its reviews
    review_count     integer       NOT NULL DEFAULT 0,  -- how many people have reviewed it
    CHECK ((rejection IS NOT NULL) = (state = 'rejected'))
);
CREATE UNIQUE INDEX examples_by_item ON examples (item_id) WHERE item_id IS NOT NULL;
CREATE INDEX examples_by_project ON examples (project_id, id);
CREATE INDEX examples_by_score ON examples (project_id, (coalesce(score, -1)), id);
CREATE INDEX examples_by_change ON examples (project_id, update_time, id);
CREATE INDEX examples_by_generation ON examples (generation_id, id) WHERE generation_id IS NOT NULL;
CREATE INDEX examples_by_import ON examples (import_id, id) WHERE import_id IS NOT NULL;
CREATE INDEX examples_by_document ON examples (document_id, id) WHERE document_id IS NOT NULL;
CREATE INDEX examples_by_tag ON examples USING gin (tag_ids) WHERE tag_ids <> '{}';
CREATE INDEX examples_by_label ON examples USING gin (labels) WHERE labels <> '{}';
CREATE INDEX examples_gone ON examples (project_id, item_id) WHERE source_gone_time IS NOT NULL;
CREATE INDEX examples_deleted ON examples (project_id, id) WHERE delete_time IS NOT NULL;
CREATE INDEX examples_to_review ON examples (project_id, review_count DESC, (coalesce(score, -1)), id) WHERE delete_time IS NULL;
CREATE INDEX examples_by_key ON examples (project_id, key) WHERE state = 'kept';

-- What examples say, and how they came to be; a row of `examples` each. Verbatim, as they are read much more often than looked into.
CREATE TABLE example_contents (
    example_id uuid PRIMARY KEY,
    content    json NOT NULL,
    lineage    json NOT NULL
);

-- UUIDs of an array in JSON. Of what the planner knows it knows this, too, and can look it up in an index.
CREATE FUNCTION uuids_in(ids jsonb) RETURNS uuid[] LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT array_agg(id::uuid) FROM jsonb_array_elements_text(ids) AS id
$$;

-- Whether an example is one of those that a filter means (`ExampleFilter.values`). The planner puts this expression in the place of the
-- call, and drops what is given as NULL, where it knows the arguments. What is asked for seldom is in `more`, by name, so that one thing
-- more to ask for changes no statement.
CREATE FUNCTION matches(
    e examples, states example_state[], kinds example_kind[], generation_ids uuid[], document_ids uuid[], path text[], tags uuid[],
    some_labels text[], min_score double precision, max_score double precision, reasons text[], languages text[], question_types text[],
    prompt_versions text[], models text[], min_characters integer, max_characters integer, time_from timestamptz,
    time_before timestamptz, more jsonb, ids uuid[]
) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT (states IS NULL OR e.state = ANY (states))
       AND (kinds IS NULL OR e.kind = ANY (kinds))
       AND (generation_ids IS NULL OR e.generation_id = ANY (generation_ids))
       AND (document_ids IS NULL OR e.document_id = ANY (document_ids))
       AND (path IS NULL OR e.heading_path[:cardinality(path)] = path)
       AND (tags IS NULL OR (e.tag_ids && tags AND e.tag_ids <> '{}'))
       AND (some_labels IS NULL OR (e.labels && some_labels AND e.labels <> '{}'))
       AND (min_score IS NULL OR e.score >= min_score)
       AND (max_score IS NULL OR e.score <= max_score)
       AND (reasons IS NULL OR e.rejection ->> 'reason' = ANY (reasons))
       AND (languages IS NULL OR e.language = ANY (languages))
       AND (question_types IS NULL OR e.question_type = ANY (question_types))
       AND (prompt_versions IS NULL OR e.prompt_version = ANY (prompt_versions))
       AND (models IS NULL OR e.model = ANY (models))
       AND (min_characters IS NULL OR e.characters >= min_characters)
       AND (max_characters IS NULL OR e.characters <= max_characters)
       AND (time_from IS NULL OR e.create_time >= time_from)
       AND (time_before IS NULL OR e.create_time < time_before)
       AND (more ->> 'source_gone' IS NULL OR (e.source_gone_time IS NOT NULL) = (more ->> 'source_gone')::boolean)
       AND (more -> 'import_ids' IS NULL OR e.import_id = ANY (uuids_in(more -> 'import_ids')))
       AND (more -> 'review_states' IS NULL OR more -> 'review_states' ? e.review_state::text)
       AND (e.delete_time IS NOT NULL) = coalesce((more ->> 'deleted')::boolean, false)
       AND (ids IS NULL OR e.id = ANY (ids))
$$;

-- The values by which an example is counted: none, one, or, of labels and tags, several.
CREATE FUNCTION facet_values(e examples, facet text) RETURNS text[] LANGUAGE sql STABLE AS $$
    SELECT CASE facet
        WHEN 'state' THEN ARRAY[e.state::text]
        WHEN 'kind' THEN ARRAY[e.kind::text]
        WHEN 'rejection_reason' THEN ARRAY[e.rejection ->> 'reason']
        WHEN 'score' THEN ARRAY[floor(e.score)::text]
        WHEN 'label' THEN e.labels
        WHEN 'tag' THEN e.tag_ids::text[]
        WHEN 'language' THEN ARRAY[e.language]
        WHEN 'generation' THEN ARRAY[e.generation_id::text]
        WHEN 'document' THEN ARRAY[e.document_id::text]
        WHEN 'section' THEN ARRAY[array_to_string(e.heading_path, ' / ')]
        WHEN 'question_type' THEN ARRAY[e.question_type]
        WHEN 'prompt_version' THEN ARRAY[e.prompt_version]
        WHEN 'model' THEN ARRAY[e.model]
        WHEN 'review_state' THEN ARRAY[e.review_state::text]
    END
$$;
