"""Texts with their gold reports, written as marked-up templates.

Markup of a template:
  [a|b|]      one of the alternatives
  {slot}      a value drawn by the language module; {slot:argument} passes an argument
  <k:...>     a span: t time, s subject, a action, r result, f figure (facts); any of x y z (viewpoints); m (mood quote)
A fact's quote is the whole clause; a viewpoint template reads "clause => kind: statement with $x $y".
"""

import random
import re

_ALTERNATION = re.compile(r"\[([^\[\]]*)\]")
_SLOT = re.compile(r"\{(\w+)(?::([^{}]*))?\}")
TRIM = "，。；、,.; "


def is_held_out(template):
    """Templates marked with "!" are kept for the evaluation and never trained on."""
    return template.startswith("!")


def parse_spans(marked):
    """Takes the <k:...> marks out; returns the plain text and {kind: [(start, end), ...]}."""
    out, spans, stack = [], {}, []
    length = i = 0
    while i < len(marked):
        if marked[i] == "<" and marked[i + 2:i + 3] == ":":
            stack.append((marked[i + 1], length))
            i += 3
        elif marked[i] == ">" and stack:
            kind, start = stack.pop()
            spans.setdefault(kind, []).append((start, length))
            i += 1
        else:
            out.append(marked[i])
            length += 1
            i += 1
    return "".join(out), {kind: sorted(found) for kind, found in spans.items()}


class Writer:
    """Draws values and renders templates; the language modules add the slots as methods named slot_<name>."""

    def __init__(self, rng, held_out=0.0):
        """held_out: how often a held-out template is drawn where a list has any; 0 in training, 1 in the strict test."""
        self.rng = rng
        self.held_out = held_out

    def chance(self, p):
        return self.rng.random() < p

    def pick(self, items):
        return self.rng.choice(items)

    def template(self, templates):
        """A template of the right side of the held-out split; lists without held-out ones fall back to the others."""
        unseen = self.held_out > 0 and self.chance(self.held_out)
        wanted = [t for t in templates if is_held_out(t) == unseen]
        return self.pick(wanted or templates).lstrip("!")

    side = template  # the same choice for parts of a template

    def fill(self, template):
        while True:
            match = _ALTERNATION.search(template)
            if not match:
                break
            template = template[:match.start()] + self.pick(match.group(1).split("|")) + template[match.end():]
        while True:
            match = _SLOT.search(template)
            if not match:
                return template
            slot = getattr(self, "slot_" + match.group(1))
            value = slot(match.group(2)) if match.group(2) else slot()
            template = template[:match.start()] + value + template[match.end():]

    def fact(self, template):
        text, spans = parse_spans(self.fill(template))
        quote = text.strip(TRIM)

        def first(kind):
            start, end = spans.get(kind, [(0, 0)])[0]
            return text[start:end].strip(TRIM)

        time_at = spans.get("t", [(0, 0)])[0]
        figures = [text[a:b] for a, b in spans.get("f", []) if not (time_at[0] <= a < time_at[1])]
        gold = {"quote": quote, "time": first("t"), "subject": first("s"), "action": first("a"), "result": first("r"),
                "figures": figures[:6]}
        return Segment(text, fact=gold)

    def view(self, template):
        clause, gold = template.split(" => ")
        kind, statement = gold.split(": ", 1)
        text, spans = parse_spans(self.fill(clause))
        for name in "xyz":
            if "$" + name in statement:
                start, end = spans[name][0]
                statement = statement.replace("$" + name, text[start:end].strip(TRIM))
        statement = parse_spans(self.fill(statement))[0]
        parts = [text[a:b] for name in "xyz" for a, b in spans.get(name, [])]
        if len(set(parts)) < len(parts):
            raise Redraw
        mood = spans.get("m")
        quote = text.strip(TRIM)
        return Segment(text, view={"quote": quote, "kind": kind, "statement": statement},
                       mood_quote=text[mood[0][0]:mood[0][1]].strip(TRIM) if mood else quote)

    def fact_view(self, template):
        """One clause that is both: fact spans and viewpoint spans in the same markup."""
        clause, gold = template.split(" => ")
        filled = self.fill(clause)
        fact, view = self.fact(filled), self.view(filled + " => " + gold)
        return Segment(fact.text, fact.fact, view.view, view.mood_quote)

    def any(self, template):
        """Whatever the markup says it is."""
        if " => " in template:
            return self.fact_view(template) if "<a:" in template else self.view(template)
        return self.fact(template) if "<a:" in template else self.plain(template)

    def plain(self, template):
        text, spans = parse_spans(self.fill(template))
        mood = spans.get("m")
        quote = text[mood[0][0]:mood[0][1]] if mood else text
        return Segment(text, mood_quote=quote.strip(TRIM))


class Redraw(Exception):
    """The values drawn do not fit together; the caller starts the text again."""


class Segment:
    """A piece of the text with at most one gold item."""

    def __init__(self, text, fact=None, view=None, mood_quote=None):
        self.text = text
        self.fact = fact
        self.view = view
        self.mood_quote = mood_quote


def report(segments, sentiment):
    """The protocol's object; facts and viewpoints in the order of the text."""
    return {
        "core_viewpoints": [s.view for s in segments if s.view][:3],
        "key_information": [s.fact for s in segments if s.fact][:8],
        "underlying_sentiment": sentiment,
    }


def sentiment(quote, tone, attitude, polarity, intensity, confidence):
    return {"quote": quote, "surface_tone": tone, "underlying_attitude": attitude, "polarity": polarity,
            "intensity": intensity, "confidence": confidence}


def problems(text, gold):
    """What is wrong with an example: gold must be copied from the text wherever the protocol says so."""
    found = []
    copied = [item["quote"] for item in gold["core_viewpoints"]] + [gold["underlying_sentiment"]["quote"]]
    for fact in gold["key_information"]:
        copied.append(fact["quote"])
        copied += fact["figures"]
        copied += [fact[key] for key in ("time", "subject", "action", "result") if fact[key]]
        if not fact["action"]:
            found.append(f"no action: {fact}")
    found += [f"not in the text: {value!r}" for value in copied if not value or value not in text]
    if not 1 <= len(gold["core_viewpoints"]) <= 6:
        found.append("no viewpoint")
    if re.search(r"[<>{}\[\]]", text):
        found.append("markup left in the text")
    return found


def seeded(seed, index, held_out=False):
    return random.Random(f"{seed}/{index}/{held_out}")
