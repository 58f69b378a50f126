-- What all workers know together of a model at an address under a key; the id is a hash of the three.
CREATE TABLE endpoints (
    id             text        PRIMARY KEY,
    base_url       text        NOT NULL,
    model          text        NOT NULL,
    concurrency    jsonb       NOT NULL DEFAULT '{}', -- services/generation/calls/concurrency.py
    paused_until   timestamptz NOT NULL DEFAULT '-infinity', -- the server asked to be left alone
    output_mode    smallint    NOT NULL DEFAULT 0,    -- services/generation/calls/modes.py
    streams        boolean     NOT NULL DEFAULT false, -- slow: its answers are streamed
    habits_version integer   NOT NULL DEFAULT 0,    -- of the two above
    update_time    timestamptz NOT NULL DEFAULT now()
);

-- Who wants to call now; a worker that says nothing for a while is gone.
CREATE TABLE endpoint_workers (
    endpoint_id text        NOT NULL REFERENCES endpoints ON DELETE CASCADE,
    worker_id   uuid        NOT NULL,
    in_flight   integer     NOT NULL,
    demand      integer     NOT NULL, -- in flight and waiting
    urgent      integer     NOT NULL, -- of these, those that somebody waits for
    granted     integer     NOT NULL, -- calls in flight that it may have
    update_time timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (endpoint_id, worker_id)
);
