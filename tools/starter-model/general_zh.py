"""Everyday Chinese facts put together from parts: who, when, an adverb, a verb, an object, a tail. The parts multiply, so
the model must learn what a verb phrase is rather than remember sentences. "!" marks parts kept for the evaluation."""

VERB_OBJECTS = """
叫停 曝光 点名 处罚 封存 扶持 走进 约束=家企业 家平台 个品牌 家机构 所学校 家药店
烧掉 赔掉 赚回 攒下 花光 借出 垫付 讨回 分走=$利润 $积蓄 $预算 $押金 $本金
腾出 改建 租下 打通 盘活 粉刷 征用=间厂房 处空地 层写字楼 个车位 栋旧楼
读完 写完 印刷 校对 翻译 寄来 丢失=份材料 本手册 页记录 封来信 张照片 份简历
下线 组装 抽样 报检 打包 卸下 装满=辆整车 台样机 箱配件 托盘货 个集装箱
结识 邀请 说服 劝退 送走 流失 留住=位客户 名会员 名学员 名骨干 位投资人 名老用户
错过 赶上 抢到 放弃 争取到 让出=个名额 张订单 次机会 个席位 趟航班
引进 采购 安装 调试 更换 维修 报废 购置 添置 !淘汰=台设备 套系统 台服务器 条生产线 台机床 部电梯 套仪器 辆叉车
招聘 培训 调派 表彰 辞退 抽调 录用 约谈 !遣散=名员工 名实习生 名工程师 名志愿者 名技师 名司机 名护士 名教师
检查 走访 抽检 巡查 关停 整顿 通报 评估 !核查=家企业 家门店 家工厂 个摊位 处工地 家餐馆 个仓库 家诊所
售出 卖出 订购 捐赠 发放 回收 配送 寄出 !赠送=箱牛奶 吨大米 件外套 份礼品 本图书 套教材 箱口罩 张门票
修复 铺设 改造 疏通 新建 拓宽 清理 !硬化=公里道路 公里管线 米围栏 处路灯 平方米路面 公里水渠 座桥梁
处理 受理 审核 办结 退回 归档 签订 驳回 !续签=份合同 件投诉 份申请 张工单 笔贷款 份订单 起纠纷 份报告
接待 服务 救助 安置 治疗 运送 疏散 !护送=名游客 位客户 户居民 名患者 名学生 名老人 人次
收割 种植 养殖 加工 生产 运输 储存 !出栏=吨小麦 亩蔬菜 头生猪 吨苹果 吨水泥 件零件 吨鱼虾 箱茶叶
投入 筹集 拨付 节省 追回 募集 偿还 !挪用=$资金 $贷款 $补贴 $经费 $货款 $专项款 $保证金
开设 增设 撤销 合并 启用 搬迁 转让 !翻新=个网点 个窗口 家分店 个站点 条线路 个车间 间教室 个柜台
开发 测试 上架 下架 发布 修复 提交 !重构=款应用 个版本 个漏洞 项功能 个接口 款新品 项专利 个补丁
举办 组织 参加 取消 推迟 承办 直播 !冠名=场讲座 场比赛 次演练 场招聘会 期培训班 场演出 次展览 场直播
""".strip().splitlines()
ADVERBS = "已 共 累计 先后 一次性 陆续 再次 计划 拟 将 正在 同步 提前 紧急 集中 全年 当天 合计 已经 原定 首批 超额 按时 仅 又".split()
CHANGES = ("暴涨 大跌 见涨 回暖 转弱 走平 翻番 冲高 探底 回升 松动 加快 减慢 变多 变少 抬头 缩短 延长 增长 下降 上升 回落 攀升 下滑 激增 骤降 微涨 微降 缩水 提高 降低 扩大 收窄 走高 走低 反弹 飙升 锐减 递增 增加 减少 上涨 下跌 改善 萎缩 "
           "提升 放缓 翻倍增长 !跳涨 !滑落 !抬升 !缩减").split()
CHANGE_ADVERBS = ("同比 环比 较去年 大幅 小幅 连续三个月 再度 累计 平均 明显 单日 一度 较上周 较年初 比上月 逆势 略微 快速 合计 同比再 预计 比去年同期 "
                  "!较同行 !比计划").split()
STATES = ("徘徊在 定格在 落在 守住 摸到 冲上 回到 报于 合计 相当于 只有 多达 少于 挤进 涨到 跌到 变成 折合 平均为 刚过 为 达 达到 是 约为 超过 不足 接近 高达 仅为 仅有 占 相当于 升至 降至 增至 突破 跌破 跌至 回升至 回落至 稳定在 维持在 首次突破 首次超过 再次突破 已超 "
          "保持在 创下 报 收于 录得 锁定在 !逼近 !触及 !滑向 !反弹至").split()
RATES = """
%=出勤率 准时率 合格率 空置率 入住率 满意度 返修率 到课率 中签率 使用率 签约率 复诊率 完成率 覆盖率 渗透率 差评率 转化率 占比 市占率 毛利率 开工率 增速 份额
元 万元=成本 报价 运费 租金 单价 客单价 工资 电费 售价 人均消费 亏损 房租
天 小时 分钟=交货周期 排队时间 平均工期 等待时间 账期 响应时间 在途时间
人 人次=日均客流 人数 访客数 参会人数 在校生 报名人数
件 台 单 吨 份=库存 订单 产量 预约量 发货量 缺口 销量 进口量 积压量
亿元 万元=营收 投资额 负债 利润 存款 销售额 罚款 预算
""".strip().splitlines()
SPEECH = "提醒 警告 预计 呼吁 认为 说 告诉记者 回复 公开表示 声明 重申 提到 反映 要求 抱怨 表示 宣布 承认 否认 透露 强调 指出 回应称 解释称 承诺 坦言 介绍 通知 证实 !直言 !披露".split()
SPEECH_CONTENT = """
{period}[不再|暂不|将继续|计划][涨价|招人|扩产|裁员|开店]
[目前|现在][一切正常|运转平稳|仍在排查|进展顺利]
[缺口|费用|亏损|投入][约|超过|达到]{money}
[涉及|影响]{count:名用户 份订单 家客户 件产品 户家庭}
{deadline}[给出结果|恢复供应|完成整改|公布名单]
[原因|责任]在于[操作失误|线路老化|供应商违约|天气影响]
[交付|发货|维修][需要|至少要]{day}
""".strip().splitlines()
EVENTS = """
[赢得|输掉|撤回|提起]=[与{org}的官司|专利诉讼|上诉|仲裁]
[关闭|开通|开放|打烊]=[{city}门店|线上商城|客服热线|夜间专线|旗下{product}工厂]
[拒绝|接受|考虑|错过]=[{org}的报价|和解方案|融资邀约|加价要求]
[搬到|回到|进军|告别]=[{city}|{region}市场|一线城市|新园区]
[换上|启用|弃用|测试]=[新标识|新包装|自动化系统|{product}方案]
[请来|换掉|挽留|逼走]=[{person}|老员工|代工厂|合作多年的{org}]
[任命|聘请|免去|推选]=[{person}为总经理|{person}担任顾问|{person}的职务|新任财务总监|首席技术官]
[签署|终止|续签|达成|撕毁]=[战略合作协议|租赁合同|和解协议|供货协议|框架协议]
[发布|公布|更新|撤回|出台]=[新版规定|年度报告|招标公告|价格方案|召回公告|服务标准]
[收购|出售|接管|剥离|入股]=[{org}|{org}的全部股权|旗下{product}业务|{city}工厂]
[启动|暂停|恢复|终止|重启]=[招标|上市辅导|技术改造|{city}项目|内部调查|线下活动]
[推出|停产|升级|试销|预售]=[{product}|{newproduct}|新一代{product}|定制版{product}]
[起诉|投诉|举报|警告|约谈]=[{org}|{org}侵权|供应商违约|{org}虚假宣传]
[迁往|入驻|撤出|落户]=[{city}|{city}高新区|{city}产业园|新办公楼]
""".strip().splitlines()
TAILS = """
，[同比|环比|较去年][增长|下降|增加|减少]{pct}
，[比计划|比去年][多|少]{pct}
，[用时|历时|耗时]{day}
，[花费|总价|涉及金额|合计]{money}
，[完成|占]全年目标的{pct}
，[覆盖|涉及]{city}和{city}
，其中{pct}来自{region}
（[上年同期|去年|此前]为{pct}）
""".strip().splitlines()


class General:
    """Builds fact templates; mixed into the Chinese writer."""

    def actor(self):
        r = self.rng.random()
        if r < 0.35:
            return self.slot_org()
        if r < 0.5:
            return self.slot_dept()
        if r < 0.65:
            return self.slot_person()
        if r < 0.75:
            return self.slot_city() + self.pick("市政府 海关 教育局 消防 供电公司 地铁 港 市场监管局 医保局 气象台 法院 工商联".split())
        if r < 0.85:
            return self.chars(2, 3) + self.pick("社区 小学 医院 村 合作社 酒店 车站 码头 研究所 物业 商场 工厂".split())
        return self.pick("公司 平台 校方 院方 厂方 店方 我们 项目组 董事会 管理层 主办方 施工方 供应商 监管部门 经销商 甲方 总部 分公司".split())

    def timed(self, subject, rest):
        """A time before or after the subject, or none."""
        time = self.pick(["{period}", "{period}", "{date}", "{recent}", "截至{date}", "{date}起", "{recent}"])
        r = self.rng.random()
        if r < 0.3:
            return f"<t:{time}>[，|]<s:{subject}>{rest}"
        if r < 0.4:
            return f"[据统计，|数据显示，|据{{org}}报道，|{{city}}消息，|公告称，]<t:{time}><s:{subject}>{rest}"
        if r < 0.65:
            return f"<s:{subject}><t:[于|]{time}>{rest}"
        return f"<s:{subject}>{rest}"

    def general_fact(self):
        r, tail = self.rng.random(), self.pick(TAILS) if self.chance(0.35) else ""
        if r < 0.3:
            verbs, objects = self.pick(VERB_OBJECTS).split("=")
            thing = self.pick(objects.split())
            amount = "{money}" + thing[1:] if thing[0] == "$" else "{amount}" + thing
            amount = amount if thing[0] == "$" else "{amount:" + thing + "}"
            verb = (self.pick(ADVERBS) if self.chance(0.5) else "") + self.side(verbs.split()) + self.pick(["", "", "了"])
            return self.timed(self.actor(), f"<a:{verb}><r:{amount}{tail}>")
        if r < 0.5:
            change = (self.side(CHANGE_ADVERBS) if self.chance(0.75) else "") + self.side(CHANGES) + self.pick(["", "", "了"])
            return self.timed(self.measure(), f"<a:{change}><r:{{change}}{self.pick(['', '', '，至{value}', '，[低于|高于|好于]预期'])}>")
        if r < 0.75:
            adverb = self.pick(["", "", "", "已", "目前", "平均", "一度", "全年", "累计"])
            return self.timed(self.measure(), f"<a:{adverb}{self.side(STATES)}><r:{{value}}{tail}>")
        if r < 0.87:
            return self.timed(self.actor(), f"<a:{self.side(SPEECH)}><r:，{self.pick(SPEECH_CONTENT)}>")
        verbs, objects = self.pick(EVENTS).split("=")
        adverb = self.pick(["", "", "正式", "已", "宣布", "拟", "联合{org}", "突然", "率先"])
        return self.timed(self.actor(), f"<a:{adverb}{verbs}[了|]><r:{objects}{tail if self.chance(0.5) else ''}>")

    def measure(self):
        if self.chance(0.35):
            return "{region}{product}{metric}"
        owner = self.pick(["", "", "{org}", "{city}", "{dept}", "{product}", "{segment}", "{region}{industry}", self.chars(2, 3)])
        units, names = self.pick(RATES).split("=")
        self.metric_unit = self.pick(units.split())
        return owner + self.pick(names.split())

    def slot_change(self):
        return self.pick([self.slot_pct, self.slot_pct, self.slot_points, self.slot_value])()

    def slot_amount(self, thing):
        """A number directly before its measure word; the figure is number and unit, the noun stays outside."""
        n = self.rng.choice([str(self.rng.randint(2, 99)), str(self.rng.randint(100, 9999)), f"{self.rng.uniform(1, 90):.1f}万",
                             self.pick("两三四五六七八九十") + self.pick(["", "", "十"]), self.pick(["近", "约", "超过", ""]) + str(self.rng.randint(2, 50) * 10)])
        n = n.replace("十十", "二十").replace("两十", "二十")
        units = ("人次", "平方米", "公里")
        unit = next((u for u in units if thing.startswith(u)), thing[0])
        return self.fig(n + unit) + thing[len(unit):]
