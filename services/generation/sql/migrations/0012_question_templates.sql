CREATE TYPE template_answer AS ENUM ('text', 'label', 'json');

-- Questions that are asked about every chunk.
CREATE TABLE question_templates (
    id             uuid            PRIMARY KEY,
    project_id     uuid            NOT NULL,
    name           text            NOT NULL CHECK (name <> ''),
    text           text            NOT NULL CHECK (text <> ''),
    description    text            NOT NULL DEFAULT '',
    answer         template_answer NOT NULL,
    labels         text[]          NOT NULL DEFAULT '{}',
    several_labels boolean         NOT NULL DEFAULT false,
    json_schema    text            NOT NULL DEFAULT '', -- no jsonb, which would lose the order of its keys
    create_time    timestamptz     NOT NULL DEFAULT now(),
    update_time    timestamptz     NOT NULL DEFAULT now(),
    UNIQUE (project_id, name),
    CHECK ((answer = 'label') = (labels <> '{}')),
    CHECK ((answer = 'json') = (json_schema <> ''))
);
CREATE INDEX question_templates_by_project ON question_templates (project_id, id);

-- Templates as they were when a generation was created, which goes by them whatever becomes of them.
CREATE TABLE generation_templates (
    generation_id        uuid  NOT NULL REFERENCES generations ON DELETE CASCADE,
    question_template_id uuid  NOT NULL,
    content              jsonb NOT NULL,
    PRIMARY KEY (generation_id, question_template_id)
);

ALTER TABLE questions ADD FOREIGN KEY (question_template_id) REFERENCES question_templates ON DELETE SET NULL;
CREATE INDEX questions_by_template ON questions (question_template_id) WHERE question_template_id IS NOT NULL;
