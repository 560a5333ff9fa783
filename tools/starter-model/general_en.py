"""Everyday English facts from parts, as general_zh.py does for Chinese. "!" marks parts kept for the evaluation."""

VERB_OBJECTS = """
hired trained dismissed interviewed promoted relocated recruited !seconded=engineers;nurses;drivers;teachers;interns;technicians;apprentices
bought installed replaced repaired tested scrapped ordered !refurbished=machines;servers;lifts;buses;cameras;pumps;solar panels
inspected visited fined closed warned rated audited !shortlisted=factories;shops;restaurants;building sites;clinics;warehouses
sold delivered donated collected shipped recycled returned !dispatched=boxes;bicycles;tickets;books;coats;meals;parcels
opened renovated merged leased moved shut expanded !rebranded=branches;stores;offices;counters;classrooms;charging stations
processed rejected approved reviewed settled archived !reopened=applications;complaints;claims;invoices;contracts;tickets
planted harvested produced stored exported imported !milled=tonnes of wheat;tonnes of apples;crates of fish;litres of milk;tonnes of steel
raised invested saved borrowed repaid spent lost !pledged=$
built paved repaired widened cleared !resurfaced=miles of road;bridges;homes;miles of pipe;car parks
released fixed tested withdrew patented shipped !rolled back=updates;features;bugs;models;apps;titles
""".strip().splitlines()
ADVERBS = "has already;has;will;plans to;also;recently;quietly;together;finally;temporarily".split(";")
CHANGES = ("rose fell grew dropped climbed slipped jumped declined increased decreased improved shrank doubled to slid recovered eased widened narrowed "
           "rebounded tumbled !soared !dipped !crept !retreated").split()
CHANGE_ADVERBS = "sharply slightly again steadily unexpectedly also !markedly".split()
STATES = "was;reached;stood at;averaged;exceeded;fell to;rose to;came to;remained at;hit;totalled;dropped below;is now;!approached;!settled at".split(";")
RATES = ("the average wait;the error rate;occupancy;attendance;turnout;the rent;the unit price;output;the vacancy rate;satisfaction;the backlog;daily traffic;"
         "the pass rate;the delivery time;energy use;overtime;the repair cost;website visits;the order book;the conversion rate;staff turnover").split(";")
SPEECH = "said;announced;admitted;denied;confirmed;explained;warned;promised;told reporters;!insisted;!conceded".split(";")
SPEECH_CONTENT = """
that [prices|wages|fees] would [not rise|stay unchanged] in {period}
that the [loss|cost|gap] was {money}
that {count} were affected
that repairs would take {days}
that the [cause|reason] was [a software fault|human error|bad weather]
that talks with {org} had [failed|resumed|begun]
""".strip().splitlines()
EVENTS = """
[appointed|named|dismissed]=[{person} as chief executive|a new finance director|{person}]
[signed|ended|renewed]=[a supply contract with {org}|the lease|a joint venture with {org}]
[published|withdrew|updated]=[its annual report|the new rules|the price list]
[bought|sold|took over]=[{org}|its unit in {region}|a stake in {org}]
[started|suspended|resumed]=[an internal review|production in {region}|the tender|hiring]
[sued|criticised|thanked]=[{org}|its supplier|the regulator]
""".strip().splitlines()
TAILS = [", [up|down] {pct} from a year earlier", ", {pct} of the annual target", ", at a cost of {money}", ", including {count} in {region}", " within {days}",
         " (last year: {pct})"]
ACTORS = ("the company;the city council;the hospital;the school;the ministry;the union;the landlord;the contractor;the airline;the committee;the regulator;"
          "the supplier;the board;the airport;the police;the organiser").split(";")


class GeneralEn:
    """Builds fact templates; mixed into the English writer."""

    def actor(self):
        r = self.rng.random()
        if r < 0.4:
            return self.slot_org()
        if r < 0.55:
            return self.slot_person()
        if r < 0.7:
            return self.slot_dept()
        return self.pick(ACTORS)

    def timed(self, subject, rest):
        time = self.pick(["in {period}", "on {date}", "{recent}", "since {date}", "during {period}", "{recent}"])
        r = self.rng.random()
        if r < 0.35:
            return f"<t:{time}>, <s:{subject}> {rest}"
        if r < 0.65:
            return f"<s:{subject}> {rest} <t:{time}>"
        return f"<s:{subject}> {rest}"

    def general_fact(self):
        r, tail = self.rng.random(), self.pick(TAILS) if self.chance(0.3) else ""
        if r < 0.35:
            verbs, things = self.pick(VERB_OBJECTS).split("=")
            thing = self.pick(things.split(";"))
            amount = "{money}" if thing == "$" else "{number} " + thing
            adverb = self.pick(ADVERBS[4:]) + " " if self.chance(0.3) else ""
            return self.timed(self.actor(), f"<a:{adverb}{self.side(verbs.split())}> <r:{amount}{tail}>")
        if r < 0.55:
            adverb = " " + self.side(CHANGE_ADVERBS) if self.chance(0.25) else ""
            how = self.pick(["{pct}", "by {pct}", "by {points}", "{pct} to {count}", "from {pct} to {pct}"])
            return self.timed(self.measure(), f"<a:{self.side(CHANGES)}{adverb}> <r:{how}>")
        if r < 0.75:
            value = self.pick(["{pct}", "{money}", "{hours}", "{days}", "{count}", "{price}"])
            return self.timed(self.measure(), f"<a:{self.side(STATES)}> <r:{value}{tail}>")
        if r < 0.87:
            return self.timed(self.actor(), f"<a:{self.side(SPEECH)}> <r:{self.pick(SPEECH_CONTENT)}>")
        verbs, objects = self.pick(EVENTS).split("=")
        return self.timed(self.actor(), f"<a:{verbs}> <r:{objects}>")

    def measure(self):
        if self.chance(0.3):
            return "{metric} in {region}"
        owner = self.pick(["", "", " at {org}", " in {region}", " in {dept}"])
        return self.pick(RATES) + owner

    def slot_number(self):
        n = self.rng.randint(2, 12)
        words = "zero one two three four five six seven eight nine ten eleven twelve".split()
        return self.fig(self.pick([words[n], str(self.rng.randint(2, 999)), f"{self.rng.randint(1000, 99999):,}", "nearly " + str(self.rng.randint(2, 90) * 10)]))
