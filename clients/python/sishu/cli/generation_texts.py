"""What the commands say that are about prompts, providers and generations, in English and Chinese."""

from __future__ import annotations

GENERATION_TEXTS: dict[str, tuple[str, str]] = {
    "generation_forecast": (
        "Tell what a generation takes, from a pilot that is not paid again.",
        "用一次试运行预估生成所需； 试运行不会重复付费。",
    ),
    "generation_update": ("Change what it may cost; 0 is no limit.", "修改费用上限；0 表示不限。"),
    "generation_gates": (
        "List the gates, by the reason with which each rejects.",
        "列出各项质量检查，以其拒绝原因命名。",
    ),
    "gate_off": (
        "Gate that is off, such as REFUSAL; see `sishu generation gates`. May be given more than once.",
        "关闭的检查，如 REFUSAL；见 `sishu generation gates`。可多次给出。",
    ),
    "min_answer_chars": ("Fewest characters of an answer.", "答案的最少字符数。"),
    "max_answer_chars": ("Most characters of an answer.", "答案的最多字符数。"),
    "near_copy_similarity": (
        "From which similarity of their words on a question is a near copy of another one; usually 0.8.",
        "问题与另一问题的词语相似度达到多少即视为近似重复；默认 0.8。",
    ),
    "embedding_provider": (
        "Model of embeddings: name or id; copies are then found by meaning, too.",
        "向量模型：名称或 ID；据此还可按意思查重。",
    ),
    "meaning_similarity": (
        "From which similarity of their embeddings on a question is a copy by meaning; usually 0.95.",
        "两个问题的向量相似度达到多少即视为意思重复；默认 0.95。",
    ),
    "judge": (
        "Model that judges each answer beside its source: name or id; it may be the one that writes.",
        "对照原文评审每个答案的语言模型：名称或 ID；可与编写的模型相同。",
    ),
    "judge_min_score": (
        "Least score of the judge that is kept, 0 to 5; usually 3.",
        "评审分数下限，0 到 5；默认 3。",
    ),
    "knowledge": (
        "Model that is to learn: name or id; it is asked first, and what it knows gets fewer forms.",
        "将要训练的模型：名称或 ID；先问它已知道什么，已知的知识点少出题。",
    ),
    "known_forms": (
        "Questions about a fact that it knows; 0: 1.",
        "模型已知的知识点各出几个问题；0 即 1。",
    ),
    "min_f1": (
        "From which F1 with the answer of the source on it knows a fact; 0: 0.6.",
        "它的回答与原文答案的 F1 达到多少即视为已知；0 即 0.6。",
    ),
    "provider": ("Language models that write.", "负责编写的语言模型。"),
    "generation": ("Runs that write questions and answers.", "出题与作答的任务。"),
    "generation_language": (
        "Language of what is written: en or zh; by default that of the documents.",
        "生成内容的语言： en 或 zh；默认与文档相同。",
    ),
    "tag": ("The domain tree: topics of a project.", "领域树：项目的主题标签。"),
    "tag_list": ("Print the tree.", "输出标签树。"),
    "tag_create": ("Add a tag.", "添加一个标签。"),
    "tag_rename": ("Give a tag another title; questions stay linked.", "给标签改名；问题的关联不变。"),
    "tag_move": ("Put a tag under another, or at the top.", "把标签移到另一个标签之下，或移到顶层。"),
    "tag_places": (
        "Say what of the documents a tag is about; questions about it are linked anew.",
        "设定标签涉及文档的哪些部分；相关问题会重新关联。",
    ),
    "tag_delete": (
        "Delete a tag and those under it; questions stay.",
        "删除标签及其下的标签；问题会保留。",
    ),
    "tag_build": (
        "Have a model build the tree from the outlines of the documents.",
        "由模型根据文档大纲建立标签树。",
    ),
    "tag_argument": (
        "Tag: its id, or with --project its title, alone or with those above it, parted by ' > '.",
        "标签： ID；或配合 --project 用标题，可带上级标题，以 “ > ” 分隔。",
    ),
    "tag_title": ("Title.", "标题。"),
    "tag_parent": (
        "Tag above it; by default it stands at the top.",
        "上级标签；默认放在顶层。",
    ),
    "tag_place": (
        "Part of a document: its id, then the titles of its headings, parted by ' > '; may be repeated.",
        "文档的一部分：文档 ID，其后是各级标题，以 “ > ” 分隔；可重复给出。",
    ),
    "tag_chunk": ("Chunk: id; may be repeated.", "文本块： ID；可重复给出。"),
    "tag_mode": (
        "What becomes of the tags that are there: revise (add to them), rebuild (make way) or keep.",
        "已有标签的处理： revise（补充）, rebuild（重建） 或 keep（保持）。",
    ),
    "tag_levels": ("Levels of the tree; 0: 2.", "树的层数；0 即 2。"),
    "tag_children": ("Most tags under one; 0: 10.", "一个标签之下最多几个标签；0 即 10。"),
    "tag_project": ("Project of the tag: name or id.", "标签所属的项目：名称或 ID。"),
    "genre": (
        "Genre-audience pairs of documents: how to write about them, and for whom.",
        "文档的体裁受众组合：怎么写，写给谁。",
    ),
    "genre_audiences": (
        "Ask once for each enabled genre-audience pair of a document, in its voice.",
        "按文档的每个已启用的体裁受众组合各出一遍题。",
    ),
    "question_types": (
        "Types of questions, in turn: fact, reason, comparison, procedure, definition, multi-hop, "
        "unanswerable; parted by commas.",
        "问题类型，依次使用： fact（事实）, reason（原因）, comparison（比较）, procedure（步骤）, "
        "definition（定义）, multi-hop（多跳）, unanswerable（无法回答）；以逗号分隔。",
    ),
    "question_type": (
        "Only questions of this type, such as multi-hop.",
        "只列出该类型的问题，如 multi-hop。",
    ),
    "question_state": (
        "Only in this state: open, answered, rejected or judging.",
        "只看此状态： open、answered、rejected 或 judging。",
    ),
    "question_of_template": (
        "Only questions of this template: name or id.",
        "只列出此模板的问题：名称或 ID。",
    ),
    "question_document": ("Only about this document: name or id.", "只看此文档的： 名称或 ID。"),
    "question_tag": (
        "Only of this tag or one below it: title, alone or with those above it (A > B), or id.",
        "只看此标签及其下级： 标题，可带上级（A > B），或 ID。",
    ),
    "question_genre_audience": (
        "Only in the voice of this genre-audience pair: id.",
        "只看以此体裁与受众写成的： ID。",
    ),
    "answer_length": (
        "How long answers are: short, medium or long; by default short.",
        "答案的长度： short（短）, medium（中） 或 long（长）；默认 short。",
    ),
    "answer_style": (
        "Style of answers, in plain words, such as 'formal, for customers'.",
        "答案的文风，用自己的话说明，如“正式，面向客户”。",
    ),
    "answer_reasoning": (
        "The way to the answer: none, native (what the model thinks by itself is kept) or asked; by default "
        "native.",
        "得到答案的思路： none（不保留）, native（保留模型自己的思考） 或 asked（要求写出）；默认 native。",
    ),
    "genre_create": ("Add a pair to a document.", "为文档添加一个组合。"),
    "genre_update": ("Change a pair; what is not said stays.", "修改一个组合；未给出的保持不变。"),
    "genre_enable": ("Have questions written for pairs.", "启用组合：为其出题。"),
    "genre_disable": ("Have no questions written for pairs.", "停用组合：不再为其出题。"),
    "genre_build": (
        "Have a model write the pairs of each document from its beginning.",
        "由模型根据每个文档的开头部分编写组合。",
    ),
    "genre_name": ("Genre, such as 'technical report'.", "体裁，如“技术报告”。"),
    "genre_description": ("What the genre is like.", "体裁的说明。"),
    "genre_audience": ("Audience, such as 'apprentices'.", "受众，如“学徒”。"),
    "genre_audience_description": (
        "Who they are, and what they want to know.",
        "受众是谁，想了解什么。",
    ),
    "genre_off": ("Add it switched off.", "添加时不启用。"),
    "genre_ids": ("Pairs: ids.", "组合： ID。"),
    "genre_pairs": ("Pairs of each document; 0: 5.", "每个文档几个组合；0 即 5。"),
    "genre_replace": ("Let the pairs that are there make way.", "替换已有的组合。"),
    "genre_documents": (
        "Only for this document: id; may be repeated.",
        "只为此文档： ID；可重复给出。",
    ),
    "stage_genres": ("genre-audience pairs", "体裁受众组合"),
    "stage_tags": ("domain tree", "领域树"),
    "prompt": ("What language models are asked, in your words.", "给语言模型的提示词，可自行改写。"),
    "prompt_list": ("List the current versions.", "列出当前版本。"),
    "prompt_show": (
        "Print a template; what it is filled with goes to standard error.",
        "输出模板；可用的变量写到标准错误。",
    ),
    "built_in_prompts": ("{} built in (`sishu --json` shows all)", "{} 个内置（`sishu --json` 显示全部）"),
    "prompt_versions": ("List all versions, newest first.", "列出全部版本，新的在前。"),
    "prompt_set": (
        "Make a new version of a template of yours; generations that start later go by it.",
        "用自己的模板新建一个版本；之后开始的生成任务按它进行。",
    ),
    "prompt_preview": (
        "Print what a model would be sent about a real chunk; nothing is stored or called.",
        "用真实的文本块填充并输出将发送的内容；不存储，也不调用模型。",
    ),
    "prompt_diff": (
        "Print how two versions differ; by default the built-in one and the current one.",
        "输出两个版本的差异；默认比较内置版本与当前版本。",
    ),
    "prompt_restore": (
        "Make an earlier or the built-in version current again.",
        "恢复较早的版本或内置版本。",
    ),
    "prompt_argument": ("Name and language, such as questions.en.", "名称和语言，如 questions.zh。"),
    "prompt_or_version": (
        "Name and language, such as questions.en, or a version, such as questions.en@1.",
        "名称和语言，如 questions.zh；或版本，如 questions.zh@1。",
    ),
    "prompt_version": ("Version, such as questions.en@project-2.", "版本，如 questions.zh@project-2。"),
    "prompt_file": ("File with the template; - is standard input.", "模板文件；- 表示标准输入。"),
    "prompt_draft": (
        "Fill the template in this file instead; - is standard input.",
        "改为填充此文件中的模板；- 表示标准输入。",
    ),
    "prompt_chunk": (
        "Chunk to fill it with: id; by default the first.",
        "用哪个文本块填充： ID；默认取第一个。",
    ),
    "prompt_question": (
        "Question to answer; by default one that is stored of the chunk.",
        "要回答的问题；默认取该文本块已有的问题。",
    ),
    "prompt_from": ("Version to compare with.", "与哪个版本比较。"),
    "prompt_to": ("Version to compare.", "比较哪个版本。"),
    "prompt_required": ("must be used", "必须使用"),
    "provider_add": ("Make a language model known.", "添加一个语言模型。"),
    "provider_update": (
        "Change a language model; what is not said stays.",
        "修改一个语言模型；未给出的保持不变。",
    ),
    "provider_name": ("New name.", "新名称。"),
    "provider_no_price": ("Drop the price.", "去掉价格。"),
    "provider_no_sampling": ("Drop temperature and the like.", "去掉温度等采样参数。"),
    "provider_presets": ("List services and servers that many use.", "列出常用的服务与服务器。"),
    "provider_preset": (
        "Service or server with a known address; see `sishu provider presets`. Its key is taken from its "
        "usual variable of the generation room.",
        "地址已知的服务或服务器，见 `sishu provider presets`；密钥默认取自出题服务环境中的惯用变量。",
    ),
    "provider_deployment": ("Deployment of Sishu itself: id.", "私塾自身加载的模型： ID。"),
    "provider_pool": (
        "Providers of the same model to use as one: names or ids, parted by commas.",
        "把同一模型的多个 provider 合用：名称或 ID，以逗号分隔。",
    ),
    "provider_key_env": (
        "Variable in the environment of the generation room that holds the key; ends in _API_KEY.",
        "出题服务环境中存放密钥的变量名，以 _API_KEY 结尾。",
    ),
    "provider_key_file": (
        "File that holds the key: its name in the folder SISHU_PROVIDER_KEY_FOLDER of the generation room.",
        "存放密钥的文件：出题服务的 SISHU_PROVIDER_KEY_FOLDER 文件夹中的文件名。",
    ),
    "provider_key_stored": (
        "Variable here that holds the key; it is sent and stored encrypted.",
        "本机存放密钥的变量名；密钥会被发送并加密存储。",
    ),
    "provider_rpm": ("Most calls a minute; 0: no limit.", "每分钟最多调用次数；0 为不限。"),
    "provider_tpm": ("Most tokens a minute; 0: no limit.", "每分钟最多 token 数；0 为不限。"),
    "provider_in_flight": ("Most calls at once; 0: no limit.", "同时进行的最多调用数；0 为不限。"),
    "provider_price_prompt": ("Price of a million tokens of prompts.", "每百万输入 token 的价格。"),
    "provider_price_completion": ("Price of a million tokens of answers.", "每百万输出 token 的价格。"),
    "provider_currency": ("Currency of the prices, such as CNY.", "价格的货币，如 CNY。"),
    "provider_batch_factor": (
        "What a call in a batch costs of a single one, such as 0.5; by default what is known of the service "
        "at the address, else 1.",
        "批量调用价格与单次调用之比，如 0.5；默认取该地址服务的已知值，否则为 1。",
    ),
    "provider_stream": (
        "Whether answers are streamed: auto, always or never.",
        "是否流式返回： auto（自动）, always（总是） 或 never（从不）。",
    ),
    "provider_tested": ("Provider: id, or with --project its name.", "ID，或配合 --project 使用名称。"),
}
