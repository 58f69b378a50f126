-- What the loss curves say, as of some seconds ago; null before the first step.
ALTER TABLE training_runs ADD COLUMN verdict jsonb;
-- What became of the run's experiment trackers.
ALTER TABLE training_runs ADD COLUMN trackers jsonb NOT NULL DEFAULT '[]';

-- Files of a run in the bucket, beside those of its model.
CREATE TABLE training_run_files (
    run_id     uuid   NOT NULL REFERENCES training_runs ON DELETE CASCADE,
    name       text   NOT NULL,
    key        text   NOT NULL,
    size_bytes bigint NOT NULL,
    sha256     text   NOT NULL,
    PRIMARY KEY (run_id, name)
);
