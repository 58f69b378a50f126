-- Files of calls that were handed in at a model's server, or are about to be; a row is gone when its answers are here.
CREATE TABLE batches (
    id             uuid        PRIMARY KEY,                    -- the server has it as metadata
    provider_id    uuid        NOT NULL,                       -- no reference: what was handed in outlives a provider
    endpoint_id    text        NOT NULL,
    base_url       text        NOT NULL,
    model          text        NOT NULL DEFAULT '',
    sealed_key     bytea,                                      -- the key is the provider's, with which the batch can be
    key_variable   text        NOT NULL DEFAULT '',            -- cancelled when the provider is gone, or elsewhere
    key_file       text        NOT NULL DEFAULT '',
    input_file_id  text        NOT NULL DEFAULT '',            -- there once it was uploaded
    remote_id      text        NOT NULL DEFAULT '',            -- there once it was handed in
    beside         boolean     NOT NULL DEFAULT false,         -- others were at the server when it was handed in
    cancelled      boolean     NOT NULL DEFAULT false,         -- nobody wanted it any more
    create_time    timestamptz NOT NULL DEFAULT now(),
    next_look_time timestamptz NOT NULL DEFAULT now(),
    trouble_time   timestamptz                                 -- since when each look at it fails
);

CREATE TYPE batch_request_state AS ENUM (
    'open',     -- -> answered, failed
    'answered', -- -> failed
    'failed'    -- its item calls singly
);

-- Calls that wait for a batch, are in one, or were answered by one; gone when their items are done.
CREATE TABLE batch_requests (
    id            uuid                PRIMARY KEY,             -- the server has it as `custom_id`
    item_id       uuid                NOT NULL,                -- whose call it is: of those with the same key the first
    generation_id uuid                NOT NULL REFERENCES generations ON DELETE CASCADE,
    project_id    uuid                NOT NULL,
    key           bytea               NOT NULL,                -- services/generation/calls/answers.py
    provider_id   uuid                NOT NULL,
    endpoint_id   text                NOT NULL,
    base_url      text                NOT NULL,
    body          text                NOT NULL,                -- the request, as JSON
    state         batch_request_state NOT NULL DEFAULT 'open',
    batch_id      uuid                REFERENCES batches ON DELETE SET NULL,
    reply         jsonb,                                       -- services/generation/calls/replies.py
    create_time   timestamptz         NOT NULL DEFAULT now(),
    UNIQUE (project_id, key),
    CHECK ((reply IS NOT NULL) = (state = 'answered'))
);
CREATE INDEX batch_requests_by_item ON batch_requests (item_id);
CREATE INDEX batch_requests_by_batch ON batch_requests (batch_id, id) WHERE batch_id IS NOT NULL;
CREATE INDEX batch_requests_to_gather ON batch_requests (endpoint_id, create_time) WHERE state = 'open' AND batch_id IS NULL;
CREATE INDEX batch_requests_by_generation ON batch_requests (generation_id);

-- Items that wait for the answer which another item has asked for.
CREATE TABLE batch_waiters (
    item_id    uuid  PRIMARY KEY,
    project_id uuid  NOT NULL,
    key        bytea NOT NULL                                  -- as that of the request
);

-- What endpoints were found to take.
CREATE TABLE batch_limits (
    endpoint_id   text        PRIMARY KEY,
    most_requests integer     NOT NULL,                        -- of a batch; 0: it takes none
    crowded       boolean     NOT NULL DEFAULT false,          -- it takes more when one of its batches has ended
    end_time      timestamptz NOT NULL                         -- then it is tried again
);
