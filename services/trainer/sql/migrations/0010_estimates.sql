-- The config.json of base models, from which estimates are made; a model that a run made has its base's.
CREATE TABLE model_configs (
    model_id uuid  PRIMARY KEY REFERENCES models ON DELETE CASCADE,
    config   jsonb NOT NULL
);

-- What was estimated of a run when a worker last looked at its device; the run's peak_memory_bytes is what was measured.
CREATE TABLE memory_estimates (
    run_id             uuid             PRIMARY KEY REFERENCES training_runs ON DELETE CASCADE,
    tensors_bytes      bigint           NOT NULL,
    needed_bytes       bigint           NOT NULL,
    free_bytes         bigint           NOT NULL,
    memory             jsonb            NOT NULL,
    micro_batch_tokens bigint           NOT NULL,
    tokens_per_second  double precision NOT NULL,
    forced             boolean          NOT NULL
);
