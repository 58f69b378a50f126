ALTER TYPE example_change_kind ADD VALUE 'restore';

-- Changes that make examples what they are in a version, and how far each has got; stored with what it has changed.
CREATE TABLE dataset_restores (
    id                 uuid    PRIMARY KEY REFERENCES example_changes ON DELETE CASCADE,
    dataset_version_id uuid    NOT NULL,
    delete_added       boolean NOT NULL,
    place              bigint  NOT NULL DEFAULT 0, -- so many rows of the shards are done
    counts             jsonb   NOT NULL DEFAULT '{}'
);
