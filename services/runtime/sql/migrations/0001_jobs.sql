-- The tables that every room has: request ids, jobs and their items. PgQueuer's own tables stand beside them.

-- The resource that a request id made; the same id gives the first answer again.
CREATE TABLE requests (
    method      text        NOT NULL,
    request_id  uuid        NOT NULL,
    resource_id uuid        NOT NULL,
    create_time timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (method, request_id)
);
CREATE INDEX requests_by_resource ON requests (resource_id);

CREATE TYPE job_state AS ENUM (
    'pending',   -- -> running, paused, cancelled
    'running',   -- -> paused, succeeded, failed, cancelled
    'paused',    -- -> running (resume); succeeded, failed when the last items in work end; cancelled
    'succeeded', -- end
    'failed',    -- -> running (retry)
    'cancelled'  -- end
);

CREATE TABLE jobs (
    id          uuid        PRIMARY KEY,
    project_id  uuid,
    kind        text        NOT NULL,
    state       job_state   NOT NULL DEFAULT 'pending',
    resource_id uuid,
    lane        text        NOT NULL, -- of its project, so that slow work of one fills no worker
    progress    text        NOT NULL DEFAULT '',
    pause       jsonb, -- why the service paused it; nothing where somebody asked for it
    create_time timestamptz NOT NULL DEFAULT now(),
    update_time timestamptz NOT NULL DEFAULT now(),
    end_time    timestamptz,
    CHECK ((end_time IS NOT NULL) = (state IN ('succeeded', 'failed', 'cancelled'))),
    CHECK (pause IS NULL OR state = 'paused')
);
CREATE INDEX jobs_by_project ON jobs (project_id, id);
CREATE INDEX jobs_by_resource ON jobs (resource_id);
CREATE INDEX jobs_open ON jobs (project_id, lane) WHERE end_time IS NULL;

-- The lane of what a project has open, else the one of the fewest that have.
CREATE FUNCTION lane_for(owner uuid, lanes text[]) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(
        (SELECT lane FROM jobs WHERE project_id = owner AND end_time IS NULL LIMIT 1),
        (SELECT given.lane
         FROM unnest(lanes) WITH ORDINALITY AS given (lane, place)
         LEFT JOIN (SELECT lane, count(DISTINCT coalesce(project_id, id)) AS owners
                    FROM jobs WHERE end_time IS NULL GROUP BY lane) AS used USING (lane)
         ORDER BY coalesce(used.owners, 0), given.place
         LIMIT 1))
$$;

CREATE TYPE job_item_state AS ENUM (
    'pending', -- -> done, failed, skipped
    'done',    -- end
    'failed',  -- -> pending (retry)
    'skipped'  -- end
);

-- The items are the truth about what is to be done; PgQueuer only hands them out.
CREATE TABLE job_items (
    id          uuid           PRIMARY KEY,
    job_id      uuid           NOT NULL REFERENCES jobs ON DELETE CASCADE,
    kind        text           NOT NULL,
    key         text           NOT NULL,
    resource_id uuid,
    payload     jsonb          NOT NULL DEFAULT '{}',
    state       job_item_state NOT NULL DEFAULT 'pending',
    turn        bigint         NOT NULL DEFAULT 0, -- when the queue hands it out; see `turns`
    attempts    integer        NOT NULL DEFAULT 0,
    failure     jsonb,
    trouble_time timestamptz, -- since when it fails and is tried again
    noted_time  timestamptz, -- when that was last noted
    update_time timestamptz    NOT NULL DEFAULT now(),
    UNIQUE (job_id, kind, key),
    CHECK (state <> 'failed' OR failure IS NOT NULL),
    CHECK (failure IS NULL OR state IN ('failed', 'skipped'))  -- of a skipped one: why nothing could come of it
);
CREATE INDEX job_items_pending ON job_items (job_id, id) WHERE state = 'pending';
CREATE INDEX job_items_failed ON job_items (job_id, id) WHERE state = 'failed';

-- Counters in shards, so that items that end together do not wait for one row.
CREATE TABLE job_counts (
    job_id  uuid     NOT NULL REFERENCES jobs ON DELETE CASCADE,
    shard   smallint NOT NULL,
    total   bigint   NOT NULL DEFAULT 0,
    done    bigint   NOT NULL DEFAULT 0,
    failed  bigint   NOT NULL DEFAULT 0,
    skipped bigint   NOT NULL DEFAULT 0,
    PRIMARY KEY (job_id, shard)
);

-- Start-time fair queuing (Goyal, Vin and Cheng, 1997): items are handed out by turn, and each new one gets the turn after
-- its project's last, but never one that has passed. So projects advance at the same rate, whatever they have queued.
CREATE TABLE turns (
    project_id uuid   PRIMARY KEY, -- the job's id where it has no project
    turn       bigint NOT NULL     -- the last one given
);

-- The latest turn that was handed out; may be half a second old.
CREATE TABLE turn_now (
    turn bigint NOT NULL
);
INSERT INTO turn_now VALUES (0);

-- When a worker last looked for what was lost.
CREATE TABLE recovery (
    recover_time timestamptz NOT NULL
);
INSERT INTO recovery VALUES ('-infinity');

CREATE VIEW job_view AS
SELECT jobs.id, jobs.project_id, jobs.kind, jobs.state, jobs.resource_id, jobs.progress, jobs.create_time,
       jobs.update_time, jobs.end_time, counts.total, counts.done, counts.failed, counts.skipped,
       CASE jobs.state
           WHEN 'paused' THEN jobs.pause
           -- The first one stands for all.
           WHEN 'failed' THEN (
               SELECT item.failure FROM job_items AS item
               WHERE item.job_id = jobs.id AND item.state = 'failed' ORDER BY item.id LIMIT 1
           )
       END AS failure
FROM jobs
CROSS JOIN LATERAL (
    SELECT coalesce(sum(total), 0)::bigint   AS total,
           coalesce(sum(done), 0)::bigint    AS done,
           coalesce(sum(failed), 0)::bigint  AS failed,
           coalesce(sum(skipped), 0)::bigint AS skipped
    FROM job_counts WHERE job_counts.job_id = jobs.id
) AS counts;
