"""What goes wrong in the dataset room, in Chinese, by its reason: of rows, of files, and of requests.

Each sentence is filled as those in `failures.py` are; a row's fault has its `field`, where it is of one.
"""

from __future__ import annotations


def of_row(sentence: str) -> tuple[str, str]:
    """A sentence about a field of a row, and about the row as a whole."""
    return f"字段 {{field}}：{sentence}", sentence


ROWS: dict[str, tuple[str, ...]] = {
    "TEXT_EMPTY": ("字段 {field} 是空的；请填写，或去掉这一行",),
    "TEXT_EXPECTED": of_row("应为文本；请改成文本"),
    "LIST_EXPECTED": of_row("应为列表；请改成列表"),
    "FLAG_EXPECTED": of_row("应为 true 或 false；请改成其中之一"),
    "TEXT_INVALID": of_row("含有不属于文件编码的字节、半个字符或 JSON 没有的数；请改正并存为 UTF-8"),
    "TEXT_NUL": of_row("含有 NUL 字符；请去掉"),
    "ROW_TOO_LONG": ("这一行太长；请拆成几个样例：{message}",),
    "ROW_NOT_OBJECT": ("这一行不是 JSON 对象；请写成带有字段名的对象",),
    "JSON_INVALID": (
        "{name}：第 {line} 行不是有效的 JSON；请改正：{message}",
        "这一行不是有效的 JSON；请在所示之处改正：{message}",
    ),
    "KEY_DOUBLE": ("键 {field} 在同一个对象中出现了两次；请去掉一个",),
    "QUOTES_BROKEN": ("这一行的引号不成对，无法分成单元格；请把单元格内的引号写成两个，并补上结尾的引号",),
    "CELLS_TOO_MANY": ("这一行的单元格比首行的列名多；含有分隔符的单元格请放在双引号内",),
    "TURNS_INVALID": of_row("至多一条系统消息，其后用户与助手交替发言，以助手结束；请改正这一行"),
    "MESSAGE_INVALID": of_row("应为带有角色和内容的对象；请改正"),
    "ROLE_UNKNOWN": of_row("没有这个角色；请用已有的角色：{message}"),
    "HISTORY_INVALID": of_row("应为用户与助手各一句的成对内容；请改正"),
    "SYSTEM_DOUBLE": of_row("有两条不同的系统消息；请只留一条"),
    "REASONING_DOUBLE": of_row("答案以思考内容开头，而另处还有不同的思考内容；请只留一处"),
    "REASONING_OPEN": of_row("思考内容没有结尾标记；请补上，或用 --keep-thoughts 将其当作答案的一部分"),
    "TOOLS_UNSUPPORTED": of_row("不支持工具调用；请去掉这一行"),
    "MEDIA_UNSUPPORTED": of_row("不支持图片、声音和视频；请去掉这一行"),
    "ANSWERS_EQUAL": ("两个答案相同，分不出好坏；请去掉这一行",),
    "ANSWERS_APART": of_row("两个答案只应在最后一条消息上不同，且都由助手说出；请改正这一行"),
    "KIND_MISMATCH": of_row("考题应为一问一答，这一行不是；请改用别的 --kind，或改正这一行"),
    "KIND_UNKNOWN": of_row("没有这个种类；请重新导出样例：{message}"),
    "CONTENT_INVALID": of_row("不是 Sishu 导出的内容；请重新导出样例"),
    "SCORE_INVALID": of_row("评分应为 0 到 5 的数，或留空"),
    "LABELS_INVALID": of_row("应为至多 50 个短文本的列表；请改正"),
    "QUESTION_EMPTY": ("字段 {field} 中没有问题；请填写，或去掉这一行",),
}

FILES: dict[str, tuple[str, ...]] = {
    "ROWS_BAD": (
        "{rows} 行中有 {bad} 行不能使用（{bad_reasons}），超过了上限，没有导入任何内容；"
        "首先是 {file} 的第 {row} 行。"
        "请改正（`sishu import faults` 列出全部），或用 --max-bad-share、--max-bad-rows 放宽",
        "已有 {bad} 行不能使用（{bad_reasons}），超过了上限，没有导入任何内容；"
        "首先是 {file} 的第 {row} 行。"
        "请改正（`sishu import faults` 列出全部），或用 --max-bad-rows 放宽",
    ),
    "FILE_DAMAGED": ("{name}：无法读取，文件已损坏或不完整；请重新发送",),
    "ARCHIVE_BOMB": (
        "{name}：压缩包中的 {member} 不予解压，内容过大；请拆成较小的文件",
        "{name}：压缩包的内容过大；请拆成较小的文件",
    ),
    "ARCHIVE_PATH_UNSAFE": (
        "{name}：压缩包中的 {member} 是链接，或其路径指向包外；请以相对路径重新打包文件本身",
    ),
    "PATH_UNSAFE": ("{name}：{path} 在文件夹之外；请把文件放进文件夹，并以其中的路径称呼它",),
    "JSON_BROKEN": ("{name}：在约第 {offset} 字节处不是有效的 JSON；请在那里改正：{message}",),
    "JSON_CUT_OFF": ("{name}：文件在一个值的中间结束，可能不完整，或缺少引号或括号；请改正，或重新发送",),
    "JSON_LISTS_MANY": ("{name}：有几个列表都含有对象；请用 --field 指明读取哪一个：{message}",),
    "JSON_FIELD_MISSING": ("{name}：对象中没有这个列表；请用 --field 另指一个字段：{message}",),
    "HEADER_MISSING": ("{name}：首行应为列名；请加上这样一行",),
    "COLUMN_DOUBLE": ("{name}：有两列都叫 {column}；请在首行改掉其中一个列名",),
    "SHEET_MISSING": ("{name}：没有工作表 {sheet}；请用 --sheet 指明已有的一个：{message}",),
    "SHEET_TOO_LARGE": (
        "{name}：工作表 {sheet} 的单元格太多（到第 {row} 行、第 {column} 列）；"
        "请删去远处的内容，或拆分工作表",
        "{name}：工作表的单元格太多；请存为 CSV",
    ),
    "SHAPE_UNSUPPORTED": ("没有 {shape} 这种形状；请改用已有的形状：{message}",),
    "SHAPE_UNKNOWN": (
        "{name}：认不出行的形状；请用 --column 说明哪一列是什么，"
        "如 --column instruction=question --column answer=reply：{message}",
    ),
    "SHAPE_AMBIGUOUS": ("{name}：行可能有几种形状；请用 --shape 指明：{message}",),
    "COLUMN_UNKNOWN": ("样例中没有叫 {column} 的部分；--column 的等号前请用已有的名称：{message}",),
    "COLUMNS_MISSING": (
        "{name}：缺少必需的列；导入时请用 --column 说明哪一列是什么，"
        "评测集则用 --question、--choice、--answer：{message}",
    ),
    "FORMATS_MIXED": ("文件夹中有几种格式的文件，内容可能重复；请用 --files 选出一种：{message}",),
    "FILES_MISSING": (
        "没有可以读取的文件；请放入 .json、.jsonl、.csv、.xlsx 或 .parquet 文件，并检查 --files；"
        "压缩包中的压缩包请先解压",
    ),
    "FILE_MISSING": ("{name}：其中所说的文件 {path} 不在旁边；请补上文件，或改正说明",),
    "DATASET_AMBIGUOUS": ("{name}：其中有几个数据集；请用 --dataset 选择：{message}",),
    "DATASET_INFO_INVALID": ("{name}：数据集的说明有误，请改正：{message}",),
    "DATASET_REMOTE": (
        "数据集 {dataset} 的内容不在文件夹中；请下载后放进文件夹，并在说明中用 file_name 称呼它",
    ),
    "SPLIT_MISSING": ("没有划分 {split}；请用 --split 选择已有的：{message}",),
    "ENCODING_UNSUPPORTED": ("没有编码 {encoding}；请用 utf-8、gb18030 之类的名称，或留空",),
    "ENCODING_DAMAGED": (
        "{name}：文本编码是 {encoding}，但第 {offset} 字节不属于它；"
        "文件不完整、已损坏或混用了编码，请改正并存为 UTF-8",
    ),
    "ENCODING_UNKNOWN": ("{name}：认不出文本的编码；请存为 UTF-8",),
    "UPLOAD_NOT_FOUND": ("没有上传 {upload_id}，或它已过期；请重新上传",),
    "UPLOAD_MISSING": ("{name}：没有收到内容；请重新上传", "没有收到文件的内容；请重新上传"),
    "UPLOAD_MISMATCH": ("{name}：收到的内容与所报的大小或 SHA-256 不符；请重新发送",),
    "PREVIEW_TOO_LARGE": ("{name}：文件太大，不能预览；请直接导入，或只预览其中一部分",),
    "READER_LOST": ("读取文件的进程意外结束，可能是内存不足；请查看工作进程的日志，再试一次",),
    "DATABASE_FULL": ("Postgres 的磁盘已满，没有导入任何内容；请腾出空间，再用 `sishu job retry` 重试",),
    "SOURCE_MISSING": ("给 {missing} 指定了权重，但没有来自那里的样例符合条件；可用的来源：{known}",),
    "REPLAY_MISSING": (
        "通用数据应来自 {missing}，但没有符合条件的样例；请用 `sishu example label` 加上标签，"
        "或改用别的标签、导入或版本",
    ),
    "DISK_FULL": (
        "数据集工作进程的磁盘已满；请在其临时文件夹所在的磁盘腾出空间。导出会自动重试一段时间，从已完成处继续；"
        "导入请用 `sishu job retry` 重试",
    ),
    "DISK_UNUSABLE": ("无法写入本机的文件；请检查磁盘是否有空间，文件夹是否可写：{message}",),
    "TOKENIZER_NOT_ALLOWED": (
        "分词器 {tokenizer} 既不是形如 org/name 的 hub 名称，也不在分词器文件夹中；"
        "请改用 hub 名称，把它放进该文件夹，或留空",
    ),
    "TOKENIZER_NOT_FOUND": (
        "找不到分词器 {tokenizer}；请给出本机能取得的 hub 名称（如 org/name）、"
        "tokenizer.json 或含有它的文件夹，或留空",
    ),
}

REQUESTS: dict[str, tuple[str, ...]] = {
    "FIELD_INVALID": ("请求中的值不合要求：{message}",),
    "MASK_INVALID": ("不能这样改动这些字段：{message}",),
    "PAGE_TOKEN_INVALID": ("翻页标记不属于这个列表和筛选条件；请从第一页重新开始",),
    "PROJECT_MISMATCH": (
        "生成任务 {generation_id} 属于另一个项目 {project_id}；请改用该项目，或另选一个",
        "上传 {upload_id} 属于另一个项目 {project_id}；请改用该项目，或重新上传",
    ),
    "PROVIDER_OF_OTHER_PROJECT": (
        "语言模型 {provider_id} 属于另一个项目；请用 `sishu provider list` 另选一个",
    ),
    "DUPLICATE": ("与另一样例文字相同",),
    "PASSAGE_GONE": ("它所针对的文本块已被删除；请重新生成",),
    "KIND_UNSUPPORTED": ("没有种类 {kind}，或现在不能生成它；请用已有的种类：{message}",),
    "MESSAGES_INVALID": ("样例的消息不合其种类：{message}",),
    "PREFERENCE_INVALID": ("样例的好坏答案不合其种类：{message}",),
    "EXAM_ITEM_INVALID": ("考题不完整或有误：{message}",),
    "GENERATION_OF_OTHER_KIND": (
        "生成任务 {generation_id} 不产生样例的评分或新答案；请指定 `sishu example judge` "
        "或 `sishu example improve` 建立的任务",
    ),
    "GENERATION_RUNNING": (
        "生成任务 {generation_id} 还没有结束；请等作业 {job_id} 结束，"
        "或用 `sishu job cancel {job_id}` 取消它",
    ),
    "NO_EXAMPLES": (
        "没有符合条件的样例；请先用 `sishu import generations` 或 `sishu import create` 导入，或放宽条件",
    ),
    "EXAMPLES_TOO_FEW": (
        "{split} 要留出 {wanted} 个样例，而符合条件的 {examples} 个中只能留出 {found} 个（近似的只算一个，"
        "只用于训练的不算，至少留一个训练）；请减小 --{split}-count，或改用 --{split}-share",
    ),
    "BENCHMARK_NAME_TAKEN": (
        "项目中已有名为 {name} 的评测集 {benchmark_id}；请用 --name 另取一个名字，"
        "或先用 `sishu benchmark delete {benchmark_id}` 删除它",
    ),
    "BENCHMARK_TOO_LARGE": ("评测集的题目太多；请拆成几个：{message}",),
    "DATASET_VERSION_NOT_READY": ("数据集版本 {dataset_version_id} 尚未就绪；见 `sishu job get {job_id}`",),
    "NEAR_COPY_ON_BOTH_SIDES": (
        "近似的样例落在了训练与考试两边，没有建立版本；这是程序的错误，请报告：{message}",
    ),
    "EXPORT_SHAPE_MISSING": ("请用 --format 给出一种形状或一个程序的文件夹（不能两者都给）：{message}",),
    "EXPORT_OPTION_UNFIT": ("选项 {option} 与这种格式不合，请改正：{fault}",),
    "EXPORT_COLUMNS_MISSING": (
        "自定义格式至少要一列；请用 --column 给出，如 --column 'question={{{{ question }}}}'",
    ),
    "EXPORT_COLUMN_INVALID": ("列 {column} 的名称或模板有误，请改正：{fault}",),
    "EXPORT_NOT_FOUND": ("没有导出 {export_id}；见 `sishu export list`",),
    "EXPORT_NOT_READY": ("导出 {export_id} 尚未就绪；见 `sishu job get {job_id}`，再次导出会从中断处继续",),
    "NOTHING_TO_EXPORT": ("没有可导出的样例；请按原因改用别的格式、划分或筛选条件：{message}",),
}

SENTENCES = {**ROWS, **FILES, **REQUESTS}
