"""What else than in `failures.py` goes wrong in the generation room, in Chinese, by its reason."""

from __future__ import annotations

SENTENCES: dict[str, tuple[str, ...]] = {
    "ANSWER_AWAITED": ("正在等待答案；会自动继续",),
    "BATCH_PENDING": ("批量调用尚未返回；会自动继续",),
    "BATCH_TOO_LARGE": ("一批调用超过了服务的上限；会分成较小的批",),
    "ROUND_RUNNING": ("这一轮尚未结束；会自动继续",),
    "ADVICE_MISSING": ("改进答案需要建议；请用 --advice 说明怎样更好",),
    "ANSWER_LIMITS": ("答案的最小长度大于最大长度，不会有答案留下；请改正：{message}",),
    "BUDGET_RESERVED": ("余下的上限正被其他调用占用；稍后会自动继续",),
    "CURRENCIES_DIFFER": (
        "一个生成任务的费用只能有一种货币，所用模型的价格却有几种；请改成同一种：{message}",
    ),
    "EMBEDDINGS_UNSUPPORTED": (
        "{base_url} 不提供模型 {model} 的向量；请指定向量模型的语言模型服务，或不用 --embedding-provider",
        "这个服务不提供向量；请指定向量模型的语言模型服务，或不用 --embedding-provider：{message}",
    ),
    "EXAMPLE_GONE": ("样例已被删除",),
    "EXAMPLE_WITHOUT_ANSWER": ("样例没有可以重写的答案（如文本和考题）；请用筛选条件将其排除",),
    "FACT_GONE": ("文本块中已没有它所针对的知识点；请重新生成",),
    "ORIGINAL_GONE": ("要重新生成的内容已被删除",),
    "QUESTION_GONE": ("它所依据的问题已被删除",),
    "OPTION_OF_OTHER_KIND": ("这个选项不适用于这种生成；请去掉：{message}",),
    "POOL_EMPTY": ("模型池 {provider_id} 没有可用的成员；请为它另选成员",),
    "POOL_IN_POOL": ("语言模型 {provider_id} 本身是模型池；请改为列出其成员",),
    "POOL_MODELS_DIFFER": (
        "模型池各成员的模型名不同；若其实是同一模型，请用 --model 给模型池一个名字：{message}",
    ),
    "PROVIDER_KEY_INVALID": ("API 密钥中含有可打印 ASCII 以外的字符；请重新放入正确的密钥：{message}",),
    "PROVIDER_MOVED": ("语言模型的地址已经改变，取不到那里的批量结果：{message}",),
    "REGENERATION_EMPTY": ("没有指明要重新生成什么；请给出：{message}",),
}
