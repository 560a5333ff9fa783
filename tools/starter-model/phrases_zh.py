"""More Chinese phrasings, for breadth: facts for any text of a kind, and opinions by polarity. Added to the lists of the texts."""

MARKET_FACTS = """
<s:{org}><a:拿下[了|]><r:{pct}的[份额|订单|新增用户]>
<s:{org}><a:摘得><r:{value}的[季度|月度]{metric}冠军>
<s:{org}><a:交出><r:{metric}{value}的[答卷|成绩单]>
<s:{product}><a:卖到[了|]><r:{yuan}，[仍供不应求|比年初贵了{pct}]>
<s:{org}><a:赚[了|到]><r:{money}，[比去年多|比去年少]{pct}>
<s:{org}><a:累计赔付><r:{money}>
<s:{segment}><a:拉低[了|]><r:整体{metric}{points}>
<s:{segment}><a:撑起[了|]><r:{pct}的[营收|增量]>
<s:{metric}><a:[翻了一番|翻番|创新高|触底]>，<r:[达到|报]{value}>
<s:{org}><a:位列><r:[全国|全球]第{count:位 名}>
<s:{org}><t:{period}><a:新签><r:{count:份 单 个}[合同|项目]，[金额|总额]{money}>
<s:{org}><a:手握><r:{money}[现金|在手订单]>
<s:{city}[市|]><a:出台><r:{product}补贴[政策|细则]，[最高|每台]{yuan}>
<s:{product}[库存|价格]><t:{period}><a:连降><r:{times}，[累计|合计][下调|减少]{pct}>
<s:{org}><a:抛售[了|]><r:{count:万股 亿股}，套现{money}>
<s:{org}><a:押注><r:{product}，[追加|投入]{money}>
<s:{region}[用户|客户|消费者]><a:花在{product}上的[钱|支出][为|达]><r:{money}>
<s:{org}><a:包揽><r:前{count:席 名}>
<s:{org}><a:让出><r:{points}的[份额|市场]>
<s:{segment}><a:收缩[了|]><r:{pct}>
<s:{product}><a:断货[了|]><r:{day}>
<s:平均[票价|利率|费率|单价]><a:贵了><r:{pct}>
<s:{org}><a:减产><r:{pct}，[裁减|分流]{count:人 名员工}>
<s:{org}><a:满产运行><r:{months}，[日产|月产]{count:台 件 吨}>
<s:{org}><a:登陆><r:{city}，[首店|首批]投入{money}>
<s:{org}{metric}><a:守住[了|]><r:{value}>
<s:{metric}><a:不及><r:{value}的[预期|目标]>
<s:{metric}><a:好于><r:{org}{value}的[预测|估计]>
<s:超过{pct}的[用户|受访者|客户]><a:[愿意|打算|不愿]><r:[更换|继续购买|推荐]{product}>
<s:{count:名 位}[用户|车主|受访者]中><a:有><r:{pct}[选择|放弃]{product}>
<s:[大约|约]{pct}的{product}><a:[流向|销往|来自]><r:{region}>
<s:{org}{product}><a:紧追其后，[销量|份额]为><r:{value}>
<s:{org}和{org}><a:分别[售出|为|占]><r:{value}和{value}>
<s:{org}><a:退居><r:第{count:位 名}，[份额|占比]{pct}>
"""
VOICE_FACTS = """
<s:我><t:{recent}><a:[充了|交了|付了|转了]><r:{yuan}[押金|定金|年费|学费]>
<s:我><a:[跑了|去了|白跑了]><r:{times}[门店|网点|营业厅]>
<s:我><t:{recent}><a:[提交了|填了|上传了]><r:{times}[申请|材料|凭证]>
<s:我们><a:[排了|等了|站了]><r:{hour}[的队|]>
<s:{staff}><t:{recent}><a:[打来|回了]><r:[一个电话|{times}消息]，[语气很冲|说没办法]>
<s:{staff}><a:[拒绝|不肯|拖着不]><r:[退款|开发票|换新]，[说是|理由是]过了{day}>
<s:[店家|商家|卖家]><t:{recent}><a:[失联|改口|涨价]了>，<r:[要再付|差价]{yuan}>
<s:{item}><t:{recent}><a:[漏电|漏水|冒烟|黑屏|掉漆|异响]>，<r:[吓坏了孩子|弄湿了地板|没法用了]>
<s:{item}><a:[少了|缺了|漏发了]><r:{count:个 件 根 片}{part}>
<s:{part}><a:[裂了|弯了|松了|卡住了|对不上]>
<s:[押金|余额|尾款|差价]><a:[至今没退|还没到账|被冻结]>，<r:[一共|合计]{yuan}>
<s:[发票|收据|合同]><t:{recent}>才<a:[寄来|补开|盖章]>
<s:[热线|电话]><a:[响了|转接了]><r:{times}[都没人接|才接通]>
<s:[评论|差评|帖子]><t:{recent}><a:被[删了|屏蔽|折叠]>
<s:[充一次电|一箱水|一壶咖啡]><a:[只够|能撑|够用]><r:{hour}>
<s:{item}><a:[重|轻了|厚了]><r:{kg}>
<s:[音量|噪音]><a:[压到|飙到|测出]><r:{db}>
<s:[我妈|室友|老公|同学]><a:[借走|试用|用坏]><r:{day}[才还|就想买|]>
<s:[我|家里]>[前后|已经]<a:[换过|买过|退过]><r:{count:台 个 件}>
<s:[换货|退货|补发]><t:{recent}><a:[到了|办好了|通过了]>，<r:[全程|总共]{day}>
"""
STAFF_FACTS = """
<s:我><t:{period}><a:[写了|交了|改了]><r:{count:份 页 版}[材料|方案|报告]>
<s:[组里|科里|班上]><a:[请假|辞职|转岗]><r:{people}，[没人顶班|任务没减]>
<s:[会|例会|晨会]>[一周|每天]<a:[开|要开]><r:{times}，[每次|一开就是]{hour}>
<s:[报表|系统|表格]><a:[拆成|合并成|分成]><r:{count:张 个 份}>
<s:[新系统|新流程]><t:{recent}><a:[切换了|试点了|停了]>，<r:[单子|审批][多了|少了]{pct}>
<s:[通勤|排班|轮值]>[每天|单程]<a:[花掉|占去|要花]><r:{hour}>
<s:[客户|用户]满意度><a:[爬到|掉到|回到]><r:{pct}>
<s:[师傅|同事|搭档]><t:{recent}><a:[病倒了|离职了|升职了]>，<r:[活儿|客户]分给{people}>
<s:[奖金|补贴|工资]><t:{recent}><a:[到账|缓发|打折]>，<r:[每人|一共]{yuan}>
<s:{deliverable}><t:{recent}><a:[通过验收|跑通了|交到客户手里]>
"""
OFFICE_FACTS = """
<s:{person}><t:{deadline}><a:[出具|拿出|整理]><r:{topic}[方案|明细|结论]>
<s:{dept}><a:[牵头|配合|协助]>[制定|推进]<r:{topic}>
<s:{dept}><t:{period}><a:[超支|结余|核减]><r:{money}>
<s:{topic}><a:[延期|提前|顺延]><r:{day}>
<s:{topic}[的预算|费用]><a:[控制在|压缩到|不超过]><r:{money}>
<s:{person}><a:[接替|协助|代替]><r:{person}[负责|跟进]{topic}>
<s:会议><a:[否决|搁置|驳回][了|]><r:{topic}>
<s:会议><a:[听取|审议|讨论][了|]><r:{topic}[汇报|报告|草案]>
<s:{dept}><a:[领取|分配到|争取到]><r:{count:个名额 台设备 间办公室}>
<s:{place}><t:{date}><a:[投入使用|正式启用|封闭]>
<s:{place}><a:[限流|只开放]>[每日|每场]<r:{people}>
<s:[缴费|领取|登记][时间|窗口]><a:[延长|推迟]至><t:{date}>
<s:[违者|逾期者|未按时缴纳者]><a:[处以|加收|罚]><r:{yuan}>
<s:{org}><t:{date}><a:[进场|入驻|撤离]{place}>，<r:[工期|为期]{day}>
"""
VIEWS = {
    "positive": """
[有了|凭借]<x:{driver}>，<y:{org}>[底气更足了|甩开了对手|前路更宽] => judgement: 作者认为$y凭借$x占得优势
<x:{segment}>[比谁都争气|给所有人上了一课|交出了满分答卷] => judgement: 作者高度评价$x
[向]<x:{dept}>[致敬|说声谢谢|竖大拇指] => stance: 作者感谢$x
[对]<x:{product}>，[我只有一个字：值|我给满分|我毫不犹豫地推荐] => stance: 作者推荐$x
<x:{policy}>[来得正是时候|解决了老大难|把人心聚起来了] => judgement: 作者认可$x的效果
[我相信|我们坚信]<x:{segment}>[会越走越宽|能更上一层楼|好日子还在后头] => stance: 作者看好$x的前景
[最打动我的是|最满意的是|最值得称道的是]<x:{aspect}> => judgement: 作者最满意$x
<x:{product}>[撑得起这个价格|没让人失望|比广告说的还好] => judgement: 作者认为$x表现出色
""",
    "negative": """
[早知道|要是知道]<x:{aspect}>[这么差|这样]，[我绝不会来|谁还会买] => judgement: 作者对$x很失望
<x:{segment}>[已经烂到根了|快撑不住了|回天乏力] => judgement: 作者对$x的前景感到担忧
<x:{policy}>[只会帮倒忙|治标不治本|苦了一线的人] => judgement: 作者认为$x弊大于利
[谁来为]<x:{aspect}>[负责|买单]？ => stance: 作者要求有人对$x负责
[最让人窝火的是|最受不了的是|最不能忍的是]<x:{aspect}> => judgement: 作者最不满$x
<x:{org}>[把用户当傻子|店大欺客|只认钱不认人] => judgement: 作者批评$x不尊重用户
[请]<x:{org}>[还我们一个公道|正面回应|立即停止这种做法] => stance: 作者要求$x回应
<x:{product}>[就是割韭菜|贵得离谱|根本不值这个价] => judgement: 作者认为$x不值
[这笔账|这口气]，<x:{org}>[赖不掉|必须认] => stance: 作者要求$x承担责任
""",
    "mixed": """
[一边是|一面是]<x:{driver}>，[一边是|一面是]<y:{driver}>，[难说谁能占上风|孰轻孰重还要看] => judgement: 作者认为$x与$y并存，走向不明
<x:{segment}>[成色几何|能走多远]，[市场自有答案|时间会给出答案] => judgement: 作者怀疑$x能否持续
[高兴归高兴|热闹归热闹]，<x:{segment}>[的账还没算清|的底子并不牢] => judgement: 作者认为$x存在隐忧
<x:{aspect}>[我给好评]，<y:{aspect}>[只能给差评] => judgement: 作者肯定$x但不满$y
[爱]<x:{aspect}>，[也恨]<y:{aspect}> => judgement: 作者肯定$x但不满$y
[别被]<x:{metric}>[冲昏头脑|的数字迷惑] => claim: 作者提醒$x不宜过度解读
""",
    "neutral": """
<x:{topic}>[另行通知|以书面文件为准|下次再议] => claim: 作者说明$x另行安排
[解释权归]<x:{dept}>[所有] => claim: 作者说明解释权归$x
<x:{industry}行业>[步入淡季|进入平台期|维持常态] => judgement: 作者判断$x运行平稳
[特此]<x:[通知|公告|说明]> => claim: 作者发布$x
[以上]<x:[情况|安排|事项]>，[请知悉|供参考|报备案] => claim: 作者说明$x供知悉
<x:{metric}>[仍在合理区间|没有异常|与季节规律一致] => judgement: 作者认为$x正常
""",
}


def lines(block):
    return [line for line in block.strip().splitlines() if line]
