-- Processes that train, and what they have. A row is worth something while its heartbeat is fresh.
CREATE TABLE workers (
    id             uuid        PRIMARY KEY,
    host           text        NOT NULL,
    process_id     integer     NOT NULL,
    devices        jsonb       NOT NULL,
    memory_bytes   bigint      NOT NULL,
    code_version   text        NOT NULL,
    start_time     timestamptz NOT NULL DEFAULT now(),
    heartbeat_time timestamptz NOT NULL DEFAULT now()
);

-- Who trains a run: one worker anywhere. A row is worth something while its heartbeat is fresh; only the worker that
-- holds it may store what the run makes, and end it. It does not go with a deleted run: devices are free when the engine
-- has stopped.
CREATE TABLE run_leases (
    run_id         uuid        PRIMARY KEY,
    holder         uuid        NOT NULL UNIQUE,
    worker_id      uuid        NOT NULL,
    host           text        NOT NULL,
    heartbeat_time timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX run_leases_by_worker ON run_leases (worker_id);

-- Which devices of a machine it has: a device is of one run. A run may have given its devices back and still store something.
CREATE TABLE device_leases (
    host   text NOT NULL,
    device text NOT NULL,
    run_id uuid NOT NULL REFERENCES run_leases ON DELETE CASCADE,
    PRIMARY KEY (host, device)
);
CREATE INDEX device_leases_by_run ON device_leases (run_id);

-- Checkpoints in the bucket. One whose upload has begun is there before its objects, so that these can be found and deleted
-- whatever is killed; it counts when it is complete.
CREATE TABLE training_checkpoints (
    id          uuid        PRIMARY KEY,
    run_id      uuid        NOT NULL REFERENCES training_runs ON DELETE CASCADE,
    step        integer     NOT NULL,
    prefix      text        NOT NULL,
    files       jsonb       NOT NULL DEFAULT '[]',
    size_bytes  bigint      NOT NULL DEFAULT 0,
    complete    boolean     NOT NULL DEFAULT false,
    create_time timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX training_checkpoints_by_step ON training_checkpoints (run_id, step) WHERE complete;
CREATE INDEX training_checkpoints_by_run ON training_checkpoints (run_id);

-- What happened to a run beside its steps. `source` names an event of the engine, which may be read again.
CREATE TABLE training_events (
    run_id  uuid        NOT NULL REFERENCES training_runs ON DELETE CASCADE,
    number  bigserial,
    kind    text        NOT NULL,
    message text        NOT NULL,
    details jsonb       NOT NULL DEFAULT '{}',
    source  text,
    time    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run_id, number),
    UNIQUE (run_id, source)
);

-- Runs that lacked memory once, and how they go on.
CREATE TABLE memory_plans (
    run_id                 uuid    PRIMARY KEY REFERENCES training_runs ON DELETE CASCADE,
    micro_tokens           integer NOT NULL,
    gradient_checkpointing boolean NOT NULL
);
