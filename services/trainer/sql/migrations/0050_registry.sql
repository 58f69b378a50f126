-- A model without a job came out of a run, complete; merged and imported ones have a job as base models do.
-- What was imported may not know what it was made from.
ALTER TABLE models DROP CONSTRAINT models_check;
ALTER TABLE models ADD CONSTRAINT models_by_kind CHECK (
    CASE kind WHEN 'base' THEN base_model_id IS NULL AND training_run_id IS NULL AND job_id IS NOT NULL AND source <> ''
              WHEN 'tuned' THEN source = ''
              ELSE base_model_id IS NOT NULL AND source = '' END);

-- Files of model folders that are to be imported: announced, and gone with the import.
CREATE TABLE model_uploads (
    id          uuid        PRIMARY KEY,
    project_id  uuid        NOT NULL,
    files       jsonb       NOT NULL,
    create_time timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX model_uploads_by_project ON model_uploads (project_id);
CREATE INDEX model_uploads_by_time ON model_uploads (create_time);
