"""What went wrong, in Chinese, by its reason; in English the server's own words are shown.

A sentence is filled with the error's metadata and its English `message`. Of several for one reason the first
is taken that has all it needs. Where none has, and for reasons that are not here, the English words stay.
What goes wrong in one room alone is told in `dataset_failures.py`, and so on.
"""

from __future__ import annotations

from collections.abc import Mapping
from string import Formatter

from sishu.cli import (
    command_failures,
    dataset_failures,
    generation_failures,
    ingest_failures,
    model_failures,
    trainer_failures,
    training_failures,
)
from sishu.cli.texts import LANGUAGE
from sishu.common.v1.failure_pb2 import Failure

MODEL = "{base_url}（模型 {model}）"
PAUSED = "作业 {paused_job_id} 已暂停，已完成的部分都已保存。"
RESUME = "再用 `sishu job resume {paused_job_id}` 继续"


def also(sentence: str) -> tuple[str, str]:
    """A sentence about one of several, and about one alone."""
    return f"{sentence}（另有 {{others}} 个也是如此：{{also}}）", sentence


SENTENCES: dict[str, tuple[str, ...]] = {
    # Reaching Sishu.
    "STACK_NOT_RUNNING": ("服务未运行；请用 `sishu up` 启动",),
    "SERVICE_UNREACHABLE": ("{address} 没有服务应答；它在运行吗？可用 `sishu status` 查看",),
    "TOKEN_INVALID": ("调用没有带上有效的令牌；请检查 SISHU_TOKEN_FILE",),
    "DATABASE_UNAVAILABLE": ("现在连接不上 Postgres；请等它恢复后再试",),
    "STORAGE_UNAVAILABLE": ("现在连接不上 S3 服务器；请检查它是否在运行，以及 SISHU_S3_URL 是否正确",),
    "INTERNAL": ("发生了内部错误；服务日志中的编号是 {error_id}",),
    # What is not there, or there already.
    "PROJECT_NOT_FOUND": ("没有项目 {name}；见 `sishu project list`", "没有项目 {project_id}"),
    "PROJECT_NAME_TAKEN": ("已有名为 {name} 的项目；请换一个名字",),
    "DOCUMENT_NOT_FOUND": (
        "没有文档 {name}；见 `sishu document list`",
        "没有文档 {document_id}",
        "项目中没有文档 {document_ids}；没有解析任何文档",
    ),
    "CHUNK_NOT_FOUND": ("没有文本块 {chunk_id}",),
    "PROVIDER_NOT_FOUND": (
        "没有名为 {name} 的语言模型；见 `sishu provider list`",
        "没有语言模型 {provider_id}",
    ),
    "GATE_UNKNOWN": ("没有名为 {gate} 的检查；见 `sishu generation gates`",),
    "PROVIDER_NAME_TAKEN": ("项目中已有名为 {name} 的语言模型；请换一个名字",),
    "GENERATION_NOT_FOUND": ("没有生成任务 {generation_id}",),
    "QUESTION_NOT_FOUND": also("没有问题 {question_id}"),
    "CANDIDATE_NOT_FOUND": also("没有候选样例 {candidate_id}"),
    "ORIGINAL_REPLACED": also("{id} 已被 {successor_id} 取代；请改用后者"),
    "ORIGINAL_IN_WORK": also(
        "{id} 尚处于 {state} 状态；请等作业 {job_id} 结束，或用 `sishu job cancel {job_id}` 取消它"
    ),
    "ORIGINAL_OF_OTHER_PROJECT": also("{id} 属于另一个项目"),
    "ORIGINAL_OF_OTHER_KIND": also("{id} 是 {kind}，与此次生成的种类不同；请为它另建一个生成任务"),
    "ORIGINAL_WITHOUT_FACT": also(
        "问题 {id} 不针对文档中的知识点（来自主题或模板）；请改为新建同类的生成任务"
    ),
    "QUESTION_REJECTED": also(
        "问题 {id} 的文字已被拒绝（{rejection}），重写答案无济于事；请去掉 --answers-only"
    ),
    "CHUNK_GONE": ("它所依据的文本块已被删除",),
    "REPLACED": ("已被 {id} 取代",),
    "REVIEW": ("人工审核未通过：{message}",),
    "PROMPT_NOT_FOUND": ("项目中没有提示词 {version}；已有 {names}，各有其版本",),
    "TAG_NOT_FOUND": ("没有名为 {name} 的标签；见 `sishu tag list`", "没有标签 {tag_id}"),
    "TAG_NOT_UNIQUE": ("有几个标签名为 {name}：{candidates}；请带上它上级的标题，或给出 ID",),
    "DOCUMENT_NOT_UNIQUE": ("有几个文档名为 {name}：{candidates}；请给出完整的名称，或给出 ID",),
    "TAG_EXISTS": ("同一标签之下已有名为 {title} 的标签；请换一个标题",),
    "TAG_UNDER_ITSELF": ("标签不能放到自己或自己的下级 {tag_id} 之下",),
    "TAG_OF_OTHER_PROJECT": ("标签 {tag_id} 属于另一个项目",),
    "NO_TAGS": ("项目还没有标签；请先建立标签树，或改用 --mode revise",),
    "NO_OUTLINE": ("文档中没有可用来建立标签树的文本；请先解析文档",),
    "GENRE_AUDIENCE_NOT_FOUND": ("没有体裁受众组合 {genre_audience_id}",),
    "GENRE_AUDIENCE_EXISTS": ("文档已有体裁为 {genre}、受众为 {audience} 的组合；请修改那一个",),
    "DOCUMENT_OF_OTHER_PROJECT": ("文档 {document_id} 属于另一个项目",),
    "QUESTION_TEMPLATE_NOT_FOUND": (
        "没有名为 {name} 的问题模板；见 `sishu question-template list`",
        "没有问题模板 {question_template_id}",
    ),
    "QUESTION_TEMPLATE_EXISTS": ("项目中已有名为 {name} 的问题模板；请修改那一个，或换一个名字",),
    "QUESTION_TEMPLATE_OF_OTHER_PROJECT": ("问题模板 {question_template_id} 属于另一个项目",),
    "QUESTION_TEMPLATES_MISSING": ("只提模板中的问题时，至少要给出一个模板",),
    "LABELS_MISPLACED": ("以标签回答时至少要两个标签，以其他方式回答时不能有标签",),
    "JSON_SCHEMA_MISPLACED": ("以 JSON 回答时须给出 JSON Schema，以其他方式回答时不能有",),
    "JSON_SCHEMA_INVALID": ("不能使用这个 JSON Schema：{wrong}",),
    "EXAMPLE_NOT_FOUND": ("没有样例 {example_id}",),
    "EXAMPLE_CHANGE_NOT_FOUND": ("没有修改 {change_id}；样例的修改见 `sishu example history`",),
    "EXAMPLE_COMMENT_NOT_FOUND": ("没有评论 {comment_id}；见 `sishu example comment`",),
    "REVIEW_NOT_FOUND": ("没有评审 {review_id}；评审人可能已另有结论",),
    "IMPORT_NOT_FOUND": ("没有导入 {import_id}；见 `sishu import list`",),
    "DATASET_VERSION_NOT_FOUND": ("没有数据集版本 {dataset_version_id}",),
    "DEDUPLICATION_NOT_FOUND": ("没有重复查找 {deduplication_id}；见 `sishu dedupe list`",),
    "DEDUPLICATION_NOT_READY": ("重复查找 {deduplication_id} 还没有结果；见 `sishu job get {job_id}`",),
    "BENCHMARK_NOT_FOUND": (
        "没有名为 {name} 的评测集；见 `sishu benchmark list`",
        "没有评测集 {benchmark_id}；见 `sishu benchmark list`",
    ),
    "BENCHMARK_NOT_READY": ("评测集 {benchmark_id} 尚未就绪；见 `sishu job get {job_id}`",),
    "BENCHMARK_LEAK": (
        "{leaks} 个将用于训练或验证的样例含有评测集 {benchmark_id} 的题目；"
        "可用 `sishu leak-check create` 查看，再将其标为未采用，或改用 --benchmark-leaks drop",
    ),
    "EXAM_LEAK": (
        "{leaks} 个将用于训练或验证的样例含有考题的原文；请将其标为未采用，或改用 --exam-leaks drop",
    ),
    "LEAK_CHECK_NOT_FOUND": ("没有泄漏检查 {leak_check_id}；见 `sishu leak-check list`",),
    "LEAK_CHECK_NOT_READY": ("泄漏检查 {leak_check_id} 还没有结果；见 `sishu job get {job_id}`",),
    "LEAK_SOURCE_MISSING": ("没有可比较的对象；请给出评测集（--benchmark）、--exam，或两者",),
    "DATASET_DIFF_NOT_FOUND": ("没有数据集对比 {dataset_diff_id}",),
    "DATASET_DIFF_NOT_READY": ("数据集对比 {dataset_diff_id} 尚未完成；见作业 {job_id}",),
    "DATASET_VERSION_TAGGED": (
        "数据集版本 {dataset_version_id} 带有标签 {tags}；请先去掉标签或改贴到其他版本，再删除",
    ),
    "DATASET_STATISTICS_NOT_FOUND": (
        "还没有计算过数据集版本 {dataset_version_id} 的这种统计；请用 `sishu dataset statistics` 计算",
    ),
    "DATASET_STATISTICS_NOT_READY": (
        "数据集版本 {dataset_version_id} 的统计还没有完成；请等作业 {job_id} 结束",
    ),
    "VERSION_TAG_NOT_FOUND": ("数据集版本 {dataset_version_id} 没有标签 {tag}；见 `sishu dataset list`",),
    "VERSION_TAG_RESERVED": ("标签 {tag} 不能手工指定，latest 总是指最新版本；请换一个",),
    "DATASET_VERSION_IN_USE": (
        "数据集版本 {dataset_version_id} 正被训练任务 {training_run_id} 使用；请先删除它",
        "数据集版本 {dataset_version_id} 正被考试 {exam_id} 使用；请先删除它",
    ),
    "MODEL_NOT_FOUND": ("没有名为 {name} 的模型；见 `sishu model list`", "没有模型 {model_id}"),
    "TRAINING_RUN_NOT_FOUND": ("没有训练任务 {run_id}",),
    "DEPLOYMENT_NOT_FOUND": ("没有已加载的模型 {deployment_id}",),
    "JOB_NOT_FOUND": ("没有作业 {job_id}；见 `sishu job list`",),
    # Jobs.
    "JOB_CANCELLED": ("作业 {job_id} 已被取消；请新建一个",),
    "JOB_ENDED": (
        "作业 {job_id} 已经结束（{state}），没有改动；失败的部分可用 `sishu job retry {job_id}` 重试",
    ),
    "JOB_FAILED": ("作业 {job_id} 失败",),
    "JOB_PAUSED": (
        "作业 {job_id} 已暂停；已完成的部分都已保存。"
        "可用 `sishu job resume {job_id}` 继续，`sishu job wait {job_id}` 等待其结束",
    ),
    "BUDGET_REACHED": (
        "上限不足以完成用于预估的试运行（`sishu job get {budget_pilot}`），正式的生成尚未创建；"
        "已得到的回答都已保存，不会重复付费。请提高或去掉 `--max-cost`、`--max-tokens`，再执行同一命令",
        "生成任务 {generation_id} 的上限不足以再调用一次，作业 {job_id} 已暂停；已完成的部分都已保存。"
        "可用 `sishu generation update {generation_id} --max-cost` 或 `--max-tokens` 提高上限，"
        "再用 `sishu job resume {job_id}` 继续",
    ),
    # Files.
    "PATH_NOT_FOUND": ("没有文件或文件夹 {path}；请检查路径",),
    "NO_FILES": ("{paths} 中没有文件", "这些文件都不是可以读取的类型"),
    "FILE_EMPTY": ("{name}：文件是空的；请重新发送",),
    "FILE_ENCRYPTED": ("{name}：文件已加密；请保存为没有密码的文件",),
    "FORMAT_UNSUPPORTED": (
        "{name}：不能读取 {ending} 类型的文件",
        "{name}：不能读取 {media_type} 类型的内容",
    ),
    "FORMAT_MISMATCH": ("{name}：文件内容与扩展名不符，实际是 {holds}；请改名，或另存为支持的格式",),
    "PDF_UNREADABLE": ("{name}：无法读取此 PDF；它可能已损坏或不完整，请重新保存",),
    "PDF_WITHOUT_TEXT": ("{name}：此 PDF 没有文本；可用 `--page-reader vision` 读取",),
    "TEXT_EMPTY": ("{name}：文件中没有文本，无从学习；请去掉它",),
    "URL_UNREACHABLE": ("无法获取 {url}；请检查地址，以及从本机能否访问",),
    "NO_ANSWERED_QUESTIONS": ("没有关于文档的已回答问题；请先出题，并等待回答完成",),
    "TOPIC_MISSING": ("缺少主题；请用 --topic 说明",),
    "DISTILLATION_TOO_LARGE": ("共需 {questions} 个问题，上限为 {most}；请减少层数、标签数或问题数",),
    "NO_CHUNKS": ("项目 {project_id} 没有已解析的文档；请先上传并解析",),
    # Language models that write.
    "PROVIDER_REFUSED_KEY": (
        MODEL + "拒绝了 API 密钥：{told}；" + PAUSED + "请检查密钥及其权限，" + RESUME,
        MODEL + "拒绝了 API 密钥；" + PAUSED + "请检查密钥及其权限，" + RESUME,
        MODEL + "拒绝了 API 密钥：{told}；请检查密钥及其权限",
        MODEL + "拒绝了 API 密钥；请检查密钥及其权限",
    ),
    "PROVIDER_NO_CREDIT": (
        MODEL + "因账户余额或额度不足而拒绝服务：{told}；" + PAUSED + "请充值或提高额度，" + RESUME,
        MODEL + "因账户余额或额度不足而拒绝服务；" + PAUSED + "请充值或提高额度，" + RESUME,
        MODEL + "因账户余额或额度不足而拒绝服务：{told}；请充值或提高额度",
        MODEL + "因账户余额或额度不足而拒绝服务；请充值或提高额度",
    ),
    "PROVIDER_KEY_MISSING": (
        "生成服务的环境中没有设置变量 {api_key_variable}；" + PAUSED + "请设置后重新启动服务，" + RESUME,
        "密钥文件不可用：{message}；" + PAUSED,
        "生成服务的环境中没有设置变量 {api_key_variable}；请设置后重新启动服务",
        "密钥文件不可用；请在 SISHU_PROVIDER_KEY_FOLDER 文件夹中放好：{message}",
    ),
    "KEY_MISSING": ("没有设置环境变量 {variable}；请把 API 密钥放在那里",),
    "PROVIDER_MODEL_NOT_FOUND": (
        MODEL + "：没有这个模型或地址：{told}；请检查两者，多数地址以 /v1 结尾",
        MODEL + "：没有这个模型或地址；请检查两者，多数地址以 /v1 结尾",
    ),
    "PROVIDER_REFUSED": (MODEL + "拒绝了请求：{told}", MODEL + "拒绝了请求：{message}"),
    "PROVIDER_RATE_LIMITED": (
        MODEL + "限制了调用速率：{told}；请稍后再试",
        MODEL + "限制了调用速率；请稍后再试",
    ),
    "PROVIDER_OVERLOADED": (MODEL + "已过载：{told}；请稍后再试", MODEL + "已过载；请稍后再试"),
    "PROVIDER_BUSY": (
        MODEL + "拒绝了调用并要求暂停，还剩 {pause_seconds} 秒；请到时再试",
        MODEL + "一直没有空位接受新的调用：正在进行的或这一分钟内的调用已达上限；"
        "上限过低时请提高它，否则请稍后再试",
    ),
    "PROVIDER_UNREACHABLE": ("连接不上 " + MODEL + "；请检查地址，以及服务是否在运行",),
    "PROVIDER_HOST_UNKNOWN": ("连接不上 " + MODEL + "：找不到主机 {host}；请检查地址，以及域名解析",),
    "PROVIDER_CERTIFICATE_REFUSED": (
        MODEL + "的证书不受信任：{told}；" + PAUSED + "请更正证书，或在生成服务的环境中用 SSL_CERT_FILE "
        "指定含其签发机构证书的文件并重新启动服务，" + RESUME,
        MODEL + "的证书不受信任：{told}；请更正证书，或在生成服务的环境中用 SSL_CERT_FILE "
        "指定含其签发机构证书的文件并重新启动服务",
    ),
    "PROVIDER_TLS_FAILED": (
        "无法与 "
        + MODEL
        + "建立安全连接：{told}；"
        + PAUSED
        + "请检查地址以 https:// 还是 http:// 开头，"
        + RESUME,
        "无法与 " + MODEL + "建立安全连接：{told}；请检查地址以 https:// 还是 http:// 开头",
    ),
    "PROVIDER_TIMED_OUT": (MODEL + "没有及时回答", "模型服务在 {seconds} 秒内没有回答"),
    "PROVIDER_FAILED": (
        MODEL + "没有给出回答，而是报告了错误：{told}",
        MODEL + "没有给出可用的回答；请检查那里是否是 OpenAI 兼容的服务",
    ),
    "PROVIDER_BROKE_OFF": (MODEL + "的回答中途断开",),
    "LLM_OUTPUT_INVALID": ("模型 {model} 多次没有给出有效的 JSON；请换更强的模型，或每次少要一些",),
    "LLM_OUTPUT_EMPTY": ("模型 {model} 的回答中没有文本；请检查它是否是能写文本的模型",),
    "LLM_OUTPUT_CUT_OFF": (
        "模型 {model} 的回答 {tries} 次中途结束，而服务没有说词元已用尽，它可能另有限制；"
        "请每次少要一些，或换更强的模型",
        "模型 {model} 的回答多次因词元用尽而被截断；"
        "可用 `sishu provider update --max-answer-tokens` 提高上限，或每次少要一些",
    ),
    "LLM_CONTENT_FILTERED": (MODEL + "的内容过滤不放行此文本或其回答；请换一个服务，或去掉这段文本",),
    "LLM_REFUSED": ("模型 {model} 拒绝回答：{message}",),
    "OPTIONS_CONFLICT": ("选项 {other} 与 {option} 不能同时使用；请去掉其中一个",),
    "COVERAGE_WITHOUT_FORECAST": (
        "使用 --coverage 时无法预估：事先无从得知要几轮才有足够的内容通过检查；"
        "请去掉 --coverage 或不作预估，并用 --max-cost 或 --max-tokens 限定用量",
    ),
    "PRICE_MISSING": (
        "费用上限需要模型的价格（模型池则需要每个成员的价格）；"
        "请先用 `sishu provider update` 给出，或改用 `--max-tokens`",
    ),
    "PROVIDER_KEY_FOR_OTHER_ADDRESS": (
        "语言模型 {provider_id} 的密钥是为另一个地址给出的；请同时给出新地址的密钥，或用空值去掉："
        "`sishu provider update` 的 `--api-key-env`、`--api-key-file` 或 `--llm-api-key-env`",
    ),
    "BASE_URL_INVALID": (
        "模型地址应形如 http://host:port/v1：不含用户名、密码、“?”和“#”，"
        "也不以 /chat/completions 结尾；密钥另行给出",
    ),
    "PROVIDER_IN_USE": ("语言模型 {provider_id} 仍被使用，不能这样改动或删除：{message}",),
    "NO_ANSWERS": ("全部 {questions} 个问题都没有通过检查；请换更强的模型",),
    # Prompts of one's own.
    "PROMPT_SYNTAX": ("模板第 {line} 行有语法错误，请改正：{message}",),
    "PROMPT_NOT_ALLOWED": (
        "模板第 {line} 行：不能使用 {what}；可用变量、if、for、比较和少数过滤器：{message}",
    ),
    "PROMPT_VARIABLE_UNKNOWN": ("模板第 {line} 行：没有变量 {name}；可用的有 {names}",),
    "PROMPT_VARIABLE_MISSING": ("模板没有使用必需的变量 {name}；请在合适的位置写上 {{{{ {name} }}}}",),
    "PROMPT_MESSAGES": (
        "模板有 {count} 条消息（以 ===== 行分隔）；应为偶数条：先是系统，然后用户与助手交替，最后是用户",
        "模板第 {line} 行的消息是空的；请填写或删去",
    ),
    "PROMPT_TOO_LONG": ("模板有 {length} 个字符，超过了上限；请缩短",),
    "PROMPT_FAILED": ("模板第 {line} 行无法填充，请修改：{message}",),
    "NO_FACTS": ("没有可以提问的句子；请指定别的文本块，或先解析文档",),
    "TEXT_NOT_UTF8": ("{path} 不是 UTF-8 文本；请另存为 UTF-8",),
    # Models that are loaded.
    "DEPLOYMENT_LOADING": ("模型（部署 {deployment_id}）仍在加载",),
    "DEPLOYMENT_FAILED": ("模型（部署 {deployment_id}）加载失败：{message}",),
    "DEPLOYMENT_NOT_READY": ("模型（部署 {deployment_id}）现在不能应答：{message}",),
    "OUT_OF_MEMORY": ("空闲内存放不下这个模型；请卸载别的模型，或换更小的模型（日志：{log}）",),
    "OUTPUT_UNWRITABLE": ("无法写入输出文件夹 {path}；请用 --out 另选一个",),
}
for ROOM in (
    command_failures,
    ingest_failures,
    generation_failures,
    dataset_failures,
    training_failures,
    model_failures,
    trainer_failures,
):
    for REASON, TOLD in ROOM.SENTENCES.items():
        SENTENCES[REASON] = SENTENCES.get(REASON, ()) + TOLD

MORE = {
    "reasons": "；{items_total} 项中有 {items_failed} 项失败（{reasons}），{items_done} 项已完成并保存："
    "可用 `sishu job get {job_id}` 查看，用 `sishu job retry {job_id}` 重试失败的部分",
    "paused_job": "；作业 {paused_job} 已暂停，已完成的部分都已保存；"
    "可用 `sishu job resume {paused_job}` 继续",
    "same_command": "；然后再次执行同一命令",
    "pilot_job": "；试运行没有任何部分成功（`sishu job get {pilot_job}`），因此无法预估；"
    "请先解决，再执行同一命令",
    "again": "；可用 `{again}` 再次尝试",
}
"""What commands add to an error, by the metadata that says it."""


def in_words(reason: str, message: str, metadata: Mapping[str, str], language: str = LANGUAGE) -> str:
    """What went wrong, in the language as far as there are words for it, else as the server says it."""
    # What a command says more has the words of the error itself beside it.
    known = {"message": message, **metadata}
    sentence = next((one for one in SENTENCES.get(reason, ()) if needs(one) <= known.keys()), "")
    if language == "en" or not sentence:
        return message
    added = "".join(text for name, text in MORE.items() if name in known)
    return (sentence + added).format_map(known)


def failure_in_words(failure: Failure) -> str:
    """What went wrong, as a service stored it."""
    return in_words(failure.reason, failure.message, failure.metadata)


def needs(sentence: str) -> set[str]:
    """The metadata that a sentence is filled with."""
    return {name for _, name, _, _ in Formatter().parse(sentence) if name}
