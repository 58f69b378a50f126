-- Runs that need several devices and found too few. While a row is fresh, what becomes free on its machine is held for it.
CREATE TABLE device_waits (
    run_id     uuid        PRIMARY KEY REFERENCES training_runs ON DELETE CASCADE,
    host       text        NOT NULL,
    devices    text[]      NOT NULL,
    count      integer     NOT NULL,
    since      timestamptz NOT NULL DEFAULT now(),
    asked_time timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX device_waits_by_host ON device_waits (host);

-- What the accelerators of each machine said last, as a worker there tells it. `report_time` is when it told, by Postgres'
-- clock; how old the answer was then is part of the sample.
CREATE TABLE node_samples (
    host        text        PRIMARY KEY,
    sample      jsonb       NOT NULL,
    report_time timestamptz NOT NULL DEFAULT now()
);
