CREATE TABLE providers (
    id            uuid        PRIMARY KEY,
    project_id    uuid        NOT NULL,
    name          text        NOT NULL,
    base_url      text        NOT NULL DEFAULT '',
    deployment_id uuid,
    pool_ids      uuid[]      NOT NULL DEFAULT '{}',
    model         text        NOT NULL DEFAULT '',
    sealed_key    bytea,
    key_variable  text        NOT NULL DEFAULT '',
    key_file      text        NOT NULL DEFAULT '',
    sampling      jsonb       NOT NULL DEFAULT '{}',
    limits        jsonb       NOT NULL DEFAULT '{}',
    price         jsonb,
    streaming     text        NOT NULL DEFAULT 'auto' CHECK (streaming IN ('auto', 'always', 'never')),
    create_time   timestamptz NOT NULL DEFAULT now(),
    update_time   timestamptz NOT NULL DEFAULT now(),
    UNIQUE (project_id, name),
    CHECK (num_nonnulls(nullif(base_url, ''), deployment_id, nullif(pool_ids, '{}')) = 1),
    CHECK (num_nonnulls(sealed_key, nullif(key_variable, ''), nullif(key_file, '')) <= 1)
);
CREATE INDEX providers_by_member ON providers USING gin (pool_ids) WHERE pool_ids <> '{}';

-- The state of a generation is that of its job, whose resource it is.
CREATE TABLE generations (
    id          uuid        PRIMARY KEY,
    project_id  uuid        NOT NULL,
    provider_id uuid        NOT NULL REFERENCES providers,
    options     jsonb       NOT NULL,
    prompt_versions jsonb   NOT NULL DEFAULT '{}',  -- by name and language; what is not named goes by what is built in
    chunk_count     integer NOT NULL DEFAULT 0,     -- known so far
    character_count bigint  NOT NULL DEFAULT 0,     -- of these
    planned         boolean NOT NULL DEFAULT false, -- all are known
    create_time timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX generations_by_project ON generations (project_id, id);

-- What a language model was asked and what that cost; one row for each stored result, and for each chain of calls without one.
CREATE TABLE llm_calls (
    id                uuid             PRIMARY KEY,
    generation_id     uuid             NOT NULL REFERENCES generations ON DELETE CASCADE,
    prompt_version    text             NOT NULL,
    provider_id       uuid             NOT NULL,
    model             text             NOT NULL,
    parameters        jsonb            NOT NULL,
    prompt_tokens     bigint           NOT NULL,
    completion_tokens bigint           NOT NULL,
    calls             integer          NOT NULL,
    seconds           double precision NOT NULL,
    cost              double precision NOT NULL DEFAULT 0,  -- by the price at that time
    currency          text             NOT NULL DEFAULT '',
    chunk_id          uuid,                                 -- what it was about
    failure           text             NOT NULL DEFAULT '', -- why there is no result
    cached            jsonb,                                -- what the earlier call had used whose answer this is; nothing is paid then
    create_time       timestamptz      NOT NULL DEFAULT now()
);
CREATE INDEX llm_calls_by_generation ON llm_calls (generation_id, chunk_id);

-- Sums of `llm_calls` in shards, so that calls that end together do not wait for one row.
CREATE TABLE call_sums (
    generation_id     uuid             NOT NULL REFERENCES generations ON DELETE CASCADE,
    shard             smallint         NOT NULL,
    prompt_tokens     bigint           NOT NULL DEFAULT 0,
    completion_tokens bigint           NOT NULL DEFAULT 0,
    calls             bigint           NOT NULL DEFAULT 0,
    seconds           double precision NOT NULL DEFAULT 0,
    cost              double precision NOT NULL DEFAULT 0,
    currency          text             NOT NULL DEFAULT '', -- of the last call that had one
    cached            bigint           NOT NULL DEFAULT 0,  -- results without a call
    lost_tokens       bigint           NOT NULL DEFAULT 0,  -- what calls of killed workers may have used at worst
    lost_cost         double precision NOT NULL DEFAULT 0,
    PRIMARY KEY (generation_id, shard)
) WITH (fillfactor = 50);

CREATE TYPE question_state AS ENUM (
    'open',     -- -> judging, answered, rejected
    'judging',  -- -> answered, rejected
    'answered', -- end
    'rejected'  -- end
);

CREATE TYPE question_type AS ENUM (
    'fact', 'reason', 'comparison', 'procedure', 'definition', 'multi_hop', 'unanswerable', 'template'
);

CREATE TABLE questions (
    id               uuid           PRIMARY KEY,
    project_id       uuid           NOT NULL,
    generation_id    uuid           NOT NULL REFERENCES generations ON DELETE CASCADE,
    chunk_ids        uuid[]         NOT NULL,
    document_ids     uuid[]         NOT NULL,
    heading_path     text[]         NOT NULL DEFAULT '{}', -- of the first chunk
    genre_audience_id uuid,
    text             text           NOT NULL,
    text_key         text           NOT NULL,
    fact             jsonb,
    form             integer        NOT NULL,
    type             question_type  NOT NULL DEFAULT 'fact',
    question_template_id uuid,
    linked_facts     jsonb          NOT NULL DEFAULT '[]', -- of the second chunk and those after it
    replaces_id      uuid           REFERENCES questions ON DELETE SET NULL,
    source_gone_time timestamptz,                          -- since when a chunk is in no current version
    known            boolean,                              -- whether the model that is to learn knew it
    state            question_state NOT NULL,
    rejection        jsonb,
    call_id          uuid           NOT NULL REFERENCES llm_calls ON DELETE CASCADE,
    answer           text,
    answer_quotes    jsonb,
    answer_reasoning text           NOT NULL DEFAULT '',
    answer_call_id   uuid           REFERENCES llm_calls ON DELETE CASCADE,
    create_time      timestamptz    NOT NULL DEFAULT now(),
    CHECK ((rejection IS NOT NULL) = (state = 'rejected')),
    CHECK (fact IS NULL OR cardinality(chunk_ids) > 0),
    CHECK (state <> 'answered' OR answer IS NOT NULL),
    CHECK ((answer IS NULL) = (answer_quotes IS NULL)),
    CHECK ((answer IS NULL) = (answer_call_id IS NULL))
);
CREATE INDEX questions_by_project ON questions (project_id, id);
CREATE INDEX questions_by_generation ON questions (generation_id, id);
CREATE INDEX questions_by_call ON questions (call_id);
CREATE INDEX questions_by_answer_call ON questions (answer_call_id) WHERE answer_call_id IS NOT NULL;
CREATE INDEX questions_by_replaced ON questions (replaces_id) WHERE replaces_id IS NOT NULL;
CREATE INDEX questions_by_chunk ON questions USING gin (chunk_ids);
-- One kept question of a wording in a generation; `text_key` is the wording without case, signs and spaces.
CREATE UNIQUE INDEX questions_once ON questions (generation_id, text_key) WHERE state <> 'rejected';

CREATE VIEW question_view AS
SELECT questions.*,
       to_jsonb(question_call) AS call,
       to_jsonb(answer_call) AS answer_call
FROM questions
JOIN llm_calls AS question_call ON question_call.id = questions.call_id
LEFT JOIN llm_calls AS answer_call ON answer_call.id = questions.answer_call_id;
