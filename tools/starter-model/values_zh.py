"""Chinese values: names, times, figures. Each slot method returns text, figures wrapped as <f:...>."""

import core
import general_zh
import lexicon_zh as lex
import office_zh
import opinions
import tokenizer
import voices_zh

LEVEL1 = list(tokenizer.gb2312_level1())
ORG_SUFFIXES = "公司 集团 股份 科技 工厂 研究院 门店 平台 中心 实业 控股 商行 协会 超市 学校 医院 连锁 物业".split()
METHODS = "客户经理 店长 店员 师傅 客服 主管 负责人 物业经理 销售顾问 安装师傅 前台 班主任 护士 快递员".split()


class Domain:
    def __init__(self, line):
        name, suffixes, metrics, products, segments, drivers, details = line.split("|")
        self.name, self.suffixes = name, suffixes.split()
        self.metrics = [metric.split("/") for metric in metrics.split()]
        self.products, self.segments = products.split(), segments.split()
        self.drivers, self.details = drivers.split(), details.split()


DOMAINS = [Domain(line) for line in lex.DOMAIN_BLOCK.splitlines()]
HELD_OUT_DOMAINS = [Domain(line) for line in lex.HELD_OUT_DOMAIN_BLOCK.splitlines()]


class ValuesZh(core.Writer, general_zh.General, opinions.OpinionsZh, voices_zh.Voices, office_zh.Office):
    def __init__(self, rng, held_out=0.0, domain=None):
        super().__init__(rng, held_out)
        self.domain = domain or self.pick(DOMAINS)
        self.year = rng.randint(2018, 2027)
        self.metric_unit = "%"
        self.product = self.slot_newproduct()
        self.item = self.pick(voices_zh.ITEMS) if self.chance(0.8) else self.slot_newproduct()

    def chars(self, low, high):
        chars = [self.pick(LEVEL1) for _ in range(self.rng.randint(low, high))]
        if self.chance(0.1):
            chars[self.rng.randrange(len(chars))] = self.pick(lex.RARE_CHARS)
        return "".join(chars)

    # Names
    def slot_org(self):
        r = self.rng.random()
        if r < 0.3:
            return self.pick(lex.REAL_NAMES)
        name = self.chars(2, 3 if r < 0.9 else 4)
        if r < 0.55:
            return name
        if r < 0.65:
            return self.pick(lex.CITIES) + name + self.pick(self.domain.suffixes)
        return name + self.pick(self.domain.suffixes if self.chance(0.7) else ORG_SUFFIXES)

    def slot_person(self):
        name = self.pick(lex.SURNAMES) + self.chars(1, 2)
        r = self.rng.random()
        if r < 0.6:
            return name
        return name[0] + self.pick("经理 总 工 老师 女士 先生 主任 师傅".split())

    def slot_surname(self):
        return self.pick(lex.SURNAMES)

    def slot_staff(self):
        return self.pick(METHODS)

    def slot_dept(self):
        return self.pick(lex.DEPARTMENTS) if self.chance(0.85) else self.chars(2, 2) + self.pick("部 组 科 中心".split())

    def slot_city(self):
        return self.pick(lex.CITIES)

    def slot_region(self):
        return self.pick(lex.REGIONS) if self.chance(0.7) else self.pick(lex.CITIES)

    def slot_newproduct(self):
        base = self.pick(self.domain.products)
        r = self.rng.random()
        if r < 0.6:
            return base
        if r < 0.75:
            return self.chars(2, 2) + base
        if r < 0.85:
            return "“" + self.chars(2, 4) + "”" + base
        return base + self.pick(["Pro", "Max", "Mini", "X5", "S7", "2代", "A1", "标准版", "旗舰版"])

    def slot_product(self):
        """The text's main product; now and then another one."""
        return self.product if self.chance(0.75) else self.slot_newproduct()

    def slot_segment(self):
        if self.chance(0.6):
            return self.pick(self.domain.segments)
        return self.pick([self.chars(2, 3), self.slot_city(), self.pick(self.domain.products)]) + self.pick(
            "业务 渠道 产品 用户 客户 车型 机型 订单 门店 板块 系列 品类 价格段 市场".split())

    def slot_driver(self):
        """Half known ones; the others are put together so freely that they can only be copied."""
        if self.chance(0.5):
            return self.pick(self.domain.drivers)
        owner = self.pick([self.pick(self.domain.products), self.chars(2, 3), self.pick(voices_zh.ATTRIBUTES), self.pick(voices_zh.TASKS)])
        return owner + self.pick("需求 体验 价格 竞争 口碑 供给 成本 效率 门槛 压力 性能 意愿 习惯 信任度 便利度 适用面 可靠性 顾虑".split()) + self.pick(
            "回升 改善 下行 趋缓 提升 增加 减轻 下降 普及 增强 放缓 扩大 收窄 回暖 升级 优化 分化 释放 加快 成熟 缓解".split())

    def slot_detail(self):
        detail = self.fill(self.pick(self.domain.details))
        return detail if "<f:" in detail else self.slot_pct() + detail

    def slot_metric(self):
        name, self.metric_unit = self.pick(self.domain.metrics)
        return name

    def slot_industry(self):
        return self.domain.name

    def slot_code(self):
        letters = "".join(self.pick("ABCDEFGHJKLMNPQRSTUVWXYZ") for _ in range(self.rng.randint(1, 3)))
        return letters + self.pick(["", "-"]) + str(self.rng.randint(1, 9999))

    def slot_digits(self):
        return "".join(self.pick("0123456789") for _ in range(self.rng.randint(3, 6)))

    # Figures
    def number(self, kind=None):
        r, rng = self.rng.random(), self.rng
        if r < 0.4:
            return f"{rng.uniform(0.1, 99):.1f}" if self.chance(0.8) else f"{rng.uniform(0.1, 99):.2f}"
        if r < 0.65:
            return str(rng.randint(1, 99))
        if r < 0.9:
            return str(rng.randint(100, 9999))
        return f"{rng.randint(1000, 99999):,}"

    def fig(self, text):
        return "<f:" + text + ">"

    def slot_value(self):
        """A figure in the unit of the metric drawn last."""
        unit = self.metric_unit
        if unit == "%":
            return self.fig(f"{self.rng.uniform(0.5, 95):.1f}%" if self.chance(0.7) else f"{self.rng.randint(1, 97)}%")
        if unit == "‰":
            return self.slot_permille()
        if unit in ("个月", "天", "小时", "分钟", "款"):
            return self.fig(str(self.rng.randint(2, 120)) + unit)
        if unit in ("元每瓦", "元每斤"):
            return self.fig(f"{self.rng.uniform(0.3, 30):.2f}" + unit)
        if unit[0] in "万亿" or unit in ("吉瓦", "点", "元"):
            return self.fig(self.number() + unit)
        return self.fig(self.number() + self.pick(["", "", "万", "万", "亿"]) + unit)

    def slot_pct(self):
        r = self.rng.random()
        if r < 0.06:
            return self.fig(self.pick("一二三四五六七八九") + "成")
        if r < 0.1:
            return self.fig("百分之" + self.pick(["三", "五", "八", "十二", "三十", "六十五", "四十", "二十七"]))
        return self.fig(f"{self.rng.uniform(0.2, 99):.1f}%" if self.chance(0.55) else f"{self.rng.randint(1, 99)}%")

    def slot_pct0(self):
        return self.slot_pct()

    def slot_permille(self):
        if self.chance(0.3):
            return self.fig("千分之" + self.pick("一二三四五六七八九"))
        return self.fig(f"{self.rng.uniform(0.1, 9.9):.1f}‰")

    def slot_points(self):
        return self.fig(f"{self.rng.uniform(0.1, 12):.1f}个百分点")

    def slot_money(self):
        return self.fig(self.number() + self.pick(["亿元", "亿元", "万元", "万元", "亿美元", "万美元", "亿港元", "元"]))

    def slot_yuan(self):
        r = self.rng.randint(3, 4999)
        return self.fig(f"{r}元" if self.chance(0.85) else f"{r}.{self.rng.randint(1, 9)}元")

    def slot_count(self, units="台 件 套 单 份 万件 万套 万单 批"):
        unit = self.pick(units.split())
        return self.fig((self.number() if unit[0] == "万" else str(self.rng.choice([self.rng.randint(2, 60), self.rng.randint(60, 9999)]))) + unit)

    def slot_people(self):
        if self.chance(0.25):
            return self.fig(self.pick(["三", "五", "八", "十一", "十二", "二十", "十五", "六", "七"]) + self.pick("个人 人 名同事 位".split()))
        return self.fig(str(self.rng.randint(2, 300)) + self.pick("人 名 人 位".split()))

    def small(self, low, high, units):
        n = self.rng.randint(low, high)
        zh = "零一两三四五六七八九十"
        text = zh[n] if n <= 10 and self.chance(0.4) else str(n)
        return self.fig(text + self.pick(units))

    def slot_day(self): return self.small(1, 60, ["天", "天", "个工作日", "日"])
    def slot_hour(self): return self.small(1, 72, ["小时", "个小时", "小时"])
    def slot_minute(self): return self.small(2, 59, ["分钟"])
    def slot_second(self): return self.small(1, 30, ["秒"])
    def slot_week(self): return self.small(1, 12, ["周"])
    def slot_months(self): return self.small(1, 18, ["个月"])
    def slot_times(self): return self.small(2, 9, ["次", "次", "回", "遍"])
    def slot_km(self): return self.fig(str(self.rng.randint(2, 900)) + "公里")
    def slot_db(self): return self.fig(str(self.rng.randint(30, 70)) + "分贝")
    def slot_kg(self): return self.fig(str(self.rng.randint(2, 300)) + "千克")
    def slot_page(self): return self.small(1, 30, ["页"])
    def slot_rank(self): return self.pick("居首 位居第一 排名第二 位列第三 领跑 紧随其后 居次席 位居榜首 排在第四 夺得首位 稳居第一 跻身前五".split())

    # Times
    def slot_date(self):
        m, d = self.rng.randint(1, 12), self.rng.randint(1, 28)
        return self.pick([f"{m}月{d}日", f"{m}月{d}日", f"{self.year}年{m}月{d}日", f"{m}月{d}日{self.pick(['上午', '下午', '晚上', '凌晨'])}",
                          f"{m}月{d}号"])

    def slot_period(self):
        y, q, m = self.year, self.rng.randint(1, 4), self.rng.randint(1, 12)
        zq = "一二三四"[q - 1]
        month = self.pick("一月 二月 三月 四月 五月 六月 七月 八月 九月 十月 十一月 十二月".split())
        return self.pick([f"{y}年Q{q}", f"{y}年第{zq}季度", f"{y}年{zq}季度", f"{y}年{m}月", f"今年{zq}季度", f"{zq}季度", f"{m}月", f"{m}月份",
                          f"{y}年", f"{y}年上半年", "今年上半年", f"今年前{self.pick('三四五六七八九')}个月", "去年", "本月", "上个月", "报告期内", "本季度",
                          f"截至{m}月末", f"{y}年底", f"{m}月上旬", f"{y}财年", f"{y}年前三季度", "去年同期", "近三年", f"截至{y}年{m}月底",
                          f"{y}年{m}月第{self.pick('一二三四')}周", f"{y}Q{q}", f"第{zq}季度", month, month + "份", month + "底", f"{y}年末", "今年以来", "过去一年",
                          f"{y - 1}至{y}年", "上季度", f"{m}月末", "眼下"])

    def slot_recent(self):
        return self.pick([self.slot_date(), self.slot_date(), "昨天", "上周五", "本周三", "上周", "昨天下午", "前天", "周一上午", "今天早上", "上个月", "周末",
                          "昨晚", "上周二下午", "月初", f"{self.rng.randint(1, 12)}月初", "九月", "六月底", "三天前",
                          "十一月", "前几天", "今天"])

    def slot_deadline(self):
        m = self.rng.randint(1, 12)
        return self.pick([f"{m}月{self.rng.randint(1, 28)}日前", f"{m}月底前", "下周五前", "本周五前", f"{m}月底之前", "月底前", "年底前", "本季度末前", f"{m}月中旬前", "春节前",
                          "下次例会前"])
