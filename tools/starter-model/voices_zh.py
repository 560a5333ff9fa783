"""Chinese texts in somebody's voice: complaints, reviews, interviews and staff messages."""

import attitudes
import core
import evaluations_zh
import phrases_zh
from market_zh import lines

ITEMS = ("扫地机器人 空气净化器 电饭煲 蓝牙耳机 行车记录仪 儿童座椅 床垫 行李箱 羽绒服 运动鞋 净水器 打印机 路由器 投影仪 电动牙刷 吹风机 保温杯 "
         "洗碗机 跑步机 按摩椅 显示器 键盘 婴儿车 智能门锁 热水器 平板电脑 电动车 吸尘器 面霜 咖啡机 冰箱 书架 望远镜 台灯").split()
ATTRIBUTES = ("续航 吸力 音质 屏幕 做工 包装 噪音 尺码 颜色 气味 充电速度 说明书 配件 手感 清晰度 面料 散热 稳定性 保温效果 外观 按键 系统 味道 物流 "
              "佩戴感 容量 重量 安装").split()
PARTS = "边刷 电池 充电器 滤芯 屏幕 拉链 轮子 盖子 遥控器 底座 支架 说明书 外壳 按键 接口 密封圈 包装盒 发票 配件 数据线 主板 螺丝".split()
POLICIES = ("考评新规 弹性工作制 轮岗制度 周报制度 打卡制度 新排班表 项目制 末位淘汰 开放办公 大小周 值班制度 预算审批新流程 导师制 报销新规 "
            "绩效系统 远程办公").split()
TASKS = "交付节奏 协作效率 服务质量 数据安全 成本控制 新人培养 客户响应 流程规范 研发效率 考勤管理".split()
DELIVERABLES = ("支付网关 会员系统 数据平台 新版官网 风控模块 仓储系统 移动端改版 报表系统 客服机器人 迁移项目 订单中心 灰度发布 质检平台 "
                "招标方案 年度报告").split()

COMPLAINT_OPEN = """
![客服您好|您好|你好|尊敬的客服|负责人您好|{staff}您好]：
[各位领导|管理员|平台方]好，[打扰了|冒昧来信|反映一个情况]。
[投诉内容|投诉|情况说明|反馈]：
[第一次写投诉|本不想写这些|想了很久还是决定写下来]。
[感谢贵司一直以来的服务|贵店的东西我买过很多次]。
"""
COMPLAINT_BUY = """
!<t:{recent}><s:我>通过{org}小程序<a:[订了|付了]><r:{yuan}的{item}[订单|定金]>
<s:我>是<t:{recent}><a:在[贵司官网|你们店里|旗舰店|贵平台|{org}官网|{org}]下单>的[用户|顾客]，<r:订单号尾号{digits}>
<s:我><t:{recent}><a:[购买|买|订购|下单][了|]><r:{count:台 件 套 个}{item}，[共|]付款{yuan}>
<t:{recent}><s:我>在[你们平台|贵店|{org}|直播间]<a:[买了|购买了|拍下]><r:一台{item}，[价格|花了|实付]{yuan}>
<s:本人><t:{recent}>在{org}<a:[办理了|充值了|预订了]><r:{yuan}的[会员|年卡|套餐|服务]>
<s:我家的{item}><t:{recent}><a:[送到|安装好|购入]>，<r:合同编号{code}>
<t:{recent}><s:我们单位>向贵司<a:[采购了|订了]><r:{count:台 件 套}{item}，[总价|合计]{money}>
"""
COMPLAINT_FACTS = """
<t:{recent}><s:[包裹|快递|货]><a:[到了|送来了|签收]>，[外箱|包装]已经[破损|变形|打湿]
<s:[{staff}|客服]><t:{recent}><a:[答应|承诺|保证]><r:{day}内[上门|退款|补发|给结果]>
<s:[实际到账|退款金额|赔付]><a:[只有|少了|比说好的少]><r:{yuan}>
<s:{item}的{part}><t:{recent}><a:[开裂|脱落|失灵|发热|生锈了]>
<s:[同一个问题|这个故障]>[已经|]<a:[维修过|反映过|出现了]><r:{times}>
<s:[我家老人|孩子|我爱人]>因此<a:[耽误了|白跑了|多花了]><r:[{times}|{yuan}|{day}]>
[合同|订单|宣传页][里|上]<s:[写明|标注]><a:[质保|保修]><r:{months}>
<s:[系统|页面|物流信息]><t:{recent}>就<a:[显示|提示]><r:[已签收|已完成|处理中]>，[我根本没收到|实际没人来]
<s:[小区|楼里]><t:{period_from}>[已经|]<a:[停了|停过]><r:{times}[水|电|电梯]>
![谁知|可是|但是|没想到]<s:我>等了[足足|将近|]{day}，<t:{recent}><a:才[收到|等到|拿到]><r:[取件码|货|发货通知|包裹|回复]>
页面[写着|承诺]“{hour}内[送达|出库|到货]”，[结果|实际上]<t:{recent}><s:[商家|仓库|店铺]><a:才[发出|寄出|处理]>
打开[箱子|包装]，<s:{item}的{part}><a:是><r:[歪的|坏的|变形的|裂的|旧的|湿的|别人用过的]>
<s:{part}><a:还是><r:[别的款式的|旧款的|英文的|二手的]>
<s:{item}><a:[用了|才用][不到|]><r:{day}[就坏了|就不能开机|就开始漏水|就频繁死机]>
<t:{recent}><s:我>[给客服|]<a:打了><r:{times}[热线|电话]>
<t:{recent}><s:我>[先后|一共|]<a:联系了><r:{times}[客服|售后|{staff}]，[没有人接|都说在排队|每次说法不同]>
<s:[第一位客服|客服|{staff}|售后]>[却|只|]<a:说><r:“[放心，三天内给您处理|属于正常现象|再等等就好|这个不归我们管|系统里查不到|已经记录了]”>
<s:[第二位|另一位客服|{staff}|商家]>[却|又|]<a:[说|要求|让我]><r:自己掏钱[寄去检修|返厂]，[邮费|来回路费]{yuan}[自理|算我的]>
!<s:[退款|赔付|换货|维修][申请|]><t:{recent}><a:被[驳回|关闭|拒绝]><r:，理由是[超过{day}|已经拆封|人为损坏|证据不足]>
<s:[平台|商家|{org}]><a:[多收了|扣了|少退了]><r:[我|][{yuan}的|{yuan}][手续费|服务费|运费|]>
<t:{recent}><s:{staff}><a:[上门|来过]><r:{times}，[问题依旧|什么也没修好|停留不到{minute}]>
<s:[维修单|工单|退款]><a:[拖了|压了|等了]><r:{day}，[至今没有下文|没有人跟进|状态一直没变]>
从[报修|下单|投诉]到[现在|今天]<s:[事情|问题|包裹]>已经<a:过去><r:{day}>
"""
COMPLAINT_ASIDE = """
!平心而论，[外形还算漂亮|价格倒也公道]，我一度很喜欢
说句公道话，[功能|做工|味道][还行|没问题]，我本来打算[再买一台|介绍给邻居]
[我知道你们工作也不容易|大家都不容易|我也理解旺季忙]
[也许是我运气不好|可能是我要求太高了]
[我不是差这点钱|钱不是重点|这点钱也不算什么]
[谢谢你们耐心看完|麻烦您费心了|辛苦各位了]
[之前对贵司印象一直很好|身边朋友也都在用]
"""
COMPLAINT_VIEWS = """
[我|][眼下|]就想[把款退了|尽快退款|把东西退掉] => stance: 作者要求退款
![请|麻烦]你们[尽快|今天之内|立刻][给我|给出][退款|换货|一个说法|书面答复] => stance: 作者要求商家尽快处理
如果<x:{deadline}>[还|]没有[人|主管][答复|联系我|回复]，我[就|将][向消协投诉|找媒体曝光|走法律程序] => stance: 作者要求在$x得到答复，否则将升级投诉
<x:[这样的服务|这种处理方式|你们的售后|这样的态度]>[真的|实在|]让人[心寒|寒心|无法接受|失望] => judgement: 作者对$x非常失望
[不知道|我想问问]<x:[贵司|你们|{org}]>[是不是就这样|就是这样]对待[老顾客|消费者|客户]的 => stance: 作者质问$x对待顾客的方式
![以后|今后][不会|再也不会]再[买|光顾|相信]<x:[贵店|你们|这个牌子|{org}]>了 => stance: 作者表示不再信任$x
[明明是]<x:[你们|商家|仓库|物流]>的[责任|问题]，[为什么|凭什么]要我[承担|买单|负责] => claim: 作者认为责任在$x
!我只[希望|盼望]<x:[问题|这件事]>能有一个[认真的|负责任的]交代，[不想再拖下去了|已经拖得够久了] => stance: 作者要求对$x有认真的交代
"""
COMPLAINT_TONES = [("礼貌克制", "强烈不满，耐心耗尽"), ("客气有礼", "客气之下压着愤怒"), ("直接强硬", "愤怒，要求追责"), ("平静陈述", "失望和不信任")]

REVIEW_FACTS = """
<s:{attribute}><a:比[旧款|上一台|宣传的][高了|低了|少了|多了]><r:[{pct}|{hour}|{db}]>
<s:[保修|质保|试用期]><a:[是|有|写的是]><r:{months}>
<t:{recent}><s:[价格|同款]>[又|]<a:[降了|涨了|便宜了]><r:{yuan}>
<s:[滤芯|耗材|配件]>[每|一般]{months}<a:要换><r:一次，[单价|一个]{yuan}>
<s:[这款|这台|这个|]{item}><t:{recent}><a:[到手|下单|入手|买的]>，<r:[活动价|到手价|花了|价格]{yuan}>
<t:{recent}><s:我><a:[买了|入手|下单]><r:[一个|一台|两个]{item}，[比平时便宜|实付|券后]{yuan}>
<s:[快递|物流|配送]><a:[用了|只用了|走了]><r:{day}>
[已经|前后|]<s:我>一共<a:用了><r:{day}>
!<s:{attribute}><a:[能到|达到|大约|实测]><r:{hour}>
<s:[满电|一次充电]>可以<a:[用|坚持|续航]><r:{hour}>
<s:[噪音|声音]><a:[大约|实测|只有]><r:{db}>
<s:[安装|装机][师傅|]><t:{recent}><a:[上门|过来]><r:，[前后|一共]{minute}装好>
<s:[商家|客服]><a:[赠送了|补发了|退了][我|]><r:[{count:件 个 套}配件|{yuan}差价|{yuan}红包]>
<s:[孩子|老人|家里人|同事]><a:[用了|试了]><r:{times}，[都说好|没出过问题|反应一般]>
<s:[电池|电量]>[放了|用了]{hour}<a:还剩><r:{pct}>
"""
REVIEW_GOOD = """
!<x:{attribute}>[挑不出毛病|堪称优秀|完全值回票价] => judgement: 作者对$x很满意
<x:{attribute}>[超出预期|真的很好|没得挑|让人惊喜|特别满意] => judgement: 作者对$x很满意
<x:{attribute}>和<y:{attribute}>都[很出色|在线|无可挑剔|值得称赞] => judgement: 作者称赞$x和$y
[强烈推荐|值得购买|放心入|闭眼买]，[会回购|已经推荐给朋友|五星好评] => stance: 作者推荐购买
[这个价位|同价位]里<x:{item}>[没有对手|算是最好的|相当能打] => judgement: 作者认为$x性价比突出
[比想象中|比上一代|比之前用的]好[太多|很多|不止一点]，[这钱花得值|早该换了|很满足] => judgement: 作者认为物有所值
"""
REVIEW_BAD = """
!<x:{attribute}>[糟糕透顶|令人恼火|形同虚设] => judgement: 作者对$x很失望
<x:{attribute}>[太差|一言难尽|完全不行|让人失望|和宣传差太远] => judgement: 作者对$x很失望
<x:{attribute}>和<y:{attribute}>都[不合格|不行|让人后悔|差强人意] => judgement: 作者不满$x和$y
[不推荐|别买|劝退|大家慎重]，[后悔没看差评|钱白花了|已经申请退货] => stance: 作者不推荐购买
[说好的]<x:{attribute}>呢，[宣传全是水分|根本就是虚假宣传|简直是个笑话] => claim: 作者认为$x宣传不实
[除了便宜|除了好看]，<x:{item}>[没有任何优点|一无是处|真不知道好在哪] => judgement: 作者认为$x不值得买
"""
REVIEW_MIXED = """
!<x:{attribute}>[不错|挺好|可以]，[就是|但是|可惜]<y:{attribute}>[一般|拖后腿|差点意思|有待改进] => judgement: 作者肯定$x但不满$y
[优点是|好在]<x:{attribute}>，[缺点是|差在]<y:{attribute}>，[看个人需求吧|一分钱一分货|凑合用] => judgement: 作者认为优点在$x，缺点在$y
[喜欢]<x:{attribute}>，[不喜欢]<y:{attribute}>，[先用着看|给个中评|打个七分] => judgement: 作者喜欢$x，不喜欢$y
"""

INTERVIEW_OPEN = """
!{dept}座谈摘录（{recent}）：
访谈记录（{dept}，{recent}）。
[员工访谈|离职访谈|座谈纪要|一对一沟通记录]（{dept}，{date}）。
{dept}[同事|员工]{person}[访谈|来信|反馈]：
[各位同事|领导]好，[说说|汇报一下]最近的[情况|感受]。
"""
QUESTIONS = ["问：{policy}[推行|施行]{months}了，[感觉怎样|怎么看]？答：", "问：[接下来|明年][有什么想法|希望改变什么]？答：", "问：最近工作怎么样？答：", "问：有什么困难吗？答：", "问：还有要补充的吗？答：",
             "问：怎么看{policy}？答："]
STAFF_FACTS = """
<s:[项目组|我们部门|班组]>[现在|目前]<a:[只剩|一共|还有]><r:{people}>，[活|任务]是[去年|以前]的{count:倍}
<s:我><a:[入职|在这里|干了]><r:{months}>，[换过|换了]{times}[主管|岗位]
<s:[年终奖|绩效|加班费|餐补]><t:{period}><a:[降了|少了|涨了|拖欠了]><r:{yuan}>
<s:[考评表|检查|验收|述职]>[每|一个]月<a:[要填|要过|要做]><r:{times}
<t:{period}><s:[班组|产线|门店]><a:[完成了|交付了|接待了]><r:{count:件 单 台 人次}，[合格率|好评率]{pct}>
<s:{deliverable}><t:{recent}><a:[出过|发生了]><r:{times}[事故|回滚|告警]>
<s:[领导|主管|经理]><t:{recent}><a:[说|答应|提到]><r:[会补人|调休可以累积|流程要简化]>，[之后没有消息|还没兑现|大家将信将疑]
!<s:[报销|盖章|领料]>[现在|]<a:要走><r:{times}审批，[来回|前后]{day}>
[不过|只是|]<s:[日报|审批表|方案|台账|总结]>[从|由]{page}<a:[增加到|涨到|变为]><r:{page}>
<s:[我们组|组里|我们班]>{people}，[每周|每月|每天][差不多|]<a:要[搭进去|耗掉]><r:{hour}[整理台账|开会|填表|对数据]>
<t:{recent}>[启动|立项]的<s:{deliverable}><a:[顺利|提前|如期][验收了|上线了]>
<s:{deliverable}><t:{recent}><a:[上线|验收|交付][了|]>，<r:[比计划早|比计划晚]{day}>
<s:[故障率|返工率|差错率|投诉率]>[从|由]{permille}<a:[下降到|升到|降至]><r:{permille}>
<s:[组里|部门|车间]><t:{recent}><a:[走了|调走|新来了]><r:{people}>
<s:[加班|值班]><a:[平均|]每周><r:{hour}，[最多的一周|上周]{hour}>
<s:[体检|年假|培训|团建]><a:[推迟了|取消了|改到了]><r:{times}>
<t:{recent}><s:我>一天<a:开了><r:{times}会>
<s:[客户|需求方]><t:{recent}><a:[改了|提了]><r:{times}需求>
"""
TIRED_VIEWS = """
[大方向上|原则上|道理上]我[赞成|拥护|认可]<x:{policy}>，[知道是为了{task}|初衷是好的|能理解] => stance: 作者表示支持$x的方向
[说到底|其实]是[兄弟们|同事们][通宵|熬夜|周末不休]拼出来的 => claim: 作者认为成绩靠透支换来
![要是能添个人最好|能加点人手当然好]，<m:[加不了也罢，我们扛着|没有也行，凑合着干]> => stance: 作者希望补充人手但不抱期待
[唉，|算了，|哎……|]<m:[早就麻木了|已经无所谓了|也就这样了]> => judgement: 作者对现状感到无奈
[没什么|也没啥]，<m:[扛一扛就过去了|忙完这阵就好了|日子总要过]> => judgement: 作者在勉强支撑
[还好吧|还行|还可以]，<m:就是[有点累|睡得少一点|周末没怎么休息]> => judgement: 作者已感疲惫
[提过几次|说过好几回]了，<m:[后来也就不提了|也没有下文|说了也没用]> => judgement: 作者对反馈不再抱希望
"""
TIRED_TONES = [("语气温和，表示理解", "疲惫无奈，期待落空"), ("平和配合", "疲惫，不再抱期待"), ("轻描淡写", "倦怠与失落")]
HAPPY_VIEWS = """
!<x:{policy}>[真是及时雨|让人踏实]，[我举双手赞成|越干越有劲] => judgement: 作者认可$x的效果
[这半年|这段时间|说真的]，<x:{policy}>[帮了大忙|让我成长很快|确实有效] => judgement: 作者认可$x的效果
[很庆幸|很高兴|真心喜欢]能在<x:{dept}>[工作|做事]，[大家都愿意帮忙|有奔头|氛围特别好] => stance: 作者喜欢$x的氛围
[希望|建议]<x:{policy}>[长期坚持下去|推广到全公司|继续做下去] => stance: 作者支持继续推行$x
[看到成果|项目落地]的那一刻，[觉得都值了|特别有成就感|大家都很激动] => judgement: 作者充满成就感
"""
HAPPY_TONES = [("轻松愉快", "满意并有归属感"), ("真诚热情", "充满认同和干劲")]
ANGRY_VIEWS = """
!<x:{policy}>[就是形式主义|根本行不通|纯属折腾人]，[请尽快取消|应该叫停] => stance: 作者反对$x
[凭什么]<x:[加班没有补偿|干活的人背锅|我们来填坑]>，[谁来给个说法|太不公平了] => stance: 作者抗议$x
[再这样下去]，<x:[团队|骨干|人]>[都要走光了|留不住的|迟早散架] => judgement: 作者警告$x将流失
"""
ANGRY_TONES = [("激烈直白", "愤怒不满"), ("尖锐质问", "对管理强烈不满")]


class Voices:
    """Slots that only these texts use; mixed into the Chinese writer."""

    def noun(self, items):
        return self.pick(items) if self.chance(0.85) else self.chars(2, 2) + self.pick(items)[-2:]

    def slot_item(self): return self.item
    def slot_part(self): return self.pick(PARTS)
    def slot_attribute(self): return self.pick(ATTRIBUTES)
    def slot_policy(self): return self.noun(POLICIES)
    def slot_task(self): return self.pick(TASKS)
    def slot_deliverable(self): return self.noun(DELIVERABLES)


LINKS = ["而且", "但", "可", "后来", "另外", "同时", "然后", "再加上"]


def sentences(w, clauses):
    """Joins clauses with commas and full stops at random."""
    segments = []
    for i, clause in enumerate(clauses):
        segments.append(clause)
        if clause.text.endswith(("。", "：", "！", "？", "答：")):
            continue
        last = i + 1 == len(clauses)
        link = w.pick(LINKS) if not last and clauses[i + 1].fact and w.chance(0.12) else ""
        segments.append(core.Segment("。" if last else w.pick("。。。，") + link))
    return segments


def several(w, templates, low, high, p_general=0.12, polarity=None):
    """Distinct clauses from one list, in random order; some facts and opinions are of the general kind."""
    wanted = w.rng.randint(low, high)
    chosen = []
    for _ in range(wanted * 3):
        template = w.template(templates)
        if polarity and w.chance(0.35):
            template = w.opinion(polarity)
        elif "<a:" in template and w.chance(p_general):
            template = w.general_fact()
        if template not in chosen and len(chosen) < wanted:
            chosen.append(template)
    return chosen


def mood_of(w, segment, tones, polarity, intensities, confidence="high"):
    tone, attitude = w.pick(tones)
    return core.sentiment(segment.mood_quote, tone, attitude, polarity, w.pick(intensities), confidence)


def complaint(w):
    clauses = [w.plain(w.template(lines(COMPLAINT_OPEN)))] if w.chance(0.75) else []
    clauses.append(w.fact(w.template(lines(COMPLAINT_BUY))))
    facts = [w.fact(t) for t in several(w, lines(COMPLAINT_FACTS + phrases_zh.VOICE_FACTS), 1, 4)]
    if w.chance(0.5):
        facts.insert(w.rng.randint(0, len(facts)), w.plain(w.template(lines(COMPLAINT_ASIDE))))
    clauses += facts
    views = [w.view(t) for t in several(w, lines(COMPLAINT_VIEWS + attitudes.COMPLAINT), 1, 2, polarity="negative")]
    if len(views) == 2 and w.chance(0.3):
        clauses.insert(w.rng.randint(2, len(clauses)), views.pop(0))
    clauses += views
    tones = COMPLAINT_TONES[:2] if any("您" in c.text or "谢" in c.text or "辛苦" in c.text or "好，" in c.text for c in clauses) else COMPLAINT_TONES[2:]
    return sentences(w, clauses), mood_of(w, views[-1], tones, "negative", [4, 4, 5])


def review(w):
    polarity, views, tones, intensities = w.pick([
        ("positive", REVIEW_GOOD + attitudes.REVIEW_GOOD, [("热情直白", "满意，愿意推荐"), ("轻松愉快", "喜爱与信赖")], [4, 4, 5]),
        ("negative", REVIEW_BAD + attitudes.REVIEW_BAD, [("直白吐槽", "失望后悔"), ("语带讽刺", "不满，觉得受骗")], [4, 4, 5]),
        ("mixed", REVIEW_MIXED + attitudes.REVIEW_MIXED, [("平实中肯", "有褒有贬，期待改进"), ("客观理性", "肯定优点，对不足有保留")], [2, 3]),
    ])
    facts = [w.fact(t) for t in several(w, lines(REVIEW_FACTS + phrases_zh.VOICE_FACTS), 1, 4)]
    opinions = [w.view(t) for t in several(w, lines(views), 1, 2, polarity=polarity)]
    clauses = facts + opinions if w.chance(0.6) else opinions[:-1] + facts + opinions[-1:]
    return sentences(w, clauses), mood_of(w, opinions[-1], tones, polarity, intensities)


def interview(w):
    r = w.rng.random()
    polarity, views, tones, intensities = (
        ("negative", TIRED_VIEWS + attitudes.TIRED, TIRED_TONES, [3, 3, 4]) if r < 0.5 else
        ("positive", HAPPY_VIEWS + attitudes.HAPPY, HAPPY_TONES, [3, 4]) if r < 0.8 else ("negative", ANGRY_VIEWS + attitudes.ANGRY, ANGRY_TONES, [4, 5]))
    opening = w.plain(w.template(lines(INTERVIEW_OPEN)))
    clauses = [opening]
    facts = [w.fact(t) for t in several(w, lines(STAFF_FACTS + phrases_zh.STAFF_FACTS), 1, 4)]
    opinions = [w.view(t) for t in several(w, lines(views), 1, 3, polarity=polarity if tones is not TIRED_TONES else None)]
    key = opinions[-1]
    body = facts[:]
    for opinion in opinions[:-1]:
        body.insert(w.rng.randint(0, len(body)), opinion)
    body.append(key)
    if "访谈" in opening.text:
        cut = w.rng.randint(1, len(body) - 1)
        ask = [w.plain(q) for q in w.rng.sample(QUESTIONS, 2)]
        head, tail = sentences(w, body[:cut]), sentences(w, body[cut:])
        return sentences(w, clauses) + [ask[0]] + head + [ask[1]] + tail, mood_of(w, key, tones, polarity, intensities)
    return sentences(w, clauses + body), mood_of(w, key, tones, polarity, intensities)


def brief(w):
    """A remark or two with at most two facts: little to copy, much to judge."""
    polarity = w.pick(["positive", "negative", "mixed", "neutral", "positive", "negative"])
    opinions = [w.view(t) for t in dict.fromkeys(w.opinion(polarity) for _ in range(w.rng.choice([1, 1, 2])))]
    clauses = [w.fact(t) for t in dict.fromkeys(w.general_fact() for _ in range(w.rng.choice([0, 1, 1, 2])))] + opinions
    if w.chance(0.3):
        clauses.reverse()
    intensities = {"mixed": [2, 3], "neutral": [1]}.get(polarity, [3, 4])
    return sentences(w, clauses), mood_of(w, opinions[-1], evaluations_zh.TONES[polarity], polarity, intensities)
