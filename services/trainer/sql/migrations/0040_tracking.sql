-- What the loss curves say, as of some seconds ago; null before the first step.
ALTER TABLE training_runs ADD COLUMN verdict jsonb;
