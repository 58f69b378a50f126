-- What projects have models asked in their own words; what is built in stands in services/generation/prompts/.
CREATE TABLE prompt_versions (
    id          uuid        NOT NULL UNIQUE,
    project_id  uuid        NOT NULL,
    name        text        NOT NULL,
    language    text        NOT NULL,
    number      integer     NOT NULL,
    template    text        NOT NULL,
    create_time timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project_id, name, language, number)
);

-- By which of them generations go that start now; what has no row goes by the built-in one.
CREATE TABLE current_prompts (
    project_id uuid    NOT NULL,
    name       text    NOT NULL,
    language   text    NOT NULL,
    number     integer NOT NULL,
    PRIMARY KEY (project_id, name, language),
    FOREIGN KEY (project_id, name, language, number) REFERENCES prompt_versions ON DELETE CASCADE
);

CREATE VIEW prompt_version_view AS
SELECT prompt_versions.*, current_prompts.number IS NOT NULL AS current
FROM prompt_versions
LEFT JOIN current_prompts USING (project_id, name, language, number);
