"""Chinese words that judge, and ways to build judgements from them: degree, negation, lack and abundance turn a word's
polarity, so the model has to read the whole phrase. Every eighth word of a list is kept for the evaluation."""


PARTS_OF_OTHERS = "不负责任 乐观 憋屈 扎实 混乱 眼前一亮 耐心 贴心 clear".split()


def words(block, separator=None):
    """The words of a list, every eighth marked as held out, save those that are parts of other phrases."""
    return ["!" + word if i % 8 == 7 and word not in PARTS_OF_OTHERS else word for i, word in enumerate(block.split(separator))]


PHRASES = {kind: words(block) for kind, block in {
    "positive": """
可喜可贺 有声有色 卓有成效 成绩斐然 硕果累累 蒸蒸日上 欣欣向荣 稳中向好 稳中有进 再创佳绩 更上层楼 大有可为 大有作为 未来可期 潜力巨大 优势明显 一骑绝尘 独占鳌头 名列前茅
遥遥领先 势如破竹 势不可挡 稳扎稳打 步步为营 脚踏实地 精益求精 一丝不苟 无微不至 体贴入微 周到细致 雪中送炭 锦上添花 如虎添翼 事半功倍 立竿见影 行之有效 物美价廉 货真价实
童叟无欺 用心良苦 尽职尽责 尽心尽力 任劳任怨 勇于担当 敢为人先 与时俱进 耳目一新 眼前一亮 赞不绝口 爱不释手 回味无穷 心满意足 喜出望外 心服口服 无懈可击 滴水不漏 井井有条
有条不紊 干净利落 雷厉风行 言出必行 说到做到 童心未泯 实至名归 当之无愧 功德无量 皆大欢喜 深入人心 众望所归 振奋人心 鼓舞人心 暖心 贴心 省心 放心 靠谱 给力 良心之作 业界标杆
行业典范 一流水准 上乘之选 明智之举 正确选择 及时有效 恰逢其时 来之不易 弥足珍贵 难能可贵 值得信赖 值得学习 值得表扬 值得推广 值得等待 值得入手 值得骄傲 值得尊敬 好得出奇
进步很大 收获颇丰 受益匪浅 前途光明 大有起色 明显改善 全面好转 逐步走强 重回正轨 渐入佳境 步入佳境 走出阴霾 触底回升 底气十足 活力十足 干劲十足 信心十足 经久耐用 性价比极高
无可厚非 令人叫好 令人赞叹 令人满意 令人惊喜 让人感动 让人安心 让人佩服 让人羡慕 让人舒服 让人愉快 让人自豪 叫人放心 叫人服气
""",
    "negative": """
一无是处 一败涂地 一落千丈 一蹶不振 一错再错 一拖再拖 一团乱麻 江河日下 日薄西山 岌岌可危 摇摇欲坠 危机四伏 隐患重重 困难重重 举步维艰 寸步难行 雪上加霜 祸不单行 积重难返
病入膏肓 千疮百孔 破绽百出 错漏百出 问题成堆 怨声载道 民怨沸腾 骂声一片 差评如潮 劣迹斑斑 臭名昭著 声名狼藉 颜面扫地 自食其果 自欺欺人 掩耳盗铃 避重就轻 推三阻四 互相推诿
推卸责任 不负责任 不闻不问 不了了之 不知所云 不可理喻 不可原谅 不思进取 不合情理 不伦不类 粗制滥造 偷工减料 以次充好 缺斤短两 坑蒙拐骗 名存实亡 徒有其表 虚有其名 言过其实
夸大其词 言而无信 出尔反尔 朝令夕改 因小失大 舍本逐末 本末倒置 急功近利 杀鸡取卵 饮鸩止渴 亡羊补牢 为时已晚 回天无力 无力回天 无药可救 无可救药 束手无策 手忙脚乱 杂乱无章
乱七八糟 乌烟瘴气 混乱不堪 破旧不堪 疲惫不堪 苦不堪言 不堪重负 难以为继 难以忍受 难以理解 难以启齿 难以置信 忍无可忍 欺人太甚 岂有此理 得寸进尺 冷漠无情 傲慢无礼 蛮不讲理
漫不经心 马马虎虎 粗枝大叶 拖拖拉拉 磨磨蹭蹭 效率低下 水平低下 质量堪忧 前景堪忧 处境艰难 后继乏力 增长乏力 疲态尽显 颓势明显 节节败退 溃不成军 每下愈况 越来越差 大不如前
今不如昔 适得其反 事倍功半 劳民伤财 白费力气 枉费心机 浪费时间 浪费钱 毫无意义 毫无用处 毫无价值 毫无诚信 毫无底线 毫无章法 令人气愤 令人心寒 令人窒息 令人绝望 令人作呕
令人痛心 令人不安 令人不齿 让人生气 让人恶心 让人后悔 让人头疼 让人难过 让人害怕 让人憋屈 叫人寒心 叫人无语 坑人 糟心 闹心 窝囊 离谱 垃圾 差劲 拉胯 敷衍 自作聪明 弄巧成拙
""",
    "mixed": """
喜忧并存 有喜有忧 毁誉参半 褒贬不一 瑕瑜互见 瑕不掩瑜 好坏兼有 长短互见 各有利弊 利弊各半 有利有弊 功过相抵 美中不足 差强人意 尚可改进 仍需努力 仍需观察 尚待检验 尚待观察 有待检验
有待验证 有待时间证明 言之尚早 为时尚早 不可盲目乐观 不宜高估 不宜过分乐观 成色存疑 含金量存疑 可信度存疑 持续性存疑 后劲存疑 前途未卜 悬而未决 不确定性很大 变数不少 两说 一半一半
未必长久 未必如此 未必划算 恐非长久之计 好景未必长 治标未治本 亮点与短板并存 机遇与挑战并存 进步与问题并存 希望与风险并存 优点突出缺点也突出 叫好不叫座 雷声大雨点小 看着热闹
只能算及格 勉强及格 说好也好说差也差 谈不上好也谈不上坏 令人又爱又恨 让人半信半疑 让人捉摸不透 让人喜忧交加 令人存疑 叫人拿不准
""",
    "neutral": """
平平常常 平淡无奇 一切照旧 一切如常 一如既往 没有变化 没有异常 没有大的起伏 没有明显差异 运行正常 进展正常 按部就班 照章办理 依规进行 循例安排 符合惯例 符合规定 符合要求 符合规律
与上月相同 与去年相近 与计划一致 与同行相仿 处于平均水平 处于中游 处于常态 处于合理区间 处于调整期 在预料之中 在计划之内 在允许范围内 大体相当 大致相同 基本稳定 基本一致 基本正常
保持平稳 保持不变 维持原状 维持不变 小幅波动 窄幅震荡 波动有限 起伏不大 涨跌互现 有升有降 有增有减 仅作参考 仅供查阅 有待公布 尚在统计 尚未开始 尚未定稿 照旧执行 属于例行工作 属于正常波动
""",
}.items()}
ADJECTIVES = {
    "positive": words("优秀 出色 专业 高效 可靠 稳健 周到 贴心 细致 耐心 真诚 实在 公道 合理 清晰 流畅 舒适 耐用 精致 美观 安全 便捷 灵活 扎实 严谨 务实 果断 及时 到位 透明 公平 友善 热情 负责 "
                 "成熟 先进 领先 亮眼 强劲 充足 健康 旺盛 火热 红火 畅销 划算 实惠 好用 好吃 好看 安静 干净 整洁 准确 自信 乐观 满意 欣慰 振奋 难得 完善 完备 得力 得当 明智 高明"),
    "negative": words("糟糕 恶劣 低劣 低下 落后 迟缓 拖沓 混乱 敷衍 草率 粗糙 马虎 傲慢 冷漠 粗暴 蛮横 无理 苛刻 僵化 死板 臃肿 繁琐 冗长 模糊 含糊 虚假 浮夸 失职 失当 失误 疲软 低迷 惨淡 萎靡 脆弱 "
                 "被动 滞销 昂贵 难用 难吃 难看 吵闹 肮脏 破旧 简陋 笨重 危险 有害 可笑 可悲 可恨 可疑 荒谬 离谱 窝火 憋屈 失望 愤怒 焦虑 悲观 沮丧 痛心 无奈 无助 疲惫 短视 贪婪 霸道 不公"),
}
NOUNS = {
    "positive": words("诚意 活力 动力 信心 底气 亮点 新意 耐心 责任心 远见 创意 竞争力 执行力 吸引力 说服力 凝聚力 担当 温度 人情味 专业精神 长远眼光 契约精神 安全感 归属感 获得感 "
                 "增长潜力 想象空间 好口碑 回报"),
    "negative": words("漏洞 隐患 水分 泡沫 套路 陷阱 借口 谎言 偏见 敌意 怨气 混乱 浪费 内耗 官僚气 火药味 后遗症 短板 硬伤 败笔 危机 风险 乱象 死角 猫腻 霸王条款 虚假宣传 "
                 "重复劳动 额外收费 安全问题"),
}
DEGREES = "很 十分 非常 相当 特别 极为 格外 尤其 确实很 真的很 实在".split()
ENOUGH_OF = {"positive": ["充满", "不乏", "富有", "很有", "有足够的", "体现了", "看得到"], "negative": ["充满", "充斥着", "满是", "到处是", "藏着", "暴露出", "尽是"]}
LACK_OF = {"positive": ["缺乏", "没有", "毫无", "看不到", "谈不上有", "丧失了", "少了点"], "negative": ["没有", "毫无", "杜绝了", "摆脱了", "消除了", "避免了", "看不到"]}
OTHER = {"positive": "negative", "negative": "positive"}

# Whole opinions; {good} and {bad} are judgements as above.
VIEWS = {
    "positive": """
对<x:{topic_x}>，[我们|我|业内|大家][是满意的|充满期待|由衷感谢|打心底认可|深感欣慰] => stance: 作者肯定$x
<x:{topic_x}>[功劳不小|立了大功|给了大家信心|打了个漂亮仗|让对手刮目相看] => judgement: 作者高度评价$x
[幸亏|多亏|好在]有<x:{topic_x}>，[难关总算过去了|损失才没有扩大|事情才有了转机] => judgement: 作者认为$x起了关键作用
<x:{topic_x}>[虽然|尽管][起步晚|贵一点|有些波折]，[但|却]{good} => judgement: 作者认为$x{good}
[谁说|谁还敢说]<x:{topic_x}>不行？[事实|数据]{good2} => stance: 作者力挺$x
![比起从前|与同行相比|放眼行业]，<x:{topic_x}>{good} => judgement: 作者认为$x{good}
""",
    "negative": """
对<x:{topic_x}>，[我们|我|业内|大家][是失望的|忍了很久|深表不满|极度不信任|痛心不已] => stance: 作者不满$x
<x:{topic_x}>[难辞其咎|拖了后腿|毁了大家的信心|吃了大亏|成了笑柄|让人看了笑话] => judgement: 作者批评$x
[都怪|问题就出在|祸根就是]<x:{topic_x}>，[好好的局面全毁了|损失越滚越大|事情才闹成这样] => claim: 作者认为问题出在$x
<x:{topic_x}>[虽然|尽管][宣传得好|便宜一点|名气不小]，[但|却]{bad} => judgement: 作者认为$x{bad}
[难道|凭什么]<x:{topic_x}>就[可以不管吗|不用负责吗|能这样糊弄人]？ => stance: 作者质问$x
![比起从前|与同行相比|放眼行业]，<x:{topic_x}>{bad} => judgement: 作者认为$x{bad}
""",
    "mixed": """
<x:{topic_x}>[一方面|固然]{good}，[另一方面|却也]{bad} => judgement: 作者认为$x有利有弊
<x:{topic_x}>[暂时|眼下|目前]{good}，[今后如何|能撑多久|会不会反复][还很难说|没人敢打包票|是个问号] => judgement: 作者怀疑$x能否持续
[乐观者说|有人说]<x:{topic_x}>{good}，[悲观者说|也有人说]它{bad} => claim: 作者指出对$x看法不一
!<x:{topic_x}>[该夸的要夸|值得肯定]，[该改的也要改|但也别高兴太早|但问题不能回避] => stance: 作者对$x有褒有贬
""",
    "neutral": """
[截至目前|到现在为止]，<x:{topic_x}>[还在走流程|没有新的进展|照原计划进行|等待批复] => judgement: 作者说明$x照常进行
<x:{topic_x}>的[标准|范围|时间|口径][不变|与往年一致|以附件为准|见下表] => claim: 作者说明$x的安排
![关于|有关]<x:{topic_x}>的[具体安排|后续事项|办理流程]，[请查阅附件|见内网公告|将另行说明] => claim: 作者说明$x的安排
""",
}
TONES = {
    "positive": [("积极明快", "充满信心"), ("真诚热情", "充满认同和干劲"), ("客观陈述，略带肯定", "对前景持乐观态度"), ("热情直白", "满意，愿意推荐")],
    "negative": [("直接而严肃", "对前景悲观"), ("激烈直白", "愤怒不满"), ("直白吐槽", "失望后悔"), ("语气沉重", "失望与担忧")],
    "mixed": [("客观平实", "好数字背后存有疑虑"), ("平实中肯", "有褒有贬，期待改进"), ("客观理性", "肯定优点，对不足有保留")],
    "neutral": [("客观中立", "不作褒贬，只陈述事实"), ("平铺直叙", "没有明显的情感倾向")],
}


class EvaluationsZh:
    """Judgements by polarity; mixed into the Chinese writer."""

    def judgement(self, polarity):
        """A predicate such as 十分专业, 缺乏诚意, 毫无水分 or 可喜可贺."""
        phrase = self.side(PHRASES[polarity])
        if polarity not in OTHER or self.chance(0.5):
            return phrase
        other, r = OTHER[polarity], self.rng.random()
        if r < 0.45:
            return self.pick(DEGREES) + self.side(ADJECTIVES[polarity])
        if r < 0.65:
            return self.pick(ENOUGH_OF[polarity]) + self.side(NOUNS[polarity])
        if r < 0.85:
            return self.pick(LACK_OF[other]) + self.side(NOUNS[other])
        if polarity == "negative":
            return self.pick(["不够", "并不", "一点也不", "远远谈不上", "说不上", "称不上"]) + self.side(ADJECTIVES["positive"])
        return self.pick(["不再", "毫不", "一点也不", "并不", "从不"]) + self.side(ADJECTIVES["negative"])

    def slot_topic_x(self):
        return self.fill(self.pick(["{org}的{aspect}", "{segment}的{aspect}", "{product}的{aspect}", "{policy}", "{dept}的{aspect}", "这次{aspect}", "{person}的{aspect}",
                                    "{topic}", "{product}", "{org}", "{segment}", "{city}的{aspect}"]))

    def slot_good2(self):
        return self.pick(["不会说谎", "就是最好的回答", "摆在那里", "给出了答案"])

    def evaluative_view(self, polarity):
        template = self.template(VIEWS[polarity].strip().splitlines())
        for slot, kind in (("{good}", "positive"), ("{bad}", "negative")):
            template = template.replace(slot, self.judgement(kind))
        return template
