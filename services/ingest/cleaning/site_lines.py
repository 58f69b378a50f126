"""What lines look like that belong to a web site or to a printed form, in English and Chinese."""

from __future__ import annotations

import re

NETWORKS = (
    r"(?:facebook|twitter|x|linkedin|whatsapp|wechat|weibo|reddit|pinterest|telegram|e-?mail"
    r"|微信|微博|朋友圈|QQ空间|QQ)"
)


def pattern(*lines: str) -> re.Pattern[str]:
    """A pattern of whole lines."""
    return re.compile("|".join(f"(?:{line})" for line in lines), re.IGNORECASE)


ALWAYS = pattern(
    # Printed forms.
    r"[\[(\s]*this page (?:has been |is |was )?(?:intentionally )?left (?:intentionally )?blank[\])\s.]*",
    r"[（(\[]?\s*(?:本页|此页)(?:故意|特意|有意)?(?:留白|留空|空白)\s*[）)\]]?。?",
    r"[（(]\s*(?:以下|本页)无正文\s*[）)]",
    # Cookies.
    r"(?:we|this (?:web)?site|our (?:web)?site) uses? cookies\b.*",
    r"(?:by continuing to (?:use|browse)|if you continue to use) (?:this|our) (?:web)?site\b.*\bcookies?\b.*",
    r"(?:accept|reject|allow|decline|manage|refuse)(?: all| only necessary)? cookies?"
    r"(?: settings| preferences)?\.?",
    r"cookies? (?:settings|preferences|policy|notice|consent)",
    r"(?:本网站|本站|我们)(?:使用|会使用)\s*cookies?.*",
    r"(?:接受|拒绝|允许|管理)(?:所有|全部)?\s*cookies?(?:设置)?",
    # Navigation.
    r"skip to (?:main |the )?(?:content|navigation)|jump to (?:main )?content",
    r"跳(?:转)?[至到](?:主要|正文)?内容",
    r"(?:toggle|open|close|show|hide) (?:navigation|menu|sidebar|search)",
    r"(?:打开|关闭|展开|收起)(?:菜单|导航)",
    r"(?:back|return|scroll) to top|返回(?:页面)?顶部|回到顶部",
    r"(?:home|首页)(?:\s*[>›»/→]\s*[^>›»/→\n]{1,60}){1,8}",
    r"(?:您?当前(?:的)?位置|您现在的位置)[:：].{1,120}",
    # Printing and sharing.
    r"(?:print|e-?mail|bookmark|save) this (?:page|article|post|story)",
    r"打印(?:本页|此页|本文)|收藏(?:本页|本站|此页)",
    rf"share (?:this(?: (?:page|article|post|story))?|on|via|to)\s*:?(?:[\s,|/]*{NETWORKS})*",
    rf"分享(?:到|至)[:：]?(?:[\s、,|/]*{NETWORKS})*",
    r"(?:follow|like) us(?: on)?\b.{0,60}",
    r"(?:扫一扫|扫码|长按).{0,20}(?:关注|二维码|公众号).{0,20}",
    r"【?(?:字号|字体)】?[:：]?\s*[\[【]?\s*(?:[大中小][\s|/、]*){2,3}[\]】]?(?:\s*[【\[]?(?:打印|关闭|收藏)[】\]]?)*",
    r"(?:[【\[](?:打印|关闭|收藏|分享|纠错|返回)[】\]]\s*){1,5}",
    r"(?:javascript is (?:disabled|required)|please enable javascript|您的浏览器不支持).*",
)
"""Lines that are part of no document, wherever they stand."""
MENU = pattern(
    r"home|menu|search|login|log ?in|log ?out|sign ?(?:in|up|out)|register|subscribe|newsletter",
    r"contact(?: us)?|about(?: us)?|privacy(?: policy)?|terms(?: (?:of (?:use|service)|& conditions))?",
    r"sitemap|help|faq|careers?|jobs|print|share|tweet|e-?mail|rss|previous|next|back|more|read more",
    r"load more|close|accept|reject|cookies?|imprint|youtube|instagram|github|languages?",
    r"english|deutsch|français|español|中文|简体中文|繁體中文",
    NETWORKS,
    r"首页|主页|菜单|搜索|登录|注册|退出|订阅|联系我们|关于我们|隐私(?:政策|声明)|使用条款|服务条款|网站地图",
    r"帮助(?:中心)?|打印|分享|收藏|上一[页篇]|下一[页篇]|返回|更多|查看更多|阅读全文|阅读原文|关闭|友情链接",
    r"加入我们|招聘|客服|购物车|我的(?:账户|订单)",
)
"""Lines that are a menu where several stand together; one alone may be a word of the text."""
COPYRIGHT = pattern(
    r"(?:©|\(c\)|copyright\b|版权所有|著作权).*",
    r"(?:.{0,80}\b)?all rights reserved\.?|保留(?:所有|一切)权利。?",
    r"[京沪粤浙苏鲁川渝]ICP备.{4,20}号.*",
)
"""Lines that a document needs once."""
