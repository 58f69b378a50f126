"""Phrases of leaks, refusals and pointing: what is caught, and what looks like it and is kept."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import pytest

from services.generation.phrases import FOLDER, leak, pointing, refusal

parser: Any = re._parser  # type: ignore[attr-defined]  # what an expression is made of is told nowhere else

LEAKS = """
According to the text, how long does it run?
According to the passage, who leads the mill?
According to the given text, what is sold?
According to this document, which gate is open?
According to the above paragraph, who pays?
According to the author, why do tariffs fail?
According to the provided context, what is the price?
According to the facts, how tall is the tower?
According to the table, what was sold most?
According to what is stated, who won?
Based on the text, who founded the mill?
Based on the information provided, when was it opened?
Based on the above, what follows?
Based on this passage, what does the Kestrel weigh?
As mentioned above, how many sacks are ground?
As stated in the text, how many sacks are ground?
As described earlier, how many sacks are ground?
As the author notes, how many sacks are ground?
As shown above, the pump stops.
What does the text say about the pump?
What does this passage describe?
What does the author argue about tariffs?
What does the document mention about the pump?
What is mentioned in the text about the pump?
What is the main idea of this passage?
Which pump is described in the passage?
Who is mentioned in the given text?
How does the author describe the mill?
In the passage, who leads the mill?
In this document, what is the price of the pump?
In this section, which pump is described?
From the passage, what can be learned about pumps?
The text states that the pump runs for nine hours.
The passage mentions nine hours.
The document does not say when.
The excerpt is about a pump.
The author says nine hours.
The above text names three pumps.
Nine hours, as stated in the document.
Nine hours. This is stated in the text.
The provided information says nine hours.
What is the purpose of the given passage?
Which year does the passage give?
How is the pump described in this text?
根据上文，公司成立于哪一年？
根据文中内容，公司成立于哪一年？
根据本文，公司成立于哪一年？
根据材料，公司成立于哪一年？
根据上述材料，公司成立于哪一年？
根据以上信息，公司成立于哪一年？
根据给定的文本，公司成立于哪一年？
根据所给资料，公司成立于哪一年？
根据提供的信息，公司成立于哪一年？
根据文章内容，公司成立于哪一年？
根据这段文字，公司成立于哪一年？
根据原文，公司成立于哪一年？
根据文档内容，公司成立于哪一年？
按照上文的描述，水泵重多少？
依据该文，水泵重多少？
基于上述内容，水泵重多少？
从文中可以看出水泵重多少？
文中提到的水泵重多少？
文中的水泵重多少？
文章中提到了哪些水泵？
文章指出水泵重多少？
材料中提到水泵重多少？
原文中水泵的重量是多少？
上文提到的水泵重多少？
上述材料说明了什么？
本文介绍了哪种水泵？
本段主要讲了什么？
这段话说明了什么？
这篇文章的主题是什么？
该段落描述了什么？
作者认为水泵为什么会停？
作者是如何描述水泵的？
如上所述，水泵重九公斤。
如前所述，水泵重九公斤。
如文中所述，水泵重九公斤。
正如上文提到的，水泵重九公斤。
原文指出，水泵重九公斤。
文档中提到水泵重九公斤。
上表中哪种水泵最重？
"""
KEPT = """
How is a document archived in the document management system?
Who signs the document before it is filed?
What does the document management system store?
Which documents does a customer need to open an account?
What information is stored in the customer database?
How long are documents kept by Beichen?
How wide is the passage between the two halls of the mill?
When was the underground passage of Penwick dug?
What is the size of the text field in the form?
How does a clerk send a text message to the customer?
What is the above-ground height of the Harlow Tower?
Which section of the bridge was repaired in 1988?
Who writes the articles of association of Beichen?
According to Article 12 of the Labour Law, how long is the notice period?
According to the Employee Handbook, how many days off are granted?
What facts must a witness state in the form?
What is the fact sheet of the Kestrel 400 for?
Which data protection rules follow from Section 4?
According to Section 7 of the contract, who pays for repairs?
How does the author of the novel The Mill earn money?
What was the reason for the statement of the board in 2015?
What does the contract say about delays?
How is sensitive information protected at Beichen?
What is the description field of an order used for?
What is a source of energy for the mill?
Which materials are used for the valve?
In what context menu is the export command?
How is content published on the website of Beichen?
The chapter of the society in Penwick has 40 members.
The pump stops, as described by Bernoulli in 1738.
Based on the Kestrel 400, which pump was built in 2020?
What is the given name of the captain of the Marlin?
Which figure does the statue on the Harlow Bridge show?
The following day, the pump is switched on.
Nine hours are stated on the label.
北辰公司的档案管理系统如何保存文件？
客户开户需要提交哪些材料？
本文件柜可以放多少份档案？
日本文化节在哪一年举办？
基本文献应存放在哪里？
样本文本的编码是什么？
本节能灯的功率是多少？
本章程由谁负责解释？
水泵的材料是什么？
北辰公司使用哪些包装材料？
根据《劳动法》第十二条，试用期最长多久？
根据国家标准，水泵的噪声限值是多少？
按照合同，谁承担维修费用？
小说《磨坊》的作者是谁？
上述规定自何时起施行？
上海的水泵厂有多少员工？
图书馆的文章检索系统如何使用？
信息系统的内容由谁审核？
文档管理系统的说明书由谁编写？
课文朗读比赛在哪一天举行？
员工手册规定年假有几天？
水泵的运行资料保存多久？
文本框最多可以输入多少个字符？
"""
REFUSALS = """
I cannot answer that.
I can't answer this question.
I'm sorry, but I can't help with that.
I do not know.
I don't have enough information.
As an AI language model, I have no opinion.
It is not mentioned.
The price is not specified.
This is not stated in the text.
The price is not provided.
No information is given about that.
There is no information about the price.
There is not enough information to answer.
It cannot be determined.
The source does not mention the price.
Unable to answer.
Sorry, I do not know.
无法回答。
很抱歉，我无法回答这个问题。
我不知道。
没有提到价格。
文中未提及价格。
并未说明价格。
没有足够的信息来回答。
作为一个人工智能，我无法作答。
"""
SPOKEN = """
Personal data are not provided to third parties.
Batteries are not included.
The pump cannot be opened while it runs.
The warranty does not cover wear.
Customers who cannot attend may send a deputy.
It is unknown in Europe.
No tools are needed.
The lid must not be opened.
Entries that are not available in English are translated.
I is the symbol of the electric current.
泵运行时不能打开。
不得提供给第三方。
无法修复的零件须更换。
如无法确定故障原因，应联系厂家。
未成年人不得操作。
没有工具也可以安装。
"""
POINTING = """
How long does it run?
When was it founded?
What is its price?
Who leads this company?
What is the purpose of this device?
How heavy are these parts?
Which of the following statements is true?
What can be done about it?
Why did they close the mill?
How many employees does this company have?
该公司成立于哪一年？
该设备的重量是多少？
请问该公司有多少员工？
它的重量是多少？
它们如何安装？
其主要用途是什么？
此设备的用途是什么？
这种水泵的重量是多少？
这些零件如何安装？
上述设备的重量是多少？
以下哪项说法正确？
"""
NAMED = """
How long does the Kestrel 400 run before it must be charged?
How long does it take to charge the pump?
Is it necessary to clean the filter every day?
Why is it important to dry the valve after use?
If the pump fails, how can it be repaired?
What should a clerk do when a customer returns a device that he opened?
How does Beichen protect its customers?
What is the weight of the Kestrel 400 without its battery?
When the lamp blinks, what does this signal mean?
How much does it cost to replace the valve of a pump?
What is Penwick known for besides its bridge?
北辰公司成立于哪一年，它有多少员工？
水泵停机后，该如何处理？
该如何清洗滤网？
其他部门如何申请设备？
其中一台 K400 水泵的重量是多少？
此外，北辰公司还生产什么？
"""


def lines(text: str) -> list[str]:
    return text.strip().splitlines()


@pytest.mark.parametrize("text", lines(LEAKS))
def test_a_text_that_speaks_of_its_source_is_caught(text: str) -> None:
    assert leak(text)


@pytest.mark.parametrize("text", lines(KEPT))
def test_a_text_that_is_about_documents_is_kept(text: str) -> None:
    assert leak(text) == ""


@pytest.mark.parametrize("text", lines(REFUSALS))
def test_a_refusal_is_caught(text: str) -> None:
    assert refusal(text, "")


@pytest.mark.parametrize("text", lines(SPOKEN))
def test_an_answer_that_denies_something_is_kept(text: str) -> None:
    assert refusal(text, "") == ""


def test_what_the_source_says_is_no_refusal() -> None:
    source = "Prices that are not specified in the contract follow the list."
    assert refusal("Prices that are not specified follow the list.", source) == ""
    assert refusal("Prices that are not specified follow the list.", "")


@pytest.mark.parametrize("text", lines(POINTING))
def test_a_question_that_points_at_nothing_is_caught(text: str) -> None:
    assert pointing(text)


@pytest.mark.parametrize("text", lines(NAMED))
def test_a_question_that_names_what_it_means_is_kept(text: str) -> None:
    assert pointing(text) == ""


@pytest.mark.parametrize("name", [path.stem for path in sorted(FOLDER.glob("*.txt"))])
def test_no_text_of_ascii_holds_what_is_left_out_for_it(name: str) -> None:
    text = (FOLDER / f"{name}.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    named = dict(line.split(" := ") for line in lines if " := " in line)
    for line in lines:
        whole = line
        while mark := re.search("<([A-Z]+)>", whole):
            whole = whole.replace(mark[0], named[mark[1]])
        if not whole.isascii() and " := " not in whole:
            assert wants_more(parser.parse(whole)), line


def wants_more(items: Iterable[Any]) -> bool:
    """Whether a parsed expression matches nothing without a sign that is not ASCII."""
    for kind, value in items:
        match str(kind):
            case "LITERAL" if value > 127:
                return True
            case "IN" if all(str(one) in {"LITERAL", "RANGE"} and low(what) > 127 for one, what in value):
                return True
            case "SUBPATTERN" if wants_more(value[-1]):
                return True
            case "BRANCH" if all(map(wants_more, value[1])):
                return True
            case "MAX_REPEAT" if value[0] > 0 and wants_more(value[2]):
                return True
    return False


def low(value: int | tuple[int, int]) -> int:
    """The first of some signs."""
    return value if isinstance(value, int) else value[0]
