"""What goes wrong in the command line itself, in Chinese, by its reason."""

from __future__ import annotations

SENTENCES: dict[str, tuple[str, ...]] = {
    "OPTION_INVALID": ("选项的值不合要求：{message}",),
    "OPTION_MISSING": ("选项不全：{message}",),
    "WORD_UNKNOWN": ("没有 {word} 这个取值；可用的有：{known}",),
    "LANG_UNKNOWN": ("--lang 只能是 en 或 zh：{message}",),
    "MODE_UNKNOWN": ("--mode 的取值不对：{message}",),
    "MODEL_MISSING": ("--llm-base-url 需要同时给出 --llm-model",),
    "BASE_URL_MISSING": ("--llm-model 和 --llm-api-key-env 需要同时给出 --llm-base-url",),
    "NOT_PARSED": ("文档尚未解析；请先执行 `sishu document parse`：{message}",),
    "NAME_TWICE": ("两个文件的名称相同，请给其中一个改名：{message}",),
    "NAME_NOT_UTF8": ("文件名不是 UTF-8，请给文件改名：{message}",),
    "FILE_UNREADABLE": ("文件无法读取，请授予读取权限或略去它：{message}",),
    "UPLOAD_FAILED": ("文件无法发送到 S3 服务器，请检查它是否在运行：{message}",),
    "DOWNLOAD_FAILED": ("无法从 S3 服务器读取文件；再次执行同一命令即可从中断处继续：{message}",),
    "DOWNLOAD_MISMATCH": ("下载的文件与记录不符；请再试一次：{message}",),
    "DOWNLOAD_RUNNING": ("另一个命令正在下载同一文件，请等它结束：{message}",),
    "HUB_LIBRARY_MISSING": ("上传需要 Python 包 huggingface_hub；请与 sishu 装在一起",),
    "HUB_TOKEN_MISSING": ("请把 {variable} 设为有权写入 {name} 的令牌",),
    "HUB_NAME_INVALID": ("{name} 不是数据集仓库的名称；应如 NAME/DATA",),
    "HUB_REFUSED": ("仓库没有接受 {name}：{why}",),
    "HUB_UNREACHABLE": (
        "连接不上 {address}（{why}）；文件已在 {folder} 中，再次执行同一命令即可上传；"
        "HF_ENDPOINT 可指定另一个地址",
    ),
}
