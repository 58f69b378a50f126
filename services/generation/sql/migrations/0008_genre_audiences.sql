-- Ways to write about a document, and for whom.
CREATE TABLE genre_audiences (
    id                   uuid        PRIMARY KEY,
    project_id           uuid        NOT NULL,
    document_id          uuid        NOT NULL,
    genre                text        NOT NULL CHECK (genre <> ''),
    genre_description    text        NOT NULL DEFAULT '',
    audience             text        NOT NULL CHECK (audience <> ''),
    audience_description text        NOT NULL DEFAULT '',
    enabled              boolean     NOT NULL DEFAULT true,
    create_time          timestamptz NOT NULL DEFAULT now(),
    update_time          timestamptz NOT NULL DEFAULT now(),
    UNIQUE (document_id, genre, audience)
);
CREATE INDEX genre_audiences_by_project ON genre_audiences (project_id, id);

ALTER TABLE questions ADD FOREIGN KEY (genre_audience_id) REFERENCES genre_audiences ON DELETE SET NULL;
CREATE INDEX questions_by_genre_audience ON questions (genre_audience_id) WHERE genre_audience_id IS NOT NULL;
