"""Opinions put together from parts, Chinese and English: whose matter, a lead-in, an adverb, a judgement. The statement
is built from the copied subject and judgement, so it carries over to words never seen. "!": kept for the evaluation."""

import evaluations_en
import evaluations_zh
import phrases_en
import phrases_zh

JUDGEMENTS_ZH = {
    "positive": ("令人振奋 值得期待 可圈可点 远超同行 恰到好处 前景广阔 诚意十足 物超所值 让人放心 越来越好 功不可没 经得起考验 走在了前面 很有远见 令人钦佩 "
                 "扎实稳健 后劲十足 无可替代 名副其实 深得人心 相当出色 十分及时 超出预期 非常专业 很有说服力 让人眼前一亮 !有口皆碑 !首屈一指 !令人欣慰").split(),
    "negative": ("令人失望 一塌糊涂 漏洞百出 得不偿失 形同虚设 难以服众 华而不实 让人寒心 后患无穷 缺乏诚意 名不副实 每况愈下 敷衍了事 不堪一击 太不负责任 "
                 "难以接受 令人担忧 严重滞后 毫无新意 站不住脚 十分混乱 不得人心 非常糟糕 让人心灰意冷 早该改了 !乏善可陈 !令人发指 !荒唐可笑").split(),
    "mixed": ("有待观察 难言乐观 存在变数 未必可靠 经不起细看 恐难持久 尚无定论 喜忧参半 有得有失 好坏参半 只对了一半 还不能下结论 值得商榷 虚实难辨 "
              "!利弊互见 !令人将信将疑").split(),
    "neutral": ("符合预期 变化不大 基本持平 中规中矩 没有悬念 与往年相当 仍在正常范围 尚处于初期 总体稳定 有规律可循 属于常规安排 !波澜不惊 !不好不坏").split(),
}
ASPECTS_ZH = ("表现 策略 定价 服务 质量 速度 管理 应对 口碑 设计 布局 决心 安排 方案 态度 执行力 承诺 节奏 体验 流程 效果 处理方式 走势 解释 沟通 逻辑 "
              "价值 回报 转型 竞争力").split()
LEADS_ZH = ("我认为 在我看来， 坦率地说， 说到底， 客观地讲， 老实说， 无论如何， 不得不说， 我觉得 总的来说， 笔者认为， 平心而论， 归根结底， 依我看， "
            "事实证明， 毫不夸张地说， 我始终认为， 恕我直言，").split()
ADVERBS_ZH = "实在 确实 的确 着实 未免 明显 已经 依然 仍然 显得 可以说 真的 简直 多少有些".split()
TAILS_ZH = {
    "positive": ["，值得点赞", "，我愿意继续支持", "，期待更多惊喜", "，这一步走对了"],
    "negative": ["，必须有人负责", "，再不改就晚了", "，我无法认同", "，希望引以为戒"],
    "mixed": ["，还要再看一看", "，先不急着叫好", "，谨慎一点没坏处"],
    "neutral": ["，后续再作说明", "，具体以通知为准", "，照常推进即可"],
}
STANCES_ZH = {
    "positive": "支持 赞成 欢迎 力挺 看好 !拥护".split(),
    "negative": "反对 抵制 谴责 抗议 不看好 拒绝 !唾弃".split(),
    "mixed": "暂不评价 谨慎看待 有条件支持 保留意见地接受".split(),
    "neutral": "注意到 了解 知悉 正在评估".split(),
}

JUDGEMENTS_EN = {
    "positive": ("impressive;encouraging;well judged;worth every penny;a clear success;better than expected;very professional;on the right track;"
                 "reassuring;outstanding;sound;convincing;!admirable;!second to none").split(";"),
    "negative": ("disappointing;a mess;unacceptable;badly planned;far too slow;unfair;careless;not good enough;a waste of time;misleading;alarming;"
                 "out of touch;!dreadful;!a shambles").split(";"),
    "mixed": ("hard to judge;open to doubt;only half convincing;not without risk;a mixed blessing;too good to last;unproven;!a double-edged sword").split(";"),
    "neutral": ("in line with expectations;broadly unchanged;routine;about average;still at an early stage;!neither here nor there").split(";"),
}
ASPECTS_EN = ("strategy;pricing;service;quality;planning;response;design;attitude;timing;communication;performance;training;handling;approach;"
              "explanation;leadership").split(";")
LEADS_EN = ["", "", "I think ", "in my view, ", "frankly, ", "all things considered, ", "to be honest, ", "we believe ", "it seems to me that "]
VERBS_EN = ["is", "is", "seems", "looks", "remains", "has been", "is simply", "is clearly"]


class OpinionsZh(evaluations_zh.EvaluationsZh):
    def opinion(self, polarity):
        if self.chance(0.3):
            return self.template(phrases_zh.lines(phrases_zh.VIEWS[polarity]))
        if self.chance(0.25):
            return self.evaluative_view(polarity)
        topic = self.pick(["{org}的{aspect}", "{org}的{aspect}", "{segment}的{aspect}", "{product}的{aspect}", "{policy}", "{dept}的{aspect}", "这次{aspect}",
                           "这个{aspect}", "{city}的{aspect}", "{driver}", "{person}的{aspect}", "{topic}"])
        if self.chance(0.2):
            who = self.pick(["我们", "我", "笔者", "大家", "业内", "我个人"])
            adverb = self.pick(["", "", "坚决", "明确", "依然", "始终"]) if polarity in ("positive", "negative") else ""
            stance = self.side(STANCES_ZH[polarity])
            return f"{who}{adverb}{stance}<x:{topic}>{self.pick(TAILS_ZH[polarity]) if self.chance(0.3) else ''} => stance: 作者{stance}$x"
        lead = self.pick(LEADS_ZH) if self.chance(0.5) else ""
        adverb = self.pick(ADVERBS_ZH) if self.chance(0.5) else ""
        tail = self.pick(TAILS_ZH[polarity]) if self.chance(0.3) else ""
        judgement = self.side(JUDGEMENTS_ZH[polarity]) if self.chance(0.25) else self.judgement(polarity)
        return f"{lead}<x:{topic}>{adverb}<y:{judgement}>{tail} => judgement: 作者认为$x$y"

    def slot_aspect(self):
        return self.pick(ASPECTS_ZH)


class OpinionsEn(evaluations_en.EvaluationsEn):
    def opinion(self, polarity):
        if self.chance(0.4):
            return self.template(phrases_zh.lines(phrases_en.VIEWS[polarity]))
        topic = self.pick(["the {aspect} of {org}", "the {aspect}", "{org}'s {aspect}", "the {aspect} in {dept}", "{policy}", "{person}'s {aspect}", "this {aspect}",
                           "the {aspect} of the {item}"])
        if self.chance(0.6):
            return f"{self.pick(LEADS_EN)}<x:{topic}> <y:{self.judgement(polarity)}> => judgement: The author holds that $x $y"
        return (f"{self.pick(LEADS_EN)}<x:{topic}> {self.pick(VERBS_EN)} <y:{self.side(JUDGEMENTS_EN[polarity])}>"
                " => judgement: The author finds $x $y")

    def slot_aspect(self):
        return self.pick(ASPECTS_EN)
