"""What the command says, in English and Chinese."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

from sishu.cli.candidate_texts import CANDIDATE_TEXTS
from sishu.cli.coverage_texts import COVERAGE_TEXTS
from sishu.cli.dataset_texts import DATASET_TEXTS
from sishu.cli.duplicate_texts import DUPLICATE_TEXTS
from sishu.cli.estimate_texts import ESTIMATE_TEXTS
from sishu.cli.example_texts import EXAMPLE_TEXTS
from sishu.cli.export_texts import EXPORT_TEXTS
from sishu.cli.generation_texts import GENERATION_TEXTS
from sishu.cli.import_texts import IMPORT_TEXTS
from sishu.cli.inference_texts import INFERENCE_TEXTS
from sishu.cli.leak_texts import LEAK_TEXTS
from sishu.cli.model_texts import MODEL_TEXTS
from sishu.cli.question_template_texts import QUESTION_TEMPLATE_TEXTS
from sishu.cli.run_control_texts import RUN_CONTROL_TEXTS
from sishu.cli.run_texts import RUN_TEXTS
from sishu.cli.statistics_texts import STATISTICS_TEXTS
from sishu.cli.trainer_texts import TRAINER_TEXTS
from sishu.cli.watch_texts import WATCH_TEXTS

LANGUAGES = ("en", "zh")

TEXTS: dict[str, tuple[str, str]] = {
    **GENERATION_TEXTS,
    **CANDIDATE_TEXTS,
    **QUESTION_TEMPLATE_TEXTS,
    **COVERAGE_TEXTS,
    **EXPORT_TEXTS,
    **RUN_TEXTS,
    **ESTIMATE_TEXTS,
    **RUN_CONTROL_TEXTS,
    **MODEL_TEXTS,
    **EXAMPLE_TEXTS,
    **IMPORT_TEXTS,
    **DUPLICATE_TEXTS,
    **LEAK_TEXTS,
    **DATASET_TEXTS,
    **STATISTICS_TEXTS,
    **TRAINER_TEXTS,
    **INFERENCE_TEXTS,
    **WATCH_TEXTS,
    "app": (
        "Sishu turns a folder of documents into a language model that has learned them.",
        "私塾：把一个文件夹的文档变成学会了它们的语言模型。",
    ),
    "help_arguments": ("Arguments", "参数"),
    "help_options": ("Options", "选项"),
    "help_commands": ("Commands", "命令"),
    "help_error": ("Error", "错误"),
    "help_default": ("[default: {}]", "[默认：{}]"),
    "help_variable": ("[env var: {}]", "[环境变量：{}]"),
    "help_required": ("[required]", "[必填]"),
    "help_hint": (
        "Try [blue]'{command_path} {help_option}'[/] for help.",
        "用法见 [blue]'{command_path} {help_option}'[/] 。",
    ),
    "help_help": ("Show this message and exit.", "显示此说明。"),
    "debug": ("Show tracebacks.", "显示完整的错误堆栈。"),
    "lang": ("Language of texts: en or zh.", "界面语言：en 或 zh。"),
    "home": ("State directory.", "状态目录。"),
    "json": ("Print JSON, one object a line.", "输出 JSON，每行一个对象。"),
    "up": ("Start Postgres, the S3 server and the five services.", "启动 Postgres、S3 服务器和五个服务。"),
    "status": ("Show what runs, and where.", "显示正在运行的组件及其地址。"),
    "logs": ("Show the log of a component.", "显示某个组件的日志。"),
    "logs_name": ("Component, such as trainer or postgres.", "组件名，如 trainer 或 postgres。"),
    "logs_lines": ("How many lines.", "行数。"),
    "down": ("Stop everything; data is kept.", "停止全部组件；数据保留。"),
    "learn": (
        "Make a model learn documents: upload, ask, answer, train, examine, report. "
        "Give the same command again to go on after a stop.",
        "让模型学会文档：上传、出题、作答、训练、考试、报告。中断后再次执行同一命令即可继续。",
    ),
    "learn_paths": ("Files and folders to learn.", "要学习的文件和文件夹。"),
    "learn_url": ("Base URL of an OpenAI-compatible server.", "OpenAI 兼容服务的地址。"),
    "learn_model": ("Model to ask there.", "该服务上的模型名。"),
    "learn_key": ("Environment variable that holds its API key.", "存放其 API 密钥的环境变量名。"),
    "learn_base": (
        "Model to train: builtin, a folder, a GGUF file or a hub id.",
        "要训练的模型：builtin、文件夹、GGUF 文件或 hub 上的名称。",
    ),
    "learn_name": (
        "Name of the project; by default that of the first path.",
        "项目名；默认取第一个路径的名字。",
    ),
    "learn_out": ("Folder for report, dataset and adapter.", "报告、数据集和适配器的输出文件夹。"),
    "learn_facts": ("Ask for one fact per this many characters.", "每多少个字符出一个知识点。"),
    "learn_forms": ("Differently worded questions a fact.", "每个知识点的不同问法数量。"),
    "batch": (
        "Hand calls in as batches: at most services half the price, and up to a day each time.",
        "批量提交调用：支持批量的服务多为半价，每批最长一天。",
    ),
    "learn_epochs": ("Passes over the training data.", "训练轮数。"),
    "learn_rate": ("Peak learning rate.", "最大学习率。"),
    "max_cost": (
        "Most money that calls may cost, in the currency of the provider's price; no call begins that could "
        "pass it.",
        "调用最多可花费的金额， 以模型价格的货币计； 可能超出的调用不会开始。",
    ),
    "max_tokens": (
        "Most tokens that calls may use, prompts and answers; no call begins that could pass it.",
        "调用最多可使用的词元数 （提示与回答合计）； 可能超出的调用不会开始。",
    ),
    "no_cache": ("Pay again for what was answered before.", "已回答过的也重新付费调用。"),
    "pilot": (
        "Write about only this many chunks, spread over all, to see what all of them take.",
        "只处理这么多个分布均匀的文本块， 以预估全部所需。",
    ),
    "forecast_first": (
        "Tell before what it takes, from a pilot that is not paid again; by default where there is a price "
        "or a limit.",
        "先用一次试运行预估所需 （不会重复付费）； 有价格或上限时默认如此。",
    ),
    "forecast": ("forecast", "预估"),
    "forecast_chunks": ("chunks", "文本块"),
    "forecast_chunks_seen": ("{}, told from {}", "{}，据其中 {} 个预估"),
    "forecast_failed": (
        "{} of {} items of the pilot failed; the first: {}",
        "试运行的 {1} 项中有 {0} 项失败；第一项：{2}",
    ),
    "forecast_kept": (
        "{} results of the pilot were kept from earlier runs; what is kept is not paid again, and the "
        "forecast does not subtract it",
        "试运行有 {} 个结果取自以前的运行；已保存的不会再次付费，预估中并未扣除",
    ),
    "forecast_calls": ("calls", "调用次数"),
    "forecast_prompt_tokens": ("prompt tokens", "提示词元"),
    "forecast_completion_tokens": ("answer tokens", "回答词元"),
    "forecast_cost": ("cost", "费用"),
    "forecast_seconds": ("time", "时间"),
    "forecast_promised": (
        "in batches: nobody can tell; servers promise {}",
        "批量调用，无法预估；服务器承诺 {} 内",
    ),
    "live_promised": ("in batches, promised within {}", "批量调用，承诺 {} 内"),
    "live_rate": ("{:.1f} calls/s", "{:.1f} 次调用/秒"),
    "live_left": ("{} left", "还需 {}"),
    "learn_exam": ("Share of questions held out for the exam.", "留作考试的题目比例。"),
    "project": ("Projects.", "项目。"),
    "document": ("Documents.", "文档。"),
    "chunk": ("Chunks of documents.", "文档的文本块。"),
    "section": ("Sections of documents.", "文档的章节。"),
    "question": ("Questions and answers.", "问题与答案。"),
    "example": ("Examples for training and exam.", "训练与考试样例。"),
    "dataset": ("Dataset versions.", "数据集版本。"),
    "run": ("Training runs.", "训练任务。"),
    "model": ("Models.", "模型。"),
    "deployment": ("Loaded models.", "已加载的模型。"),
    "conversation": ("Kept conversations.", "保存的对话。"),
    "exam": ("Exams.", "考试。"),
    "job": ("Jobs of all services.", "各服务的作业。"),
    "list": ("List them.", "列出。"),
    "get": ("Show one.", "查看一个。"),
    "create": ("Make one.", "创建一个。"),
    "delete": ("Delete one.", "删除一个。"),
    "cancel": ("Stop a job.", "停止作业。"),
    "pause": ("Pause a job: what is in work ends and is stored.", "暂停作业：进行中的部分会完成并保存。"),
    "resume": ("Let a paused job go on.", "继续已暂停的作业。"),
    "retry": ("Run the failed items of a job again.", "重新执行作业中失败的部分。"),
    "job_project": ("Only jobs of this project: name or id.", "只看此项目的作业：名称或 ID。"),
    "jobs_items": ("items", "项"),
    "jobs_failed": ("failed", "失败"),
    "jobs_created": ("created", "创建于"),
    "failures_more": (
        "and {} more failed; `sishu --json job get {}` lists them",
        "另有 {} 项失败；`sishu --json job get {}` 可列出",
    ),
    "failures_retry": (
        "`sishu job retry {}` runs what failed again",
        "`sishu job retry {}` 可重试失败的部分",
    ),
    "results": ("List answers and scores.", "列出答案与得分。"),
    "add": ("Upload files and parse them.", "上传并解析文件。"),
    "fetch": ("Get files from the web and parse them.", "从网上获取文件并解析。"),
    "urls": ("http or https addresses.", "http 或 https 地址。"),
    "parse": ("Parse documents anew, or all that wait.", "重新解析文档，或解析所有待解析的文档。"),
    "parse_ids": ("Documents; without any, all that are not parsed.", "文档；不给出则为所有未解析的文档。"),
    "text": ("Print the normalised text.", "输出规范化后的文本。"),
    "version": ("Version; 0 is the newest.", "版本；0 表示最新。"),
    "images": ("List the pictures in the text.", "列出文本中的图片。"),
    "changes": ("List what cleaning changed.", "列出清洗所做的修改。"),
    "edit": ("Put another text in the place of a chunk's.", "用另一段文本替换文本块。"),
    "merge": ("Make one chunk of neighbours.", "合并相邻的文本块。"),
    "split": ("Make several chunks of one.", "把一个文本块切成几个。"),
    "exclude": ("Leave a chunk out.", "排除一个文本块。"),
    "include": ("Take a chunk in again.", "重新纳入一个文本块。"),
    "chunk_text": ("The text; without it, standard input.", "文本；不给出则读标准输入。"),
    "chunk_ids": ("Neighbouring chunks.", "相邻的文本块。"),
    "chunk_at": ("Where to cut, in characters of the document's text.", "切分位置，按文档文本的字符计。"),
    "split_strategy": (
        "structure (default), recursive, token, code, separator, custom, page or row.",
        # Lines are broken at blanks; what is longer than a line would be cut off.
        "structure（结构，默认）, recursive（递归）, token（词元）, code（代码）, separator（分隔符）, "
        "custom（自定义）, page（页） 或 row（行）。",
    ),
    "split_unit": (
        "What sizes count: characters or tokens.",
        "长度单位： characters（字符） 或 tokens（词元）。",
    ),
    "split_min": ("Smallest chunk wanted; 0: 800.", "文本块的最小长度；0 即 800。"),
    "split_max": ("Largest chunk; 0: 1500.", "文本块的最大长度；0 即 1500。"),
    "split_overlap": ("How much of a chunk the next one repeats.", "相邻文本块的重叠长度。"),
    "split_tokenizer": (
        "Model whose tokenizer counts tokens: a hub id, or a name in SISHU_INGEST_TOKENIZER_FOLDER.",
        "用哪个模型的分词器计数： hub 上的名称，或 SISHU_INGEST_TOKENIZER_FOLDER 中的名称。",
    ),
    "split_separator": ("Text after which to cut; may be repeated.", "在此文本之后切分；可重复给出。"),
    "split_cut": (
        "Where to cut, in characters of the text; may be repeated.",
        "切分位置，按字符计；可重复给出。",
    ),
    "page_reader": (
        "How to read PDF pages: auto, text, ocr, vision or mineru.",
        "PDF 页的读取方式： auto, text, ocr, vision 或 mineru。",
    ),
    "encoding": (
        "Encoding of text files, such as gb18030 or big5; found from the bytes if not given.",
        "文本文件的编码，如 gb18030、big5；不给出则按字节判断。",
    ),
    "clean": (
        "Rule to clean by: repeated-lines, page-numbers, hyphenation, boilerplate, white-space or "
        "line-breaks; may be repeated.",
        "清洗规则： repeated-lines（页眉页脚）, page-numbers（页码）, hyphenation（行末连字符）, "
        "boilerplate（样板文字）, white-space（空白） 或 line-breaks（段内换行）； 可重复给出。",
    ),
    "rewrite": (
        "Let the language model of the workers tidy the text.",
        "由工作进程上设置的语言模型整理文本。",
    ),
    "option_document": ("Only of this document: name or id.", "只看此文档： 名称或 ID。"),
    "test": ("Try a provider with a few small calls.", "用几次小调用测试。"),
    "temperature": ("Temperature, 0 to 2, sent as given.", "温度，0 到 2，原样发送。"),
    "extra_body": (
        'Other parameters, sent as they stand, such as {"enable_thinking": false}.',
        '其他参数，原样发送，例如 {"enable_thinking": false}。',
    ),
    "extra_body_invalid": (
        'It is no JSON object, such as {"enable_thinking": false}.',
        '不是 JSON 对象；例如 {"enable_thinking": false}。',
    ),
    "top_p": ("Share of probability to sample from.", "采样的概率份额（top_p）。"),
    "max_answer_tokens": ("Most tokens that one answer may have.", "一个回答的最多词元数。"),
    "seed": ("Seed of the sampler.", "采样的随机种子。"),
    "wrong_keys": (
        "give one of --api-key-env, --api-key-file and --llm-api-key-env",
        "--api-key-env、--api-key-file 和 --llm-api-key-env 只能给出一个",
    ),
    "wrong_key_variable": (
        "--api-key-env is the name of a variable of the generation room: capitals, digits and _, ending in "
        "_API_KEY, such as MY_API_KEY; not {}. To send the key that is in a variable of yours, use "
        "--llm-api-key-env",
        "--api-key-env 是出题服务环境中的变量名：大写字母、数字和 _，以 _API_KEY 结尾，"
        "如 MY_API_KEY，不能是 {}。"
        "若要发送本机变量中的密钥，请用 --llm-api-key-env",
    ),
    "wrong_key_file": (
        "--api-key-file is the name of a file, without its folder: letters, digits, '.', '_' and '-'; not {}",
        "--api-key-file 是不含文件夹的文件名：字母、数字、“.”、“_”和“-”；不能是 {}",
    ),
    "wrong_endpoints": (
        "give one of --preset, --base-url, --deployment (with --preset sishu too) and --pool",
        "请在 --preset、--base-url、--deployment（可与 --preset sishu 同用）和 --pool 中给出一个",
    ),
    "wrong_model": ("name the model to ask there with --model", "请用 --model 给出该服务上的模型名"),
    "wrong_stream": (
        "--stream is auto, always or never, not {}",
        "--stream 应为 auto、always 或 never，不能是 {}",
    ),
    "wrong_price": (
        "a price has a currency: --price-prompt, --price-completion and --currency go together",
        "价格要有货币：--price-prompt、--price-completion 和 --currency 须一起给出",
    ),
    "wrong_batch_factor": (
        "--batch-factor is a part of a price; give --price-prompt, --price-completion and --currency",
        "--batch-factor 是价格的一部分；请给出 --price-prompt、--price-completion 和 --currency",
    ),
    "wrong_currency": (
        "--currency is three capitals, such as CNY or USD, not {}",
        "--currency 是三个大写字母，如 CNY 或 USD，不能是 {}",
    ),
    "wrong_preset": ("--preset is one of {}, not {}", "--preset 应为 {} 之一，不能是 {}"),
    "wrong_provider": (
        "{} is no id; with --project a provider can be given by name",
        "{} 不是 ID；配合 --project 可按名称给出",
    ),
    "wrong_nothing": ("give what is to change; see --help", "请给出要修改的内容；见 --help"),
    "hint_v1": (
        "note: most addresses end in /v1; if `sishu provider test` finds no model there, take {}/v1",
        "提示：多数地址以 /v1 结尾；若 `sishu provider test` 找不到模型，请改用 {}/v1",
    ),
    "tested_ok": ("works", "可用"),
    "tested_models": ("models", "模型"),
    "tested_unlisted": ("not listed", "未列出"),
    "tested_latency": ("whole answer", "完整回答"),
    "tested_streams": ("streaming", "流式"),
    "tested_first": (", first token after {:.2f} s", "，首个 token {:.2f} 秒"),
    "tested_json": ("JSON", "JSON"),
    "tested_json_schema": ("by schema", "按模式（schema）"),
    "tested_json_object": ("JSON mode", "JSON 模式"),
    "tested_text": ("out of text", "从文本中提取"),
    "tested_unknown": ("not found out", "未能测得"),
    "tested_reasons": ("reasoning", "推理"),
    "tested_speed": ("speed", "速度"),
    "tested_tokens": ("tokens/s", "token/秒"),
    "tested_uncounted": ("not counted", "未统计"),
    "yes": ("yes", "是"),
    "no": ("no", "否"),
    "option_project": ("Project: name or id.", "项目：名称或 ID。"),
    "project_description": ("What the project is about.", "项目的说明。"),
    "exam_arm": (
        "A deployment to examine, under a name of yours; can be repeated.",
        "参加考试的部署及其名称；可重复。",
    ),
    "option_limit": ("Most rows.", "最多行数。"),
    "argument_id": ("Id.", "ID。"),
    "argument_name": ("Name.", "名称。"),
    "wait": ("Wait until a job has ended.", "等待作业结束。"),
    "option_wait": ("Wait until it has ended.", "等待其结束。"),
    "starting": ("starting the stack …", "正在启动服务 …"),
    "stopped": ("stopped", "已停止"),
    "not_running": ("the stack is not running; start it with `sishu up`", "服务未运行；请用 `sishu up` 启动"),
    "failed": ("error", "错误"),
    "interrupted": (
        "stopped. What the services have begun goes on (`sishu job cancel ID` or `sishu down` stops it); "
        "give the same command again to go on with it",
        "已中断。服务中已开始的作业仍在继续（可用 `sishu job cancel ID` 或 `sishu down` 停止）；"
        "再次执行同一命令即可继续",
    ),
    "left_out": ("left out", "已略过"),
    "option_excluded": ("Show excluded ones too.", "也显示被排除的。"),
    "deleted": ("deleted", "已删除"),
    "stage_upload": ("upload", "上传"),
    "stage_parse": ("parse and split", "解析与切分"),
    "stage_model": ("prepare the base model", "准备基座模型"),
    "stage_provider": ("reach the writing model", "连接出题模型"),
    "stage_generate": ("questions and answers", "出题与作答"),
    "stage_import": ("examples", "样例"),
    "stage_dataset": ("dataset version", "数据集版本"),
    "stage_train": ("training", "训练"),
    "stage_deploy": ("load base and tuned model", "加载训练前后的模型"),
    "stage_exam": ("exam, before and after", "训练前后的考试"),
    "stage_report": ("report", "报告"),
    "report_at": ("report", "报告"),
}


VARIABLES = ("SISHU_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
"""What tells the language, the first that is set."""


def choose_language(arguments: Sequence[str], environ: Mapping[str, str]) -> str:
    """`--lang`, else SISHU_LANGUAGE, else the environment's language, else English."""
    for position, argument in enumerate(arguments):
        if argument == "--lang" and position + 1 < len(arguments):
            return known(arguments[position + 1])
        if argument.startswith("--lang="):
            return known(argument.removeprefix("--lang="))
    return known(next((environ[name] for name in VARIABLES if environ.get(name)), ""))


def known(language: str) -> str:
    """`zh` for any spelling of Chinese, else `en`."""
    return "zh" if language.lower().startswith("zh") else "en"


# Help texts are fixed when the commands are defined, so the language is chosen before: once, here.
LANGUAGE = choose_language(sys.argv[1:], os.environ)


def say(key: str) -> str:
    """A text in the chosen language."""
    return TEXTS[key][LANGUAGES.index(LANGUAGE)]
