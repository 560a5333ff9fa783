"""English words that judge, with negation, lack and abundance; see evaluations_zh.py."""

from evaluations_zh import words

ADJECTIVES = {kind: words(text, ";") for kind, text in {
    "positive": "excellent;superb;wonderful;remarkable;splendid;delightful;brilliant;terrific;solid;strong;reliable;generous;thoughtful;honest;fair;clear;"
                "efficient;prompt;helpful;friendly;smooth;skilful;wise;timely;healthy;robust;promising;bright;refreshing;comfortable;sturdy;elegant;"
                "first class;top notch;spot on;a pleasure;a real achievement;a model for others;ahead of its rivals;a smart move;money well spent;"
                "a step forward;the best so far;a joy to use;well worth it;a great success;as good as promised;just what we needed",
    "negative": "awful;terrible;horrible;poor;weak;sloppy;chaotic;rude;dishonest;arrogant;clumsy;confusing;useless;shoddy;flimsy;wasteful;reckless;"
                "shameful;harmful;hopeless;pathetic;ugly;noisy;unsafe;overpriced;outdated;broken;bleak;grim;worrying;painful;exhausting;"
                "a disgrace;a disaster;a scandal;a step backwards;a rip-off;a joke;a failure;a dead end;beyond repair;out of control;"
                "an insult to customers;worse than ever;a bad bargain;an empty promise;falling apart;a burden on everyone",
    "mixed": "a mixed bag;good in parts;promising but unproven;half right;better but not good enough;a gamble;fine for now;hit and miss;uneven;"
             "neither safe nor hopeless;a question of luck;impressive on paper only;good news with a catch;a partial success;fragile;hard to call",
    "neutral": "unchanged;as usual;as planned;normal;typical;standard practice;within the usual range;the same as last year;on schedule;"
               "subject to confirmation;a matter of record;a formality;average;ordinary;under review;not yet decided",
}.items()}
NOUNS = {kind: words(text, ";") for kind, text in {
    "positive": "care;courage;vision;energy;confidence;common sense;honesty;respect;ambition;discipline;patience;fresh ideas;substance;good taste",
    "negative": "flaws;excuses;gaps;waste;risk;contempt;confusion;broken promises;hidden costs;loose ends;empty words;errors;traps;bad faith",
}.items()}
VERBS = "is is was seems looks remains has_been is_simply is_clearly turned_out_to_be proved".split()


class EvaluationsEn:
    def judgement(self, polarity):
        """A predicate with its verb: "is superb", "lacks courage", "is anything but rude"."""
        verb, r = self.pick(VERBS).replace("_", " "), self.rng.random()
        if polarity in NOUNS and r < 0.12:
            return self.pick(["is full of", "shows", "has plenty of"]) + " " + self.side(NOUNS[polarity])
        if polarity in NOUNS and r < 0.24:
            other = "negative" if polarity == "positive" else "positive"
            return self.pick(["lacks", "is free of", "shows no"] if polarity == "positive" else ["lacks", "has no", "shows no"]) + " " + self.side(NOUNS[other])
        if polarity in NOUNS and r < 0.32:
            other = "negative" if polarity == "positive" else "positive"
            return verb + self.pick([" anything but ", " by no means ", " far from ", " never "]) + self.side(ADJECTIVES[other])
        return verb + self.pick(["", "", "", " really", " very much"] if polarity in NOUNS else [""]) + " " + self.side(ADJECTIVES[polarity])
