"""Chinese meeting notes and notices: mostly neutral, some with praise or worry in them."""

import attitudes
import core
import phrases_zh
from market_zh import lines
from voices_zh import mood_of, sentences, several

PLACES = ("地下车库 三号楼 食堂 会议室 电梯 健身房 图书馆 一号门 财务系统 办公网 停车场 充电区 南门 阅览室 实验室 仓库 班车 宿舍楼 母婴室 "
          "机房 快递柜 游泳馆 营业厅 服务大厅").split()
WORKS = "检修 升级 停水 停电 消毒 改造 清洗 盘点 演练 维护 施工 搬迁 网络割接 年检 粉刷".split()
TOPICS = ("预算方案 上线计划 供应商名单 招聘计划 促销方案 应急预案 采购合同 质量整改 年会安排 客户回访 数据治理 新品定价 培训计划 安全检查 "
          "渠道政策 库存清理").split()

MEETING_OPEN = """
会议纪要（{dept}，{date}）。
{dept}例会纪要：
![项目周会|月度经营会|质量分析会|复盘会]记录，[主持|召集]：{person}。
[出席|参会]：{person}、{person}、{person}。
会议主题：{topic}。
"""
MEETING_FACTS = """
<s:{topic}><t:{period}>[已|共]<a:[支出|使用|节约]><r:{money}，[占预算|执行率]{pct}>
<s:{person}><a:[提交了|展示了|复核了]><r:{topic}[初稿|清单|样本]>，[共|涉及]{count:页 份 项 条}
<s:[与会|参会]><a:[人数|共]><r:{people}>，[缺席|请假]{people}
<s:{dept}与{dept}><t:{deadline}><a:[对接|确认|核对]><r:{topic}>
<s:[问题|缺陷|投诉|隐患]><a:[累计|共]><r:{count:项 起 个 条}，[已关闭|已整改]{pct}>
<t:{recent}>，<s:{dept}><a:[召开|组织|主持]><r:{topic}[会议|讨论会|评审会]，[{people}参加|历时{hour}]>
<s:会议><a:[决定|同意|通过|批准][了|]><r:{topic}，[预算|金额|经费]{money}>
<s:会议><a:[决定|要求]><t:{deadline}><r:[完成|提交|落实]{topic}>
<s:{person}><a:负责><r:{topic}>，<t:{deadline}>[提交|完成|反馈]
<s:{dept}>[须|应|需]<t:{deadline}><a:[完成|提交|上报|落实]><r:{topic}[，共{count:份 项 件 条}|]>
<s:{topic}><a:由><r:{dept}牵头>，<t:{deadline}>[完成|定稿]
<s:{topic}>[目前|已]<a:完成><r:{pct}，[剩余|还有]{count:项 份 件}[未处理|待确认]>
<t:{period}><s:{dept}><a:[处理|完成|跟进]><r:{count:张 份 件 批 个}[工单|订单|申请|样品]，[同比|环比][增加|减少]{pct}>
<s:{deliverable}><a:[计划|定于|预计]><t:{date}><r:[上线|交付|验收|试运行]>
!<s:{person}><a:[汇报|通报|介绍]><r:，{topic}[支出|花费|预算]{money}>
<s:下次会议><a:[定于|安排在]><t:{date}><r:[召开|举行]>
!<s:{dept}><a:[提出|申请]><r:[增加|追加]{people}[编制|人手]>
"""
MEETING_VIEWS = """
!会议[明确|商定]，<x:{topic}>[列为重点|暂缓实施|分步推进] => judgement: 会议对$x作出安排
会议认为，<x:{topic}>[总体可行|具备条件|应当优先推进] => judgement: 会议认为$x可行
<x:{person}>[表示|认为|提出]，<y:{topic}>[可以先行试点|需要再论证|不宜操之过急] => claim: $x认为$y需要稳妥推进
[与会人员|大家][一致|]同意<x:{topic}>[按原计划执行|尽快启动] => stance: 与会者同意推进$x
会议[强调|要求]，<x:{dept}>[要|应]<y:[按时|保质保量|逐项]>[完成任务|抓好落实] => stance: 会议要求$x$y完成任务
"""
MEETING_GOOD = """
!与会领导对<x:{dept}>的[付出|成绩]表示[赞赏|感谢] => stance: 会议肯定$x的工作
会议[肯定|表扬]了<x:{dept}>的[工作|努力|表现]，[成绩来之不易|值得推广|给大家鼓了劲] => stance: 会议肯定$x的工作
<x:{topic}>[进展顺利|成效明显|超出预期]，[大家信心很足|士气高涨] => judgement: 会议认为$x成效明显
"""
MEETING_BAD = """
会议[指出|批评]，<x:{topic}>[进度严重滞后|问题反复出现|准备不足]，[必须尽快扭转|不能再拖|令人不满] => judgement: 会议批评$x推进不力
!<x:{person}>[坦言|担心]，<y:{topic}>[恐怕无法按期完成|风险很大|压力前所未有] => judgement: $x担心$y无法按期完成
"""
NOTICE_OPEN = """
[通知|公告|温馨提示|通告]：
![各位住户|各位同事|各位用户|尊敬的客户|各位读者|全体员工|各部门]：
关于{place}{work}的[通知|公告]。
"""
NOTICE_FACTS = """
<s:{place}><a:[开放时间|营业时间]><t:自{date}起>[调整|改]为<r:{hour_range}>
<s:[办理人员|申请人|住户]><a:须[携带|提交|出示]><r:[身份证|登记表|缴费凭证]>，[数量|一式]{count:份}
<t:{date}前><s:[未缴费|未登记|未领取]的[住户|员工|学员]><a:[请|须]到><r:{place}[办理|登记|领取]>
<s:[本次|今年]{work}><a:[由|委托]><r:{org}[承担|负责]>，[费用|合同金额]{money}
!<s:{place}>[拟|将]<t:于{date}><a:[开展|接受]><r:{work}，[为期|约需]{hour}>
因[设备|线路|管道|系统][检修|老化|改造]，<t:{period_from}>，<s:{place}><a:[暂停|停止]><r:[使用|开放|服务]>
<t:{date}>[8时至17时|{hour_range}|]，<s:{place}><a:[进行|实施|安排]><r:{work}，[预计|历时]{hour}>
<t:自{date}起>，<s:{place}><a:[实行|执行|启用]><r:[新的开放时间|预约制|刷脸进入|收费标准，每次{yuan}]>
<s:{place}><t:{date}><a:[恢复|重新]><r:[开放|使用|供水|供电]>
<s:[停车费|物业费|餐费|年费|服务费]><t:自{date}起><a:[调整为|上调至|下调至]>[每月|每次|]<r:{yuan}>
<s:[报名|登记|申请|预约]><a:[截止|截至]><t:{date}>，<r:名额{people}>
<s:{dept}>[将|]<t:于{date}><a:[组织|举办|开展]><r:{topic}[培训|演练|检查]，[时长{hour}|人数{people}]>
<t:{date}至{date}><s:[公司|{place}|全体人员|{dept}]><a:放假><r:，共{day}>
<s:{work}范围><a:[包括|涉及]><r:{place}和{place}，[约|共]{count:个点位 个车位 平方米 户 处}>
"""
NOTICE_VIEWS = """
!敬请<x:[全体职工|来访人员|业主]>[留意|知悉并遵照执行] => stance: 通知要求$x做好准备
请<x:[大家|各位住户|各部门|相关人员|广大用户]>[提前做好准备|合理安排时间|互相转告|予以配合] => stance: 通知要求$x做好准备
[由此带来的不便|给您造成的不便]，<m:敬请[谅解|理解|包涵]> => stance: 通知请求谅解
[如有疑问|有问题]，请[联系|咨询]<x:{dept}> => claim: 通知说明疑问可联系$x
<x:[逾期|未登记|未预约]>的[不再补办|视为放弃|一律不予受理] => stance: 通知规定$x者不予受理
"""
NEUTRAL_TONES = [("公事公办", "没有明显的情感倾向"), ("客观中立", "不作褒贬，只陈述事项")]


class Office:
    """Slots that only these texts use; mixed into the Chinese writer."""

    def slot_place(self): return self.noun(PLACES)
    def slot_work(self): return self.pick(WORKS)
    def slot_topic(self): return self.noun(TOPICS)
    def slot_period_from(self): return self.pick([f"自{self.slot_date()}起", f"{self.slot_date()}至{self.slot_date()}", self.slot_date()])

    def slot_hour_range(self):
        start = self.rng.randint(6, 14)
        return f"{start}:00至{start + self.rng.randint(1, 8)}:00"


def meeting(w):
    polarity, views, tones, intensities = w.pick([("neutral", MEETING_VIEWS + attitudes.MEETING, NEUTRAL_TONES, [1])] * 2 + [
        ("positive", MEETING_GOOD + attitudes.MEETING_GOOD, [("正式而肯定", "满意与鼓励")], [3]),
        ("negative", MEETING_BAD + attitudes.MEETING_BAD, [("正式严肃", "不满与担忧")], [3, 4])])
    clauses = [w.plain(w.template(lines(MEETING_OPEN)))] if w.chance(0.8) else []
    facts = [w.fact(t) for t in several(w, lines(MEETING_FACTS + phrases_zh.OFFICE_FACTS), 2, 5)]
    opinions = [w.view(t) for t in several(w, lines(views), 1, 2, polarity=polarity)]
    if len(opinions) == 1 and polarity != "neutral" and w.chance(0.5):
        opinions.insert(0, w.view(w.template(lines(MEETING_VIEWS))))
    key = opinions[-1]
    for opinion in opinions:
        facts.insert(w.rng.randint(max(0, facts.index(opinions[0]) + 1 if opinions[0] in facts else 0), len(facts)), opinion)
    return sentences(w, clauses + facts), mood_of(w, key, tones, polarity, intensities)


def notice(w):
    clauses = [w.plain(w.template(lines(NOTICE_OPEN)))] if w.chance(0.85) else []
    clauses += [w.fact(t) for t in several(w, lines(NOTICE_FACTS + phrases_zh.OFFICE_FACTS), 1, 3)]
    opinions = [w.view(t) for t in several(w, lines(NOTICE_VIEWS + attitudes.NOTICE), 1, 2)]
    return sentences(w, clauses + opinions), mood_of(w, opinions[-1], NEUTRAL_TONES, "neutral", [1])
