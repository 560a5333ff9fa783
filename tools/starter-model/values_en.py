"""English values: names, times, figures."""

import core
import general_en
import opinions

DOMAINS = """
cloud software|revenue subscriptions bookings customer-count|cloud customers;small-business plans;overseas accounts;data storage|lower storage costs;new partner deals;faster onboarding;price cuts
electric vehicles|deliveries revenue exports battery-output|compact models;fleet orders;charging services;pickup trucks|cheaper batteries;wider charging networks;fleet demand;tax credits
retail|sales footfall gross-profit store-count|online orders;private labels;grocery;suburban stores|longer opening hours;loyalty discounts;warm weather;faster delivery
banking|net-income lending deposits fee-income|small-business loans;credit cards;mortgages;wealth management|higher rates;lower provisions;digital channels;branch closures
logistics|parcel-volume revenue on-time-rate tonnage|cross-border freight;cold storage;express parcels;returns|automation;lower fuel prices;new routes;shorter queues
consumer electronics|shipments revenue average-price inventory|foldable phones;tablets;headphones;entry-level laptops|better cameras;trade-in offers;longer battery life;a weak currency
airlines|passengers load-factor revenue yield|long-haul routes;business travel;cargo;regional flights|cheaper fuel;summer demand;new airports;visa waivers
pharmaceuticals|revenue prescriptions research-spending trial-enrolment|vaccines;generic drugs;oncology;hospital sales|new approvals;ageing patients;patent expiry;faster trials
food and drink|sales volume same-store-growth exports|coffee shops;frozen meals;plant milk;catering|lower sugar prices;new flavours;health concerns;tourist spending
semiconductors|wafer-output revenue capacity yield|memory chips;automotive chips;sensors;power devices|inventory restocking;export rules;data-centre demand;better yields
energy|output installations revenue capacity|offshore wind;rooftop solar;home batteries;gas storage|falling panel prices;grid upgrades;a mild winter;new subsidies
housing|completions rents sales mortgage-approvals|first-time buyers;city flats;social housing;new homes|lower mortgage rates;tax relief;supply shortages;faster permits
""".strip().splitlines()
HELD_OUT_DOMAINS = """
hotels|room-nights occupancy revenue bookings|airport hotels;family suites;conference rooms;weekend stays|festival demand;direct bookings;shorter stays;renovated rooms
museums|visitors ticket-income donations memberships|school groups;evening openings;travelling exhibitions;gift shops|free admission days;school holidays;new galleries;local sponsors
""".strip().splitlines()
SYLLABLES = ("ba be bi bo bri ca cel cor da del dra el en fa fel gar gen hal har in ja jor ka kel kor la lin lo lum ma mar mel mi mor na nel no "
             "or pa per pol qua ra rel ro ru sa sel sol ta tel tor tri u va vel ver vi wan wes xan ya yor za zen").split()
SUFFIXES = "Group Holdings Technologies Systems Foods Logistics Energy Motors Bank Labs Industries Partners Stores Airlines Capital Software Health".split()
FIRST = ("Anna James Maria Peter Laura Daniel Susan Omar Grace Victor Helen Ivan Priya Tom Nadia Carlos Emma Kevin Mei Robert Julia Hassan Olga "
         "Paul Ruth Simon Clara Diego Fiona George").split()
MONTHS = "January February March April May June July August September October November December".split()
DEPARTMENTS = "finance;marketing;the support team;procurement;the data team;quality control;human resources;the design team;logistics;legal;engineering;facilities".split(";")
ITEMS = ("vacuum cleaner;coffee machine;headphones;laptop;office chair;printer;mattress;kettle;backpack;tablet;bicycle;camera;heater;keyboard;"
         "smart watch;blender;suitcase;desk lamp;router;air purifier;running shoes;electric toothbrush").split(";")
PARTS = "battery;charger;lid;screen;handle;wheel;filter;cable;manual;zip;power button;remote;base;left speaker".split(";")
ATTRIBUTES = ("sound;battery life;build quality;suction;screen;packaging;comfort;price;noise level;delivery;design;fit;picture quality;"
              "software;weight;assembly;texture;colour;charging speed").split(";")
POLICIES = "the new review process;weekly reporting;the open office;hybrid work;the on-call rota;the bonus scheme;the new shift plan;time tracking;the mentoring programme".split(";")
PLACES = "the north car park;the lift in building B;the canteen;the main entrance;the payroll system;the library;the gym;the third floor;the mail server;the swimming pool;the meeting rooms".split(";")
WORKS = "maintenance;repairs;cleaning;a system upgrade;a fire drill;painting;an inspection;a network change;pest control".split(";")
TOPICS = "the budget plan;the launch schedule;the supplier list;the hiring plan;the safety audit;the training plan;the price review;the migration plan;the customer survey;the contract renewal".split(";")


class Domain:
    def __init__(self, line):
        name, metrics, segments, drivers = line.split("|")
        self.name, self.metrics = name, [metric.replace("-", " ") for metric in metrics.split()]
        self.segments, self.drivers = segments.split(";"), drivers.split(";")


ALL_DOMAINS, ALL_HELD_OUT = [Domain(d) for d in DOMAINS], [Domain(d) for d in HELD_OUT_DOMAINS]


class ValuesEn(core.Writer, general_en.GeneralEn, opinions.OpinionsEn):
    def __init__(self, rng, held_out=0.0, domain=None):
        super().__init__(rng, held_out)
        self.domain = domain or self.pick(ALL_DOMAINS)
        self.year = rng.randint(2018, 2027)
        self.item = self.pick(ITEMS) if self.chance(0.85) else self.word() + " " + self.pick(ITEMS)

    def word(self):
        return "".join(self.pick(SYLLABLES) for _ in range(self.rng.randint(2, 3)))

    def fig(self, text): return "<f:" + text + ">"
    def slot_org(self):
        name = self.word().capitalize()
        return name if self.chance(0.4) else name + " " + self.pick(SUFFIXES)

    def slot_person(self):
        return self.pick(FIRST) + " " + self.word().capitalize() if self.chance(0.7) else self.pick(["Mr ", "Ms ", "Dr "]) + self.word().capitalize()

    def slot_industry(self): return self.domain.name
    def slot_metric(self): return self.pick(self.domain.metrics)
    def slot_segment(self): return self.pick(self.domain.segments) if self.chance(0.85) else self.word() + " " + self.pick(["products", "services", "accounts", "orders"])
    def slot_driver(self): return self.pick(self.domain.drivers)
    def slot_item(self): return self.item
    def slot_part(self): return self.pick(PARTS)
    def slot_attribute(self): return self.pick(ATTRIBUTES)
    def slot_policy(self): return self.pick(POLICIES)
    def slot_place(self): return self.pick(PLACES)
    def slot_work(self): return self.pick(WORKS)
    def slot_topic(self): return self.pick(TOPICS)
    def slot_dept(self): return self.pick(DEPARTMENTS)
    def slot_region(self): return self.pick("Europe;North America;Asia;the home market;China;Germany;the north;Latin America;Japan;India".split(";"))
    def slot_code(self): return self.pick("ABCDEFGHKLMNPRSTUVWX") + self.pick(["", "-"]) + str(self.rng.randint(100, 99999))

    def slot_pct(self):
        r = self.rng.random()
        if r < 0.06:
            return self.fig(self.pick(["two thirds", "a third", "half", "a quarter"]))
        return self.fig(f"{self.rng.uniform(0.2, 99):.1f}%" if self.chance(0.5) else f"{self.rng.randint(1, 99)}%")

    def slot_points(self): return self.fig(self.pick([f"{self.rng.uniform(0.2, 9):.1f} points", f"{self.rng.randint(10, 300)} basis points"]))
    def slot_money(self):
        n = self.pick([str(self.rng.randint(2, 990)), f"{self.rng.uniform(1, 90):.1f}", f"{self.rng.uniform(1, 9):.2f}"])
        return self.fig(self.pick("$$$€£") + n + self.pick([" million", " million", " billion", "m", "bn"]))

    def slot_price(self):
        return self.fig(self.pick("$$$€£") + self.pick([str(self.rng.randint(3, 990)), f"{self.rng.randint(3, 400)}.{self.rng.randint(10, 99)}"]))

    def slot_count(self):
        n = self.pick([f"{self.rng.randint(1000, 99999):,}", str(self.rng.randint(20, 999)), f"{self.rng.uniform(1, 90):.1f} million"])
        return self.fig(n + " " + self.pick("units orders customers vehicles tonnes parcels users stores devices".split()))

    def small(self, low, high, unit):
        n = self.rng.randint(low, high)
        words = "zero one two three four five six seven eight nine ten eleven twelve".split()
        return self.fig((words[n] if n < 13 and self.chance(0.5) else str(n)) + " " + unit)

    def slot_days(self): return self.small(2, 40, self.pick(["days", "working days", "days"]))
    def slot_hours(self): return self.small(2, 60, "hours")
    def slot_minutes(self): return self.small(2, 59, "minutes")
    def slot_weeks(self): return self.small(2, 12, "weeks")
    def slot_times(self): return self.small(2, 9, "times")
    def slot_calls(self): return self.small(2, 9, self.pick(["calls", "emails", "messages"]))
    def slot_people(self): return self.small(2, 90, self.pick(["people", "staff", "colleagues", "engineers"]))
    def slot_pages(self): return self.small(2, 40, "pages")

    def slot_date(self):
        month, day = self.pick(MONTHS), self.rng.randint(1, 28)
        return self.pick([f"{month} {day}", f"{day} {month}", f"{month} {day}, {self.year}", f"{day} {month} {self.year}"])

    def slot_period(self):
        return self.pick(["the third quarter", "the first half", f"the first quarter of {self.year}", f"{self.year}", f"Q{self.rng.randint(1, 4)} {self.year}",
                          self.pick(MONTHS), f"fiscal {self.year}", "the last quarter", f"{self.pick(MONTHS)} {self.year}", "the fourth quarter",
                          f"the three months to {self.pick(MONTHS)}", "the past year"])

    def slot_recent(self):
        return self.pick(["on " + self.slot_date(), "on " + self.slot_date(), "last week", "yesterday", "last Friday", "on Monday", "this morning", "two weeks ago",
                          "last month", "on Tuesday afternoon"])

    def slot_deadline(self):
        return self.pick(["by " + self.slot_date(), "by Friday", "by the end of " + self.pick(MONTHS), "before " + self.slot_date(), "by next Monday", "by year-end"])
