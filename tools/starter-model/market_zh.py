"""Chinese market notes, earnings notes and industry briefs."""

import attitudes
import core
import phrases_zh

# Clauses that state a fact; they end without punctuation, and a few are whole sentences by themselves.
LEAD_FACTS = """
<t:{period}>[，|]<s:{region}{product}{metric}><a:[达|达到|为|约为|升至|增至|突破|录得]><r:{value}，同比增长{pct}>
<t:{period}>[，|]<s:{region}{product}{metric}><a:[达|达到|为|降至|跌至|回落至|收窄至]><r:{value}，同比下降{pct}>
<t:{period}><s:{region}{industry}行业{metric}><a:[达|为|合计]><r:{value}，环比[增长|上升|提高]{pct}>
<t:{period}><s:{org}><a:实现><r:营业收入{money}，同比增长{pct}>
!<t:{period}>，<s:{org}><a:实现><r:净利润{money}，同比[下滑|减少|下降]{pct}>
<s:{org}><t:{period}><a:[实现|完成]><r:营收{money}，[高于|低于]市场预期的{money}>
<s:{org}><a:[公布|披露]><t:{period}><r:业绩，[营收|净利润]{money}，同比[增长|下降]{pct}>
<t:{period}>，<s:{org}{metric}><a:为><r:{value}，较[上年同期|去年同期|上季度|年初][提升|下降|增加|减少]{points}>
据{org}统计，<t:{period}><s:{region}{product}{metric}><a:[为|达]><r:{value}>
{org}数据显示，<t:{period}><s:{product}{metric}><a:[升至|降至|达到]><r:{value}>
<t:{period}>，<s:{region}新增{product}><a:[达|为|超过]><r:{count}，同比[增长|下降]{pct}>
<t:{period}><s:{product}{metric}><a:首次[突破|超过|跌破]><r:{value}>
<t:{date}>，<s:{org}><a:[发布公告称|宣布]><r:，{period}{metric}为{value}>
从{industry}行业看，<t:{period}><s:{metric}><a:[报|录得|为]><r:{value}，[涨幅|跌幅|增幅|降幅]{pct}>
<t:{period}><s:{city}{product}成交><a:[共计|合计|累计]><r:{count}，金额{money}>
"""
FACTS = """
<s:[股价|{org}股价|指数]><t:{recent}><a:[收涨|收跌|上涨|下跌|大跌|微涨]><r:{pct}，[报|收于]{yuan}>
<s:{product}[旺季|淡季|促销季]><a:[带动|拉动]><r:{segment}[增长|回升]{pct}>
<s:[利润|营收|{metric}][高于|低于|好于|不及]预期><a:[约|达]><r:{pct}>
<s:{org}><a:[上调|下调|调整]><r:{product}[售价|报价]{pct}>，<t:{date}起>[执行|生效]
<s:[分析师|机构|{org}]><a:[预计|预测|估计]><r:{metric}<t:{period}>将[达到|回落至|增至]{value}>
<s:{city}和{city}><a:[合计|共]贡献><r:{pct}的[销量|收入|订单]>
<s:{org}><t:{period}><a:[亏损|盈利]><r:{money}，[上年同期|去年]为{money}>
!<s:{org}>以<r:{value}><a:{rank}>
<s:{org}>以<r:{pct}的[市场份额|市占率]><a:{rank}>
<s:{org}{metric}><a:[为|达|约]><r:{value}>
<s:{org}><a:[售出|交付|出货|卖出]><r:{count}，[同比|环比][增长|下降|增加|减少]{pct}>
!<s:{segment}占比><a:[升至|达到|降至|为|提高到]><r:{pct}>
<s:{segment}占比>[由|从]{pct}<a:[升至|提高到|降至|提升至|下滑到]><r:{pct}>
<s:{segment}><a:贡献[了|]><r:{pct}的[增量|收入|销量|订单]>
其中<s:{segment}><a:[同比增长|同比下降|增长|下降|环比增长]><r:{pct}>
<s:[{metric}|{product}{metric}]>[由|从]{value}<a:[改善至|提高到|提升至|下滑至|降到|扩大到]><r:{value}>
!<s:[期末库存|应收账款|经营现金流|研发费用|销售费用|合同负债|资本开支]><a:[为|达|降至|升至|增至]><r:{money}>
<s:[前五大厂商|头部三家企业|前十名品牌]><a:合计占><r:{pct}的[份额|市场|销量]>
<s:{org}><a:[计划|拟|预计]><t:{period}><r:[新增|建成|开设|投放]{count:家 个 座 条产线 家门店 万台 名员工}>
<t:{date}>，<s:{org}><a:[发布|推出|上线|上市]><r:[新款|新一代|]{newproduct}，[起售价|定价|售价]{yuan}>
<t:{date}><s:{org}><a:[签署|签下|中标|取得]><r:[总额|价值|金额]{money}的[订单|合同|采购协议|项目]>
<s:董事会><a:[批准|通过][了|]><r:[不超过|最高]{money}的[回购|扩产|分红|增资]计划>
<s:{org}><a:[关闭|新开|裁撤|签约]><r:{count:家 个 余家}[门店|网点|工厂|经销商]>
<s:{city}><a:[新增|拥有|关停]><r:{count:家 余家 户}{industry}企业>
<s:{product}[均价|价格|批发价]><a:[较上月|较年初|环比|比去年同期][上涨|下跌|回落|提高]><r:{pct}，[至|报]{yuan}>
<s:{product}平均[售价|价格]><a:[降至|升至|维持在|跌破]><r:{yuan}[左右|附近|]>
<t:{period}><s:{region}{product}出口><a:[增长|下降|下滑|攀升]><r:{pct}，[至|达]{count}>
<s:{org}><a:召回><r:{count}存在[电池|刹车|漏电|包装]隐患的{product}>
<s:{org}将全年{metric}目标><a:[上调|下调]至><r:{value}>
<s:管理层><a:维持><r:全年{metric}{value}的指引不变>
<s:{org}><a:[投资|斥资|投入]><r:{money}[建设|扩建|改造]{city}{product}[基地|产线|中心]>
<s:线上渠道><a:占><r:总销量的{pct}，线下占{pct}>
!<s:{region}市场><a:同比[增长|下滑]><r:{pct}，{city}[最为突出|居首|垫底]>
!<s:新品><a:上市><t:{day}><r:[售出|订出]{count}>
<s:{org}与{org}的差距><a:[缩小|扩大]至><r:{value}>
<s:[客户流失率|续约率|产能利用率|净留存率|坏账率|退货率|投诉率|复购率]><a:[升至|降至|达到|回落到|维持在]><r:{pct}>
"""
# Two rivals in one sentence are two facts.
RANKING = """
<s:{org}>以<r:{value}><a:{rank}>
<s:{org}>以<r:{count}的[销量|交付量|出货量]><a:{rank}>
<s:{org}>凭借<r:{pct}的[份额|市占率]><a:{rank}>
<s:{org}>[销量|营收|{metric}]<a:[为|达]><r:{value}>，{rank}
"""
FOLLOWERS = """
<s:{org}{metric}><a:[为|约为|达]><r:{value}>
<s:{org}><a:[售出|交付|完成]><r:{count}>
<s:{org}>[则|]以<r:{value}><a:{rank}>
<s:{org}[份额|占比|增速]><a:[为|仅为]><r:{pct}>
<s:{org}><a:紧随其后>，<r:[为|达]{value}>
"""
# A survey sentence: fact and viewpoint at once, with details in brackets.
SURVEYS = """
!<s:[一项|最新][用户|消费者]访谈><a:提到><r:，<m:<x:{driver}>（{detail}）与<y:{driver}>（{detail}）成为[两个主要理由|推动因素]>> => claim: 作者认为$x与$y是关键驱动因素
<s:[用户|消费者|行业|客户|市场|经销商|问卷]调研><a:显示><r:，<m:<x:{driver}>（{detail}）与<y:{driver}>（{detail}）是[两大|两项]关键[驱动因素|原因|动力]>> => claim: 作者认为$x与$y是关键驱动因素
<s:{org}调查><a:[显示|表明|发现]><r:，<m:<x:{driver}>（{detail}）是[主要|首要|核心][原因|动力|驱动因素]>> => claim: 作者认为$x是主要驱动因素
<s:对{count:名用户 位消费者 家客户 户家庭 名车主}的抽样访问><a:[显示|表明]><r:，<m:<x:{driver}>（{detail}）和<y:{driver}>（{detail}）[最受关注|推动了增长|是增长的主因]>> => claim: 作者认为$x和$y推动了增长
<s:[问卷结果|回访记录|第三方调研]><a:[显示|表明]><r:，{pct}[受访者|用户|客户|被访者]认为<x:{driver}>[是购买的首要理由|比价格更重要|影响了决策]> => claim: 作者认为$x对购买决策最重要
"""
VIEW_FACTS = """
<s:<x:{segment}>占比><a:首次[突破|超过]><r:{pct}，<m:成为<y:[市场主力|增长主力|第一大来源|新的基本盘|最大板块]>>> => judgement: 作者判断$x已成为$y
<s:<x:{segment}>><a:[同比|逆势]增长><r:{pct}，<m:[跑赢大盘|明显快于行业|领先全行业]>> => judgement: 作者判断$x的增长快于行业
!<s:<x:{product}>{metric}><a:[升至|达到]><r:{value}，<m:[创历史新高|刷新纪录|为近年最好水平]>> => judgement: 作者判断$x创下新高
<s:<x:{segment}>><a:[同比|环比]下降><r:{pct}，<m:[拖累整体表现|成为最大拖累|表现最弱]>> => judgement: 作者判断$x拖累了整体表现
"""
POSITIVE_VIEWS = """
!<x:{segment}>[势头强劲|表现抢眼]，[后市可期|空间广阔] => stance: 作者看好$x的前景
!<x:{driver}>与<y:{driver}>是[两大|主要|]驱动因素 => claim: 作者认为$x与$y是主要驱动因素
<x:{segment}>[正|正在|已经]成为<y:[市场主力|增长引擎|新的增长点|竞争焦点]> => judgement: 作者判断$x正成为$y
我们[看好|继续看好|坚定看好]<x:{segment}>的[长期空间|增长潜力|后续表现] => stance: 作者看好$x的前景
<x:{industry}行业>[景气度|复苏势头]仍在[上行|增强]，[全年目标有望超额完成|后劲充足|拐点已现] => judgement: 作者判断$x景气上行
[可以说|毫无疑问|显然]，<x:{org}>[已经走出低谷|打了一场漂亮的翻身仗|站稳了脚跟] => judgement: 作者判断$x已经走出低谷
<x:{driver}>[带动|推动|支撑]了<y:{product}>需求的[持续释放|快速回升|稳步增长] => claim: 作者认为$x带动了$y的需求
[预计|相信]<x:{product}>在[下半年|明年|未来两年][将|会|有望][保持较快增长|延续升势|进一步放量] => judgement: 作者判断$x将保持增长
<x:{org}>的[战略定力|执行力|产品力]值得[肯定|称道|同行学习] => stance: 作者肯定$x的表现
[竞争格局正在优化|供需关系明显改善|行业出清接近尾声]，<x:{segment}>[将率先受益|最有潜力] => judgement: 作者判断$x将率先受益
"""
NEGATIVE_VIEWS = """
!<x:{segment}>的[颓势|下滑][有目共睹|触目惊心]，[拐点遥遥无期|管理层却毫无对策] => judgement: 作者对$x的前景感到担忧
<x:{industry}行业>的[寒意|压力|困难]还[没有结束|在加深|看不到头] => judgement: 作者判断$x仍将承压
<x:{segment}>[持续萎缩|明显失速|陷入价格战]，[令人担忧|前景不容乐观|短期难见起色] => judgement: 作者对$x的前景感到担忧
[这样的|如此]业绩[很难|难以]让[投资者|市场|股东]满意，<x:{org}>需要[拿出解释|反思战略|尽快调整] => stance: 作者对$x的业绩不满
<x:{org}>[错失了窗口期|反应过慢|管理混乱]，[份额被对手蚕食|教训深刻|后果正在显现] => stance: 作者批评$x应对失当
<x:{product}>[供过于求|库存高企|需求疲软]的[局面|问题]短期[难以缓解|难以扭转|不会改变] => judgement: 作者判断$x的困境短期难以缓解
我们[不看好|对]<x:{segment}>[的后续走势|持谨慎态度|仍不乐观] => stance: 作者不看好$x
[继续降价|盲目扩产|一味补贴]只会[伤害整个行业|透支未来|加剧亏损]，<x:{org}>[应当停手|难辞其咎] => stance: 作者反对$x的做法
"""
DOUBT_VIEWS = """
[不过|但|然而]，<x:{segment}>[的可持续性仍有待观察|能否延续尚是未知数|的水分有多大，没有人说得清] => judgement: 作者怀疑$x能否持续
[数字好看|账面亮眼|成绩单漂亮]，[可|但]<x:{org}>对[库存|现金流|退货|续约]问题[避而不谈|三缄其口|一笔带过] => stance: 作者质疑$x回避问题
[增长的背后|热闹的背后|光鲜的数据之下]，<x:{segment}>的[隐忧|压力|风险]不容[忽视|低估|回避] => judgement: 作者认为$x存在隐忧
![问题在于|值得警惕的是|真正的考验在于]，<x:{driver}>[的红利正在消退|难以长期依赖|只是一次性因素] => claim: 作者认为$x难以长期依赖
[管理层|公司|负责人]称“[一切正常|基本面稳固|订单饱满]”，[却|但][没有回答|始终回避]<x:{segment}>[是否下滑|为何放缓]的[问题|追问] => stance: 作者质疑管理层回避$x的问题
"""
NEUTRAL_VIEWS = """
[总体来看|整体看|综合来看]，<x:{industry}行业>[运行平稳|与上期基本持平|变化不大|延续此前走势] => judgement: 作者判断$x运行平稳
<x:{segment}>与<y:{segment}>[各有增减|走势分化|一升一降] => judgement: 作者指出$x与$y走势分化
[后续走势|具体影响|政策效果]取决于<x:{driver}>的[进度|程度|节奏] => claim: 作者认为后续取决于$x
!以上数据[仅供参考|为初步统计|未经审计]，<x:{metric}>以[正式公告|年报|官方口径]为准 => claim: 作者说明$x以正式口径为准
<x:{product}>市场[供需基本平衡|价格窄幅波动|观望情绪较浓] => judgement: 作者判断$x市场总体平稳
"""
LEADS_IN = ["值得注意的是，", "此外，", "与此同时，", "另一方面，", "具体来看，", "同期，", "从渠道看，", "另外，", "其中，", "数据还显示，", "分品牌看，", "报告指出，"]
LINKS = ["而", "但", "同时", "其中", "不过", "并且", "另外", "随后", "反观", "至于"]
FILLERS = """
[以下为要点摘录|现将情况简要汇总如下|本期简报如下]。
[更多数据将在月报中披露|详细图表见附件|有兴趣的读者可参阅全文]。
[业内人士对此看法不一|相关讨论仍在继续|市场反应暂时平静]。
[本文不构成投资建议|口径与往期一致|样本覆盖主要城市]。
【{industry}[周报|快讯|观察|简报]】
[记者|编辑|分析师]{person}[报道|整理|撰稿]。
"""
MOODS = {
    "positive": ("positive", POSITIVE_VIEWS + attitudes.POSITIVE, [("客观陈述，略带肯定", "对前景持乐观态度"), ("冷静客观", "看好增长势头"), ("积极明快", "充满信心")], (3, 4)),
    "negative": ("negative", NEGATIVE_VIEWS + attitudes.NEGATIVE, [("直接而严肃", "对前景悲观"), ("语气沉重", "失望与担忧"), ("冷静客观", "对现状不满")], (3, 4)),
    "doubt": ("mixed", DOUBT_VIEWS + attitudes.DOUBT, [("表面肯定，数据亮眼", "肯定成绩但怀疑其持续性"), ("客观平实", "好数字背后存有疑虑")], (3, 3)),
    "neutral": ("neutral", NEUTRAL_VIEWS + attitudes.NEUTRAL, [("客观中立", "不作褒贬，只陈述事实"), ("平铺直叙", "没有明显的情感倾向")], (1, 1)),
}


def lines(block):
    return [line for line in block.strip().splitlines() if line]


def fact_frames(w):
    """An endless supply of fact templates, none of the fixed ones twice."""
    used = set()
    while True:
        if w.chance(0.4):
            yield w.general_fact()
            continue
        template = w.template(lines(w.pick([FACTS, FACTS, LEAD_FACTS, phrases_zh.MARKET_FACTS, phrases_zh.MARKET_FACTS])))
        if template not in used:
            used.add(template)
            yield template


def market(w):
    """A market or earnings note: facts first, opinions among or after them."""
    mood = w.pick([*MOODS, "positive"])
    polarity, views, tones, (low, high) = MOODS[mood]
    sentences = []
    if w.chance(0.15):
        sentences.append([w.plain(w.template(lines(FILLERS)))])
    sentences.append([w.fact(w.template(lines(LEAD_FACTS)) if w.chance(0.75) else w.general_fact())])
    frames = fact_frames(w)
    if w.chance(0.25):
        sentences.append([w.fact(w.template(lines(RANKING))), w.fact(w.template(lines(FOLLOWERS)))])
    for _ in range(w.rng.choice([1, 1, 2, 2, 3, 4])):
        clause = [w.fact(next(frames))]
        if w.chance(0.3):
            clause.append(w.fact(next(frames)))
        sentences.append(clause)
    opinions = []
    if mood == "positive" and w.chance(0.6):
        opinions.append([w.fact_view(w.template(lines(VIEW_FACTS)[:3]))])
    if mood == "negative" and w.chance(0.3):
        opinions.append([w.fact_view(w.template(lines(VIEW_FACTS)[3:]))])
    if mood == "positive" and w.chance(0.8) or mood == "neutral" and w.chance(0.3):
        opinions.append([w.fact_view(w.template(lines(SURVEYS)))])
    if not opinions or mood in ("doubt", "neutral") or w.chance(0.4):
        opinions.append([w.view(w.opinion(polarity) if w.chance(0.35) else w.template(lines(views)))])
    if mood == "doubt" and w.chance(0.4):
        opinions.insert(0, [w.view(w.template(lines(POSITIVE_VIEWS)))])
    key = opinions[-1][0] if mood != "positive" else w.pick(opinions)[0]
    for opinion in opinions[:-1]:
        sentences.insert(w.rng.randint(1, len(sentences)), opinion)
    sentences.append(opinions[-1])
    if w.chance(0.15):
        sentences.append([w.plain(w.template(lines(FILLERS)[1:4]))])
    segments = join_zh(w, sentences)
    tone, attitude = w.pick(tones)
    confidence = "high" if mood in ("neutral", "positive") else "medium"
    return segments, core.sentiment(key.mood_quote, tone, attitude, polarity, w.pick([low, high]), confidence)


def join_zh(w, sentences):
    """Puts the clauses together: commas or semicolons within a sentence, sometimes a lead-in before it."""
    segments = []
    for i, sentence in enumerate(sentences):
        fact_only = all(s.fact and not s.view for s in sentence)
        if i and (fact_only or sentence[0].fact) and w.chance(0.3):
            segments.append(core.Segment(w.pick(LEADS_IN)))
        for j, clause in enumerate(sentence):
            segments.append(clause)
            if j + 1 < len(sentence):
                segments.append(core.Segment(w.pick("，，，；") + (w.pick(LINKS) if clause.fact and w.chance(0.2) else "")))
            elif not clause.text.endswith(("。", "】", "！", "？", "：")):
                segments.append(core.Segment("。"))
    return segments
