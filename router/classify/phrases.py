"""What vendors' sentences mean, in English and Chinese: ordered rules, the first that matches decides.

The wording is general on purpose: a vendor that nobody has seen yet speaks of its limits in much the same words.
Patterns are written in the language of `patterns.py` and searched in folded lower case.
"""

from __future__ import annotations

from router.classify.patterns import phrase
from router.faults import Kind


def meaning(text: str, status: int | None) -> Kind | None:
    """What a text in folded lower case says, None where no rule speaks of it."""
    return next((rule.kind for rule in PHRASES if rule.fits(text, status)), None) if text else None


_REFUSED: frozenset[int | None] = frozenset({200, 401, 403, None})

PHRASES = (
    # Where the caller sits: such sentences also say "not allowed", "access", "model".
    phrase(
        Kind.REGION_BLOCKED,
        r"PLACE…(?:not (?:currently )?(?:supported|available|allowed)|unsupported|prohibited|forbidden)",
        r"(?:unsupported|restricted|prohibited|embargoed|sanctioned)…PLACE",
        r"not (?:currently |yet )?(?:available|supported|allowed|permitted|offered|accessible)‥"
        r" (?:in|from|for) (?:your|this|the) (?:current )?(?:PLACE|area)",
        r"(?:block|den(?:y|ied)|refus)…\b(?:from|in|for) (?:your|this) (?:PLACE)|error code: 1009"
        r"|^request not allowed$",
        r"(?:国家|地区|区域)‥(?:不支持|不可用|受限|限制|无法|禁止)|不支持‥(?:国家|地区)",
        unless=r"servable in|(?:in|for) (?:the )?(?:region|location) [a-z]+-[a-z]|different region"
        r"|parameter|field|argument"
        r"|deployment",
    ),
    # From which address. "IP" needs a word of refusal beside it.
    phrase(
        Kind.IP_BLOCKED,
        r"\bip\b…(?:not (?:in|on|allowed|authori[sz]ed|permitted|whitelisted)|block|banned|forbidden"
        r"|denied|restrict"
        r"|violates|mismatch|unauthori[sz]ed)",
        r"(?:block|\bban(?:ned)?\b|forbidden|denied|authori[sz]ed|allowed|approved|whitelist|allow.?list"
        r"|restrict)…"
        r"\bips?\b",
        r"virtual network|\bvnet\b|firewall|public (?:network )?access is disabled|private endpoint",
        r"unusual traffic|automated queries|network settings|error code: 10(?:05|06|07|08|10|12|15|20)\b",
        r"\bip\b‥(?:不在|限制|禁止|封|拒绝|未授权|异常)|白名单|网段",
    ),
    phrase(
        Kind.DAILY_QUOTA,
        r"limit exceeded \((?:daily|weekly|monthly)|usage limit…(?:billing cycle|current cycle)",
        r"WINDOW (?:allocated )?quota|WINDOW usage limit|reached your WINDOW usage",
    ),
    # Seen as a burst's throttle though it speaks of funds: https://github.com/XiaomiMiMo/MiMo/issues/99
    phrase(Kind.CONCURRENCY, r"^upstream request failed: insufficient account funds$"),
    # A limit of nothing is no limit to wait for: this account may not use the model at all.
    phrase(
        Kind.PERMISSION,
        r"\blimit(?: of|:| is| set to)? 0\b(?![.,]?\d)",
    ),
    # Money, said outright. "Suspended due to insufficient balance" is money, not a ban.
    phrase(
        Kind.NO_CREDIT,
        r"insufficient[ _](?:\S+[ _])?(?:balance|credits?|funds?)|not enough (?:credits?|balance|funds"
        r"|money)",
        r"(?:balance|credits?|funds?)‥(?:insufficient|too low|not enough|is low|exhaust|depleted|used up"
        r"|r[ua]n out"
        r"|negative|is empty|expired)",
        r"\b(?:no|zero|0|any|add|more|purchase|buy) (?:prepaid |remaining |available |more |your )?"
        r"(?:credits?|balance|funds)\b",
        r"(?:out of|used (?:up )?(?:all|your)|exhausted|exceeded|depleted|can only afford)…\b(?:credits?"
        r"|funds|balance)\b",
        r"credit[ _](?:limit|balance)‥(?:exceed|reach|low)|maximum credit limit",
        r"(?:spend|spending|billing|budget|cost)[ _](?:hard[ _])?(?:limit|cap|alert)|budget (?:limit "
        r"|has been )?exceeded"
        r"|exceeded (?:\S+ ){0,2}budget",
        r"usage limits?…(?:assigned by|monthly limit)|specified api usage limits|monthly limit",
        r"payment (?:required|method|instrument)|past (?:due )?invoices?|\boverdue\b|\barrears?\b"
        r"|\bunpaid\b|past due"
        r"|good standing|(?:requires?|enable|without|no) billing|billing (?:to be|is not|not) (?:enabled"
        r"|active)",
        r"(?:billing|payment|subscription|plan)‥(?:not active|inactive|expired|lapsed|failed|declined)"
        r"|(?:inactive|expired|no active) (?:subscription|plan)|account (?:is )?(?:not active|inactive)"
        r"|(?:active|valid)‥subscription (?:is )?required|not have a valid‥subscription",
        r"top[ -]?up\b|\brecharge\b|free (?:allocated |tier )?quota‥(?:exceed|exhaust|used)"
        r"|free tier‥exhausted",
        r"(?:token|user|account)['s]* (?:remaining )?quota‥(?:not enough|insufficient|exhaust)"
        r"|tokens\.total",
        r"\bextra usage\b|max(?:imum)? budget|余额|欠费|充值|资源包|套餐‥(?:到期|过期|用尽|用完|耗尽)"
        r"|额度‥(?:不足|用完|用尽|耗尽)|扣费"
        r"|费用不足|未付|账单",
        r"免费额度|配额(?:不足|已用完|耗尽)",
        unless=r"credits? to unlock|per[- ]day|reduced to \d+ requests|less than \$"
        r"|rate limit (?:exceeded|reached)|(?:requests|queries|calls) per min|from your available balance|\bdaily\b"
        r"|thinking|purchase more \S*(?:throughput|capacity)|rate limited",
    ),
    # A window of hours or more that comes back by itself.
    phrase(
        Kind.DAILY_QUOTA,
        r"\bper[ -_]?(?:day|24 ?h|week|month)|/ ?(?:day|week|month)\b|\b(?:rpd|tpd|ipd)\b|\bdaily\b"
        r"|by ?day\b|today",
        r"\b(?:weekly|monthly|hourly) (?:\S+ )?(?:usage|quota|limit|request|allowance|cap|rate)",
        r"\d[ -]?(?:day|hour|week)s?[ -](?:rate |usage |quota|window|limit)|WINDOW…(?:limit"
        r"|quota)‥(?:reach|exceed|exhaust)",
        r"usage limit (?:has been )?(?:reached|exceeded)|free usage limit|reached (?:your"
        r"|the) usage limit|usage_limit_reached",
        r"(?:limit|quota) (?:will )?resets? (?:in|after|at|on)‥(?:\d ?(?:h|d)|hours?|days?|midnight)"
        r"|per 86400",
        r"今日|今天|每日|当日|当天|每天|日限额|日配额|每周|每月|本月|本周|使用上限|小时‥(?:上限"
        r"|限额)|套餐‥上限",
    ),
    phrase(
        Kind.ACCOUNT_BANNED,
        r"\bWHO\b…\b(?:been|is|was|are) (?:\S+ ){0,2}GONE\b|\b(?:account|organi[sz]ation|project"
        r"|team) GONE\b",
        r"\bGONE (?:\S+ ){0,2}(?:account|organi[sz]ation|workspace|project)\b",
        r"denied access|access (?:was|has been|is) (?:terminated|suspended|revoked)|(?:violat"
        r"|breach)…our (?:terms|polic)",
        # A project whose quota of this name is used up for ever is shut: https://github.com/songquanpeng/one-api/issues/1775
        r"request limit per minute for a region",
        r"(?:账户|账号|帐号|帐户|用户|组织)‥(?:封禁|封停|锁定|冻结|禁用|停用|被封|注销|受限|异常)",
        unless=r"\bKEY\b‥\bGONE\b(?!…WHO)|safety|prompt|flagged|was (?:disabled|restricted) for this model"
        r"|function|tool|user (?:input|message|prompt|content)|api (?:is|has been) disabled"
        r"|or it is disabled",
    ),
    phrase(
        Kind.CONTENT_FILTER,
        r"content[- _]?(?:management |safety )?(?:filter|polic|moderation|exists risk|violat)|moderation"
        r"|flagged"
        r"|prompt injection|jailbreak|censor",
        r"(?:(?<!fair )usage|safety|acceptable use|cyber|responsible ai)[ -]?(?:polic|guideline|practice)",
        r"(?:considered|contains?|contain)‥(?:high risk|sensitive|inappropriate|unsafe|harmful|prohibited"
        r"|illegal)",
        r"(?:inappropriate|sensitive|unsafe|illegal|harmful|explicit) (?:\S+ )?(?:content|input|output"
        r"|information|words?|text"
        r"|data|messages?)\b",
        r"safety (?:filter|setting|system|reason|check|guard)|new[_ ]sensitive|data[ _]inspection"
        r"|due to safety"
        r"|blocked (?:input|output|by (?:a |the )?guardrail)|(?:input|output|prompt|response) (?:was |is "
        r"|has been )?blocked",
        r"敏感|违规|违禁|涉黄|涉政|不安全|安全审核|内容审核|内容安全|审核不通过|不合规|违反‥(?:规定"
        r"|政策|法规|策略)"
        r"|风险|不当内容|不合法内容",
    ),
    # Throttles with a name of their own.
    phrase(
        Kind.TOKEN_LIMIT,
        r"tokens?[ -_]?(?:per|/|each)[ -_]?(?:1 ?)?(?:min|sec)|\b(?:tpm|tps|itpm|otpm)\b"
        r"|tokens?[ -]rate[ -]limit",
        r"number of (?:\S+ )?tokens has exceeded|too many tokens, please wait|#token-limit"
        r"|allocated quota exceeded",
        r"tokens? (?:usage )?(?:quota|limit)‥(?:per|/) ?min|tokens?‥throttl"
        r"|input[ _]tokens?[ _](?:rate|quota|count, limit)",
        r"每分钟‥token|token‥(?:每分钟|速率|限流|频率)",
        unless=r"free allocated",
    ),
    phrase(
        Kind.CONCURRENCY,
        r"concurren|simultaneous|parallel requests|in parallel|too many (?:open |active )?connections"
        r"|in[- ]flight",
        r"usage limits\. …dedicated capacity|usage limits(?:\.| ).{0,60}dedicated capacity",
        r"并发|同时(?:请求|调用|连接)",
        unless=r"(?:higher|more) concurrency",
    ),
    phrase(Kind.BAD_REQUEST, r"(?:payload|entity|body|content) (?:is )?too large", unless=r"\btokens?\b"),
    phrase(
        Kind.CONTEXT_LENGTH,
        r"context[ _-]?(?:length|window|size|limit)|maximum context|context‥overflow",
        r"max(?:imum)?[ _](?:model|input|sequence|prompt|message)s?[ _](?:length|len|token|character)",
        r"\b(?:prompt|inputs?|messages?|request|text|sequence|conversation|query)\b‥\btoo (?:long|large"
        r"|many tokens)",
        r"range of input length|input length|too many (?:input )?tokens|(?:input"
        r"|prompt) tokens?‥(?:exceed|limit)",
        r"exceed(?:s|ed|ing)?‥(?:tokens allowed|max(?:imum)?‥tokens|number of tokens|model token limit"
        r"|token limit)",
        r"tokens? (?:count )?(?:\S+ ){0,3}exceeds?|token count is|max length|tokens long|sequence length"
        r"|reduce (?:the )?(?:length|your (?:prompt|message|input))",
        r"tokens \+ .{0,5}max_new_tokens|must have less than \d+ tokens|max(?:imum)? size: \d+ tokens",
        r"上下文|输入‥(?:过长|超长|长度|超过|超出)|超过‥(?:最大)?(?:长度|token)|(?:token"
        r"|长度)‥(?:超限|超过|超出|过长|上限)|超长",
        unless=r"max_(?:completion_)?tokens (?:must|is too large|should)|per min|entity too large"
        r"|maximum tokens you requested",
    ),
    phrase(
        Kind.MODEL_NOT_FOUND,
        r"\b(?:models?|deployment|engine|endpoint|function|publisher model)\b…(?:not (?:be )?found"
        r"|not exist|n't exist"
        r"|unavailable for|not available|isn't (?:available|supported)|is not supported|not servable"
        r"|unsupported|inaccessible"
        r"|no longer|deprecated|decommissioned|retired|discontinued|sunset|not recogni[sz]ed|unknown"
        r"|end of (?:its )?life"
        r"|is offline|not valid|is invalid|not deployed|not running|not started|has been removed"
        r"|been taken offline)",
        r"(?:unknown|invalid|incorrect|unsupported|no such|unrecogni[sz]ed|nonexistent|not a valid"
        r"|not found the|unavailable"
        r"|non-serverless)[ _:](?:\S+ )?(?:model|deployment|engine)",
        r"no (?:available )?(?:channels?|endpoints?|providers?|instances?)(?: \S+){0,3}? (?:for|serving)"
        r"|try pulling"
        r"|no allowed providers|not a chat model|on-demand throughput"
        r"|模型‥(?:不存在|未找到|不支持|下线|无效|错误|不可用)",
        r"无可用(?:的)?渠道|(?:不存在|未知|无效|不支持)的?‥模型|没有‥模型|未找到‥(?:模型|渠道)",
        unless=r"tool use|cache control|image input|support (?:tools|images|tool|image|audio|the)"
        r"|does not support"
        r"|(?:with|by|for) this model|data policy|unsupported (?:value|parameter)|overload|capacity"
        r"|temporarily"
        r"|do(?:es)? not support|parameter|currently unavailable",
    ),
    # The credential: needs an outright word, and where it is a mere "key" or "token" a status that blames it.
    phrase(
        Kind.INVALID_KEY,
        r"\b(?:KEY|TOKEN)\b…(?:invalid|incorrect|missing|wrong)\S* or …(?:DEAD|expired)"
        r"|invalid or (?:expired|revoked|disabled)",
        statuses=_REFUSED,
    ),
    phrase(
        Kind.REVOKED_KEY,
        r"\bKEY\b…\b(?:DEAD|suspended|blocked|restricted by)\b|\bDEAD (?:\S+ ){0,2}KEY\b",
        r"(?:令牌|密钥|凭证|api ?key)‥(?:过期|禁用|停用|失效|吊销|删除|状态不可用|泄露)",
        unless=r"temporar|services?‥blocked|api.{0,20}methods?|requests to this api",
    ),
    phrase(
        Kind.REVOKED_KEY,
        r"\bTOKEN\b…\b(?:DEAD|suspended|blocked)\b|\bDEAD (?:\S+ ){0,2}TOKEN\b|(?:token"
        r"|key)‥(?:过期|失效|禁用)",
        statuses=_REFUSED,
    ),
    phrase(
        Kind.INVALID_KEY,
        r"(?:invalid|incorrect|wrong|missing|malformed|bad|unknown|no|unrecogni[sz]ed|provide an?"
        r"|pass a valid|illegal"
        r"|unauthori[sz]ed)[ _-](?:or \S+ )?(?:\S+ ){0,2}(?:KEY|authenticat|authori[sz]ation"
        r"|signature|bearer|auth\b)",
        r"\bKEY\b…(?:invalid|incorrect|not valid|not found|missing|required|wrong|malformed"
        r"|does not exist|not provided"
        r"|not recogni[sz]ed|unauthori[sz]ed)",
        r"authenticat\S*‥(?:fail|error|required|invalid|unsuccess)|auth(?:orization"
        r"|entication)? fail|not authenticated"
        r"|not authenticate|unauthori[sz]ed|unauthenticated|user not found|no cookie auth"
        r"|certification failed"
        r"|didn't provide an api key|did not pass a valid|unregistered callers|invalid username"
        r"|signature‥not match",
        r"(?:无效|错误|缺少|未提供|非法|不正确)的?‥(?:令牌|密钥|api ?key|鉴权|签名|凭证)|鉴权失败"
        r"|身份验证|认证失败|验证失败",
        r"(?:令牌|密钥|api ?key)‥(?:无效|错误|不存在|不正确|不合法|非法)|未授权|未登录|签名(?:错误|无效)",
        unless=r"insufficient (?:\S+ )?permission|sufficient permission|tool|function call",
    ),
    phrase(
        Kind.INVALID_KEY,
        r"(?:invalid|incorrect|wrong|missing|malformed|bad|unknown|no"
        r"|valid) (?:or \S+ )?(?:\S+ ){0,2}TOKEN\b",
        r"\bTOKEN\b…(?:invalid|incorrect|not valid|not found|missing|required|wrong|malformed"
        r"|does not exist|not provided)",
        r"(?:无效|错误|缺少|未提供|非法)的?‥(?:token|key)|(?:token|key)‥(?:无效|错误|不存在|不正确|非法)",
        statuses=_REFUSED,
    ),
    # The vendor's own trouble, before the throttles: "too many requests at the moment" is its load, not ours.
    phrase(
        Kind.OVERLOADED,
        r"overload|over capacity|at (?:full |max(?:imum)? )?capacity|capacity (?:exceeded|limits"
        r"|exhausted|constraint|issue)",
        r"\b(?:no|enough|insufficient|out of|lack of|limited|sufficient)‥ capacity|saturat|system capacity",
        r"\b(?:model|server|service|engine|system|cluster|we are)s?\b‥\bbusy|busy,? (?:please|try|retry"
        r"|now)|too busy",
        r"high (?:demand|load|traffic|volume)|heavy (?:load|traffic)|peak load|experiencing|(?:currently"
        r"|still|is) loading"
        r"|being loaded|warming up|no healthy upstream|maximum pending requests|worker local"
        r"|queue (?:is )?full|scaling up|cold start",
        r"(?:receiving|processing) too many requests|too many requests at (?:the|this) moment|not ready"
        r"|try a different model",
        r"temporarily (?:unavailable|limiting|out of|unable)|service (?:is )?(?:temporarily "
        r"|currently )?unavailable"
        r"|currently unavailable|aren't available right now|resource exhausted[.,] please try again",
        r"繁忙|负载|访问量过大|过载|拥挤|资源不足|排队|服务不可用|暂不可用|暂时不可用|拥堵",
    ),
    phrase(Kind.TIMEOUT, r"time[d]?[ -]?out|\bdeadline\b|took too long|超时"),
    phrase(
        Kind.RATE_LIMIT,
        r"rate[ -_]?limit|too many requests|throttl|(?:requests?|calls|queries)[ -_]?(?:per"
        r"|/)[ -_]?(?:min|sec|hour|1m|s\b)",
        r"\b(?:rpm|rps|qps|qpm)\b|(?:request|call)s? / (?:min|sec)|per[- ]minute|request limit"
        r"|too (?:frequent|fast|quickly)",
        r"slow down|quota exceeded for|limit (?:has been )?reached|burst|resource has been exhausted"
        r"|(?:exceed)…\blimits?\b"
        r"|requests? (?:quota|rate|frequency)|usage increase|scale up‥gradually",
        r"频繁|限流|速率|频率|请求过多|请求数‥(?:超|限)|qps|调用‥(?:超限|上限)|流量限制|限速|触发‥限制",
        unless=r"exceed‥(?:the )?(?:size|file|image|upload|length)|output tokens|max(?:imum)? tokens"
        r"|maximum tokens",
    ),
    phrase(
        Kind.PERMISSION,
        r"permission|not (?:authori[sz]ed|allowed|permitted|entitled|enabled|activated|granted"
        r"|subscribed)|\bdenied\b",
        r"no access|(?:not|n't) have access|without access|lacks? (?:the )?(?:access|permission|right)"
        r"|data policy|gated"
        r"|has not been used in project|(?:accept|agree)…(?:terms|license|agreement)|no ?auth ?error"
        r"|only authorized for",
        r"(?:requires?|upgrade)…(?:tier|plan|verif|subscription)|must be verified|cannot access"
        r"|unable to access"
        r"|missing scopes?|prohibited by organization|are blocked|\bopt[- ]in\b"
        r"|violation of provider|use case details",
        r"无权|没有权限|权限不足|无访问权限|未开通|未激活|未授予|暂无权限|实名|未订阅|未购买|禁用",
        unless=r"inputs? (?:is|are) not (?:permitted|allowed)|method not allowed",
    ),
    # Money in words that other vendors use for a minute's throttle: after the throttles.
    phrase(
        Kind.NO_CREDIT,
        r"exceeded (?:your )?current quota|plan and billing|quota…(?:exhaust|exceed|used up|insufficient"
        r"|not enough|reached)",
        r"insufficient quota|(?:exhausted|exceeded)‥quota|upgrade (?:your|to a) (?:paid )?plan"
        r"|usage limit|no quota|\bbilling\b",
        r"配额|额度|限额",
    ),
    phrase(
        Kind.SERVER_ERROR,
        r"internal(?: server| service)?[ _]error|unknown error|unexpected error"
        r"|server[ _](?:had an )?error|system error",
        r"bad gateway|upstream (?:error|connect)|something went wrong|out of memory|system memory"
        r"|\bcuda\b|disconnected"
        r"|provider unavailable|processing your request|provider returned error",
        r"内部错误|系统错误|服务异常|服务错误|未知错误|系统异常|服务器错误|网络错误",
    ),
    phrase(
        Kind.BAD_REQUEST,
        r"no endpoints found that support|(?:un|not )support(?:ed)? (?:param|value|field|tool|image"
        r"|media)|tool call validation",
        r"(?:invalid|malformed|bad|missing|illegal)[ _](?:\S+ )?(?:param|argument|request|value|schema"
        r"|json|format|field|type|role|body)",
        r"\b(?:field|parameter|argument|value|messages?|role|temperature|top_p|max_tokens|content)\b…"
        r"(?:must|required|invalid|cannot|unexpected|should)|extra inputs|validation error"
        r"|unable to parse|failed to parse",
        r"参数|格式(?:错误|不正确)|不能为空|非法请求|请求体",
    ),
)
