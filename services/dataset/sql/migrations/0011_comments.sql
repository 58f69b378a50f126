-- What people say about examples.
CREATE TABLE example_comments (
    id          uuid        PRIMARY KEY,
    example_id  uuid        NOT NULL,
    author      text        NOT NULL,
    text        text        NOT NULL,
    create_time timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX example_comments_by_example ON example_comments (example_id, id);
