"""What goes wrong while documents are fetched, read, cleaned and split, in Chinese, by its reason.

Each sentence is filled as those in `failures.py` are.
"""

from __future__ import annotations

MINERU = "请检查 SISHU_INGEST_MINERU_URL 的服务，或改用别的 --page-reader"
VISION = "请检查 SISHU_INGEST_VISION_URL 的服务，或改用别的 --page-reader"
SPLIT = "请拆分文件"

FETCHING: dict[str, tuple[str, ...]] = {
    "URL_INVALID": ("网址不合要求；请写成浏览器中所见的 https://主机/路径：{message}",),
    "URL_REDIRECT_INVALID": ("{url} 转向了不能跟随的地址；请给出文件所在的地址：{message}",),
    "URL_REFUSED": ("无法取得 {url}：对方拒绝了；请检查地址，以及是否需要登录，或稍后再试：{message}",),
    "URL_TOO_LARGE": (
        "{url} 的文件超过 {most_bytes} 字节；请在 ingest 的环境中提高 SISHU_INGEST_FETCH_MOST_BYTES",
    ),
    "ADDRESS_PRIVATE": (
        "{url}：主机 {host} 的地址不是公网地址；若可以读取，请在 SISHU_INGEST_PRIVATE_ADDRESSES 中写上其网络",
    ),
}

READING: dict[str, tuple[str, ...]] = {
    "ARCHIVE_LINK": ("{name}：压缩包中的 {member} 是链接或设备，不会跟随；请打包文件本身",),
    "ARCHIVE_TOO_DEEP": ("{name}：嵌套的层数太多；请先解开，再上传其中的文件",),
    "DOCUMENT_NAME_INVALID": ("{name} 不能作文档名；请用以 / 分隔的相对路径，不含 .. 和控制字符",),
    "DOCUMENT_NAME_TAKEN": ("文档名 {name} 已被压缩包或邮件中的文档占用；请换一个名字",),
    "DOCUMENT_VERSION_NOT_FOUND": (
        "文档 {document_id} 没有版本 {version}；见 `sishu document get {document_id}`",
    ),
    "EML_UNREADABLE": ("{name}：无法读取这封邮件；请重新存为 .eml",),
    "RTF_UNREADABLE": ("{name}：无法读取这个 RTF 文件，扩展名可能有误；请重新存为 RTF",),
    "HTML_TOO_LARGE": ("{name}：网页太大；请拆分：{message}",),
    "JSON_TOO_DEEP": ("{name}：值的嵌套超过 {most_depth} 层；请减少嵌套",),
    "XML_BOMB": ("{name}：不读取其中的 XML，因为它含有实体；请不带实体重新保存",),
    "TEXT_BINARY": (
        "{name}：第 {offset} 处是 NUL，这不是文本文件；请存为文本，或去掉它",
        "文本含有 NUL 字符；请去掉",
    ),
    "TEXT_TOO_LARGE": (
        "{name}：文本至少有 {chars} 个字符，上限为 {most_chars}；"
        + SPLIT
        + "，或提高 SISHU_INGEST_MOST_CHARS",
    ),
    "PAGE_UNKNOWN": ("{name}：没有第 {page} 页；请检查页码",),
    "PAGE_UNREADABLE": ("{name}：无法读取第 {page} 页；请改用别的 --page-reader",),
    "PAGE_NOT_TRANSCRIBED": ("{name}：第 {page} 页应由 {reader} 读取，但没有结果；请重新解析文档",),
    "MEMBER_GONE": ("其间有相同内容的文档被删除；请再试一次",),
    "OBJECTS_SWEPT": ("保存用时太长，已存的内容被清理；请再试一次",),
    "PARSED_MEANWHILE": ("{name}：另一次解析先结束了；请再试一次", "另一次解析先结束了；请再试一次"),
    "PARSE_CRASHED": ("{name}：解析它的进程意外结束（{end}）；文件已损坏或内存不足，请重新保存或" + SPLIT,),
    "PARSE_FAULTY": (
        "{name}：解析时我们的程序出错（{error}），详见工作进程的日志；请报告，并试试另存为别的格式",
    ),
    "PARSE_OPTIONS_INVALID": ("解析选项不合要求，请改正：{message}",),
    "PARSE_OUT_OF_MEMORY": (
        "{name}：解析需要超过 {memory_mib} MiB 的内存；" + SPLIT + "，或提高 SISHU_INGEST_PARSE_MEMORY_MIB",
    ),
    "PARSE_TIMED_OUT": ("{name}：解析超过了 {seconds} 秒；" + SPLIT + "，或提高 SISHU_INGEST_PARSE_SECONDS",),
}

PAGES: dict[str, tuple[str, ...]] = {
    "MINERU_NOT_CONFIGURED": (
        "{name}：没有设置 MinerU 服务；请设置 SISHU_INGEST_MINERU_URL，或改用别的 --page-reader",
    ),
    "MINERU_ANSWER_TOO_LARGE": ("{name}：MinerU 的回答太大；" + SPLIT + "，或改用别的 --page-reader",),
    "MINERU_ANSWER_UNUSABLE": ("{name}：MinerU 的回答无法使用；" + MINERU + "：{message}",),
    "MINERU_FAILED": ("{name}：MinerU 报告了错误；" + MINERU + "：{message}",),
    "MINERU_REFUSED": ("{name}：MinerU 拒绝了请求；" + MINERU + "：{message}",),
    "MINERU_TIMED_OUT": (
        "{name}：MinerU 没有及时回答；" + SPLIT + "，或提高 SISHU_INGEST_TRANSCRIBE_CALL_SECONDS",
    ),
    "MINERU_UNREACHABLE": ("{name}：连接不上 MinerU；" + MINERU + "：{message}",),
    "VISION_NOT_CONFIGURED": (
        "{name}：没有设置视觉模型；请设置 SISHU_INGEST_VISION_URL 和 SISHU_INGEST_VISION_MODEL"
        "（服务需要时还有 SISHU_INGEST_VISION_KEY），或改用别的 --page-reader",
    ),
    "VISION_ANSWER_CUT_OFF": (
        "视觉模型的回答超出了长度上限；请提高其输出词元上限，或改用 ocr 读取：{message}",
    ),
    "VISION_ANSWER_UNUSABLE": ("视觉模型的回答无法使用；" + VISION + "：{message}",),
    "VISION_FAILED": ("视觉模型报告了错误；" + VISION + "：{message}",),
    "VISION_REFUSED": ("视觉模型拒绝了请求；" + VISION + "：{message}",),
    "VISION_REFUSED_KEY": ("视觉模型拒绝了 API 密钥；请检查 SISHU_INGEST_VISION_KEY：{message}",),
    "VISION_TIMED_OUT": (
        "视觉模型没有及时回答；请稍后再试，或提高 SISHU_INGEST_TRANSCRIBE_CALL_SECONDS：{message}",
    ),
    "VISION_UNREACHABLE": ("连接不上视觉模型；" + VISION + "：{message}",),
}

SPLITTING: dict[str, tuple[str, ...]] = {
    "CLEAN_RULE_UNKNOWN": ("没有清洗规则 {rule}；请用已有的规则：{message}",),
    "REWRITE_NOT_CONFIGURED": (
        "没有设置整理文本的语言模型；请在 ingest 工作进程的环境中设置 SISHU_INGEST_REWRITE_URL "
        "和 SISHU_INGEST_REWRITE_MODEL",
    ),
    "REWRITE_REFUSED": ("{base_url}（模型 {model}）回答 HTTP {status}；请检查密钥、模型和地址",),
    "REWRITE_UNANSWERED": ("{base_url}（模型 {model}）没有回答任何部分；请检查它是否在运行，稍后再试",),
    "REWRITE_INCOMPLETE": ("{name}：文本的一些部分没有得到回答；请稍后再试",),
    "SPLIT_OPTIONS_INVALID": ("切分选项不合要求，请改正：{message}",),
    "TOO_MANY_CHUNKS": ("文本会切成 {chunks} 块，太多了；请切成较大的块",),
    "CHUNK_TOO_LARGE": ("文本块会有 {chars} 个字符，太长了；请在更多的地方切分",),
    "CHUNK_TEXT_EMPTY": ("文本块将没有文本；请改用 `sishu chunk exclude` 将其排除",),
    "CHUNK_EDITED": ("文本块 {chunk_id} 已被修改；请先改回原文",),
    "CHUNK_NOT_CURRENT": ("文本块 {chunk_id} 已不在文档中；请用 `sishu chunk list` 重新列出",),
    "CHUNKS_NOT_ADJACENT": ("要合并的应是同一文档中至少两个相邻的文本块；请改正：{message}",),
    "CUT_POINTS_INVALID": ("切分位置应在文本块之内并依次增大；请改正：{message}",),
    "CONFIG_INVALID": ("环境变量的值不合要求，请改正：{message}",),
}

SENTENCES = {**FETCHING, **READING, **PAGES, **SPLITTING}
