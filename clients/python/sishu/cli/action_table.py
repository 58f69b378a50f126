"""What can be done with resources beside list, get and delete, and where the code of it is.

Modules are read when a command of theirs is called: to read all takes longer than most commands.
"""

from __future__ import annotations

ACTIONS: dict[str, list[tuple[str, str, str]]] = {
    "project": [("create", "create", "projects:create_project")],
    "document": [
        ("add", "add", "documents:add_documents"),
        ("fetch", "fetch", "documents:fetch_documents"),
        ("parse", "parse", "documents:parse_documents"),
        ("text", "text", "documents:show_text"),
        ("images", "images", "documents:list_images"),
        ("changes", "changes", "documents:list_changes"),
    ],
    "chunk": [
        ("edit", "edit", "documents:edit_chunk"),
        ("merge", "merge", "documents:merge_chunks"),
        ("split", "split", "documents:split_chunk"),
        ("exclude", "exclude", "documents:exclude_chunk"),
        ("include", "include", "documents:include_chunk"),
    ],
    "provider": [
        ("add", "provider_add", "providers:add_provider"),
        ("create", "provider_add", "providers:add_provider"),
        ("update", "provider_update", "providers:update_provider"),
        ("presets", "provider_presets", "providers:list_presets"),
        ("test", "test", "providers:test_provider"),
    ],
    "generation": [
        ("create", "create", "generations:create_generation"),
        ("forecast", "generation_forecast", "generations:forecast_generation"),
        ("update", "generation_update", "generations:update_generation"),
        ("gates", "generation_gates", "gate_options:list_gates"),
    ],
    "question": [("regenerate", "regenerate", "regenerate:regenerate_questions")],
    "example": [
        ("count", "example_count", "examples:count_examples"),
        ("edit", "example_edit", "examples:edit_example"),
        ("accept", "example_accept", "examples:accept_examples"),
        ("reject", "example_reject", "examples:reject_examples"),
        ("label", "example_label", "examples:label_examples"),
        ("replace", "example_replace", "examples:replace_texts"),
        ("discard", "example_discard", "examples:discard_examples"),
        ("comment", "example_comment", "examples:comment_example"),
        ("history", "example_history", "examples:list_history"),
        ("undo", "example_undo", "examples:undo_change"),
        ("judge", "example_judge", "example_generations:judge_examples"),
        ("improve", "example_improve", "example_generations:improve_examples"),
        ("apply", "example_apply", "example_generations:apply_generation"),
    ],
    "import": [
        ("create", "import_file", "imports:create_import"),
        ("generations", "import_generations", "imports:import_generations"),
        ("preview", "import_preview", "imports:preview_import"),
        ("faults", "import_faults", "imports:list_faults"),
    ],
    "benchmark": [("create", "benchmark_create", "leaks:create_benchmark")],
    "leak-check": [
        ("create", "leak_check_create", "leaks:create_leak_check"),
        ("leaks", "leak_leaks", "leaks:list_leaks"),
    ],
    "dataset": [
        ("create", "create", "datasets:create_dataset"),
        ("export", "export_dataset", "exports:export_dataset"),
        ("diff", "dataset_diff", "datasets:diff_datasets"),
        ("statistics", "dataset_statistics", "statistics:show_statistics"),
        ("report", "dataset_report", "statistics:write_report"),
        ("restore", "dataset_restore", "dataset_versions:restore_dataset"),
        ("tag", "dataset_set_tag", "dataset_versions:tag_dataset"),
        ("untag", "dataset_delete_tag", "dataset_versions:untag_dataset"),
    ],
    "model": [
        ("create", "create", "actions:create_model"),
        ("export", "export_model", "models:export_model"),
        ("merge", "model_merge", "models:merge_model"),
        ("card", "model_card", "models:show_card"),
        ("import", "model_import", "models:import_model"),
    ],
    "run": [
        ("create", "create", "train:create_run"),
        ("presets", "run_presets", "train:list_presets"),
        ("rows", "run_rows", "run_rows:list_rows"),
        ("cancel", "run_cancel", "run_control:cancel_run"),
        ("pause", "run_pause", "run_control:pause_run"),
        ("resume", "run_resume", "run_control:resume_run"),
        ("retry", "run_retry", "run_control:retry_run"),
        ("checkpoints", "run_checkpoints", "run_control:list_checkpoints"),
        ("events", "run_events", "run_control:list_events"),
        ("watch", "run_watch", "run_watch:watch_run"),
        ("plot", "run_plot", "run_plot:plot_runs"),
        ("files", "run_files", "run_files:list_files"),
        ("tensorboard", "run_tensorboard", "run_files:write_events"),
    ],
    "deployment": [("create", "create", "deployments:create_deployment")],
    "conversation": [
        ("create", "conversation_create", "conversations:create_conversation"),
        ("messages", "conversation_messages", "conversations:list_messages"),
    ],
    "exam": [("create", "create", "actions:create_exam"), ("results", "results", "actions:list_results")],
}
"""Commands of each resource: name, key of the help text, module and function."""
