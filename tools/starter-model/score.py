"""Scores reports against gold: shared by the quick check on the trainer's own decoder and by evaluate.py."""

import json

POLARITIES = ("positive", "negative", "neutral", "mixed")
FACT_KEYS = ("time", "subject", "action", "result", "figures")


def schema_errors(report):
    """Names what breaks the protocol in a report as the model writes it (quotes as strings)."""
    def text(value, empty=False):
        return isinstance(value, str) and (empty or value != "")

    try:
        views, facts, mood = (report[key] for key in ("core_viewpoints", "key_information", "underlying_sentiment"))
        checks = [
            set(report) == {"core_viewpoints", "key_information", "underlying_sentiment"},
            1 <= len(views) <= 6 and len(facts) <= 12,
            all(set(v) == {"quote", "kind", "statement"} and text(v["quote"]) and text(v["statement"])
                and v["kind"] in ("stance", "judgement", "claim") for v in views),
            all(set(f) == {"quote", *FACT_KEYS} and text(f["quote"])
                and all(text(f[key], True) for key in FACT_KEYS[:4]) and len(f["figures"]) <= 6
                and all(text(figure) for figure in f["figures"]) for f in facts),
            set(mood) == {"quote", "surface_tone", "underlying_attitude", "polarity", "intensity", "confidence"},
            mood["polarity"] in POLARITIES and mood["intensity"] in (1, 2, 3, 4, 5)
            and mood["confidence"] in ("low", "medium", "high") and text(mood["quote"]),
        ]
    except (KeyError, TypeError, AttributeError) as error:
        return [repr(error)]
    return [f"check {i}" for i, good in enumerate(checks) if not good]


def copied(report):
    """Everything the protocol wants verbatim from the source."""
    yield from (item["quote"] for item in report["core_viewpoints"] + report["key_information"])
    yield report["underlying_sentiment"]["quote"]
    for fact in report["key_information"]:
        yield fact["time"]
        yield from fact["figures"]


class Scores:
    def __init__(self):
        self.counts = {}
        self.misses = []

    def add(self, name, hit, total=1):
        hits, n = self.counts.get(name, (0, 0))
        self.counts[name] = (hits + hit, n + total)

    def example(self, text, gold, report):
        """report is None where the answer was no JSON object."""
        errors = ["no JSON"] if report is None else schema_errors(report)
        self.add("schema valid", not errors)
        if errors:
            report = {"core_viewpoints": [], "key_information": [], "underlying_sentiment": {}}
        else:
            self.add("quotes verbatim", all(value in text for value in copied(report)))
        found = report["key_information"]
        for fact in gold["key_information"]:
            same_quote = [f for f in found if f["quote"] == fact["quote"]]
            exact = any(all(f[key] == fact[key] for key in FACT_KEYS) for f in found)
            self.add("key facts exact", exact)
            self.add("  fact quote", bool(same_quote))
            for key in FACT_KEYS:
                self.add("  fact " + key, any(f[key] == fact[key] for f in same_quote))
            if not exact:
                self.misses.append((fact, same_quote or None))
        gold_keys = [[f[key] for key in FACT_KEYS] for f in gold["key_information"]]
        self.add("predicted facts right", sum([f[key] for key in FACT_KEYS] in gold_keys for f in found), len(found))
        for view in gold["core_viewpoints"]:
            same = [v for v in report["core_viewpoints"] if v["quote"] == view["quote"]]
            self.add("viewpoint quote", bool(same))
            self.add("viewpoint kind", any(v["kind"] == view["kind"] for v in same))
            self.add("viewpoint statement exact", any(v["statement"] == view["statement"] for v in same))
        mood, wanted = report["underlying_sentiment"], gold["underlying_sentiment"]
        self.add("sentiment polarity", mood.get("polarity") == wanted["polarity"])
        self.add("sentiment quote", mood.get("quote") == wanted["quote"])
        self.add("sentiment intensity within 1", abs(mood.get("intensity", 9) - wanted["intensity"]) <= 1)

    def lines(self):
        return [f"{name:30} {hits:5}/{n:<5} {100 * hits / n if n else 0:5.1f} %" for name, (hits, n) in self.counts.items()]


def parse(answer):
    try:
        return json.loads(answer)
    except ValueError:
        return None


def main():
    """score.py HELD_OUT.jsonl ANSWERS [show N]: scores the trainer's `eval` output, one JSON answer a line."""
    import sys

    scores = Scores()
    with open(sys.argv[1], encoding="utf-8") as gold, open(sys.argv[2], encoding="utf-8", errors="replace") as answers:
        for line, answer in zip(gold, answers):
            example = json.loads(line)
            scores.example(example["text"], example["report"], parse(answer))
    print("\n".join(scores.lines()))
    for fact, got in scores.misses[:int(sys.argv[3]) if len(sys.argv) > 3 else 0]:
        print("want", json.dumps(fact, ensure_ascii=False), "\ngot ", json.dumps(got, ensure_ascii=False))


if __name__ == "__main__":
    main()
