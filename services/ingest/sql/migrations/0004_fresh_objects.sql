-- Where objects are stored that no row names yet. The transaction that names them deletes the note, or finds it swept.
CREATE TABLE fresh_objects (
    prefix      text        PRIMARY KEY,
    swept       boolean     NOT NULL DEFAULT false,
    create_time timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX fresh_objects_by_time ON fresh_objects (create_time);
