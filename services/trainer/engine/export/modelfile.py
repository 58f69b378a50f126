"""The `Modelfile` by which `ollama create` takes a model, with its chat template in Ollama's language.

That language is Go's text/template (https://github.com/ollama/ollama/blob/main/docs/modelfile.md). Written
is only what a `ChatFormat` says; where a template has none, the file says so in place of guessing.
"""

from __future__ import annotations

from services.trainer.engine.export.chat_format import ChatFormat
from services.trainer.engine.export.prompts import Prompts

FILE = "Modelfile"
LONGEST_CONTEXT = 8192
"""Tokens of `num_ctx`, for which memory is taken at once; Ollama's user may ask for more."""
_QUOTES = '"""'
_UNTRANSLATED = """\
# The chat template of this model does more than to put text around messages, so it is not translated here:
# without a TEMPLATE of yours (see the template in tokenizer_config.json or chat_template.jinja), Ollama shows
# the model other prompts than it was trained on.
"""
_NO_SYSTEM = (
    "# The chat template takes no system message as a first message; Ollama leaves system messages out.\n"
)


def modelfile(source: str, prompts: Prompts) -> str:
    """The text of a Modelfile.

    Args:
        source: what to load, beside the file: `.` or a GGUF file.
        prompts: how the model is asked.
    """
    form = prompts.form
    template = go_template(form, prompts.bos) if form else ""
    lines = [f"FROM {source}\n"]
    if form is None or _QUOTES in template + form.default_system:
        lines.append(_UNTRANSLATED)
    else:
        lines.append(f"TEMPLATE {_QUOTES}{template}{_QUOTES}\n")
        if form.default_system:
            lines.append(f"SYSTEM {_QUOTES}{form.default_system}{_QUOTES}\n")
        if form.system is None:
            lines.append(_NO_SYSTEM)
    lines += [f'PARAMETER stop "{stop}"\n' for stop in _stops(form, prompts.end)]
    if prompts.context:
        lines.append(f"PARAMETER num_ctx {min(prompts.context, LONGEST_CONTEXT)}\n")
    return "".join(lines)


def go_template(form: ChatFormat, bos: str) -> str:
    """The format as a template of Ollama's, whose variable `.Messages` has the system message too."""
    roles = [
        f'eq .Role "{role}" }}}}{before}{{{{ .Content }}}}{after}' for role, before, after in _cases(form)
    ]
    cases = "{{ if " + "{{ else if ".join(roles) + "{{ end }}"
    noted = "{{ $bare := false }}" if form.joins_user else ""
    start = _literal(form.start.removeprefix(bos))
    return f"{noted}{start}{{{{ range .Messages }}}}{cases}{{{{ end }}}}{_literal(form.answer)}"


def _cases(form: ChatFormat) -> list[tuple[str, str, str]]:
    """Each role with what comes before and after its messages, in Go."""
    user, system = form.user, form.system
    before_user = _literal(user.before)
    found = []
    if system:
        noted = "{{ $bare = true }}" if form.joins_user else ""
        found.append(("system", _literal(system.before), _literal(system.after) + noted))
    if form.joins_user:
        before_user = f"{{{{ if not $bare }}}}{before_user}{{{{ end }}}}{{{{ $bare = false }}}}"
    found.append(("user", before_user, _literal(user.after)))
    found.append(("assistant", _literal(form.assistant.before), _literal(form.assistant.after)))
    return found


def _literal(text: str) -> str:
    """A text as a template says it."""
    return text.replace("{{", '{{ "{{" }}')


def _stops(form: ChatFormat | None, end: str) -> list[str]:
    """Texts that end an answer: what the template puts after it, and the tokenizer's end token."""
    wanted = [form.assistant.after.strip() if form else "", end]
    return [stop for stop in dict.fromkeys(wanted) if stop and '"' not in stop and "\n" not in stop]
