"""What the command says, in English and Chinese."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

LANGUAGES = ("en", "zh")

TEXTS: dict[str, tuple[str, str]] = {
    "app": (
        "Sishu turns a folder of documents into a language model that has learned them.",
        "私塾：把一个文件夹的文档变成学会了它们的语言模型。",
    ),
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
    "learn_epochs": ("Passes over the training data.", "训练轮数。"),
    "learn_rate": ("Peak learning rate.", "最大学习率。"),
    "learn_exam": ("Share of questions held out for the exam.", "留作考试的题目比例。"),
    "chat": ("Talk to a model.", "与模型对话。"),
    "chat_model": (
        "Model: its id, PROJECT/NAME, or a project (its newest trained model).",
        "模型：ID、项目/名称，或项目名（取其最新训练的模型）。",
    ),
    "chat_message": ("Ask this and end; otherwise read lines.", "只问这一句；否则逐行读取。"),
    "chat_base": ("Talk to the base of the model instead.", "改为与其基座模型对话。"),
    "project": ("Projects.", "项目。"),
    "document": ("Documents.", "文档。"),
    "chunk": ("Chunks of documents.", "文档的文本块。"),
    "section": ("Sections of documents.", "文档的章节。"),
    "provider": ("Language models that write.", "负责编写的语言模型。"),
    "generation": ("Runs that write questions and answers.", "出题与作答的任务。"),
    "question": ("Questions and answers.", "问题与答案。"),
    "example": ("Examples for training and exam.", "训练与考试样例。"),
    "dataset": ("Dataset versions.", "数据集版本。"),
    "run": ("Training runs.", "训练任务。"),
    "model": ("Models.", "模型。"),
    "deployment": ("Loaded models.", "已加载的模型。"),
    "exam": ("Exams.", "考试。"),
    "job": ("Jobs of all services.", "各服务的作业。"),
    "list": ("List them.", "列出。"),
    "get": ("Show one.", "查看一个。"),
    "create": ("Make one.", "创建一个。"),
    "delete": ("Delete one.", "删除一个。"),
    "cancel": ("Stop a job.", "停止作业。"),
    "retry": ("Run the failed items of a job again.", "重新执行作业中失败的部分。"),
    "export": ("Download the files of a version.", "下载某版本的文件。"),
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
        "Model whose tokenizer counts tokens: a hub id or a folder.",
        "用哪个模型的分词器计数： hub 上的名称或文件夹。",
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
    "option_document": ("Only of this document: id.", "只看此文档：ID。"),
    "test": ("Try a provider with one small call.", "用一次小调用测试。"),
    "option_project": ("Project: name or id.", "项目：名称或 ID。"),
    "option_limit": ("Most rows.", "最多行数。"),
    "argument_id": ("Id.", "ID。"),
    "argument_name": ("Name.", "名称。"),
    "import": ("Make examples of the answers of a generation.", "用一次生成的答案制作样例。"),
    "export_model": ("Download the files of a trained model.", "下载训练所得模型的文件。"),
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


def choose_language(arguments: Sequence[str], environ: Mapping[str, str]) -> str:
    """`--lang`, else the environment's language, else English."""
    for position, argument in enumerate(arguments):
        if argument == "--lang" and position + 1 < len(arguments):
            return known(arguments[position + 1])
        if argument.startswith("--lang="):
            return known(argument.removeprefix("--lang="))
    found = next((environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environ.get(name)), "")
    return known(found)


def known(language: str) -> str:
    """`zh` for any spelling of Chinese, else `en`."""
    return "zh" if language.lower().startswith("zh") else "en"


# Help texts are fixed when the commands are defined, so the language is chosen before: once, here.
LANGUAGE = choose_language(sys.argv[1:], os.environ)


def say(key: str) -> str:
    """A text in the chosen language."""
    return TEXTS[key][LANGUAGES.index(LANGUAGE)]
