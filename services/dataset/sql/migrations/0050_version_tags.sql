-- Names that people give to versions, such as `prod`; each stands on one version of a project.
CREATE TABLE version_tags (
    project_id         uuid        NOT NULL,
    name               text        NOT NULL,
    dataset_version_id uuid        NOT NULL REFERENCES dataset_versions ON DELETE CASCADE,
    create_time        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project_id, name)
);
CREATE INDEX version_tags_by_version ON version_tags (dataset_version_id);
