"""Tests of the generator and the tokenizer; run with: python3 -m unittest discover -s tools/starter-model"""

import json
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import core
import generate
import score
import tokenizer

HERE = os.path.dirname(os.path.abspath(__file__))
SAMPLES = os.path.join(HERE, "..", "..", "samples")


def drawn(count, held_out):
    return [generate.draw(core.seeded(7, i, held_out), held_out) for i in range(count)]


class GeneratorTest(unittest.TestCase):
    def test_gold_is_valid_and_verbatim(self):
        for held_out in (False, True):
            for text, gold in drawn(400, held_out):
                self.assertEqual(core.problems(text, gold), [], text)
                self.assertEqual(score.schema_errors(json.loads(json.dumps(gold))), [], text)

    def test_same_seed_same_texts(self):
        self.assertEqual(drawn(20, False), drawn(20, False))
        self.assertNotEqual(drawn(20, False), drawn(20, True))

    def test_all_polarities_occur(self):
        counts = {}
        for _, gold in drawn(400, False):
            polarity = gold["underlying_sentiment"]["polarity"]
            counts[polarity] = counts.get(polarity, 0) + 1
        self.assertEqual(set(counts), set(score.POLARITIES))
        self.assertGreater(min(counts.values()), 30)

    def test_held_out_templates_are_not_trained_on(self):
        writer = core.Writer(core.seeded(1, 1))
        for _ in range(50):
            self.assertEqual(writer.template(["a", "!b"]), "a")
        self.assertEqual(core.Writer(core.seeded(1, 1), held_out=True).template(["a", "!b"]), "b")

    def test_no_sample_sentence_is_in_the_sources(self):
        sources = ""
        for name in os.listdir(HERE):
            if name.endswith(".py"):
                with open(os.path.join(HERE, name), encoding="utf-8") as file:
                    sources += file.read()
        for name in os.listdir(SAMPLES):
            with open(os.path.join(SAMPLES, name), encoding="utf-8") as file:
                text = file.read()
            for start in range(0, len(text) - 24):
                piece = text[start:start + 24]
                self.assertNotIn(piece, sources)


class MarkupTest(unittest.TestCase):
    def test_spans(self):
        text, spans = core.parse_spans("<t:去年><s:甲>卖出<r:<f:3台>>")
        self.assertEqual(text, "去年甲卖出3台")
        self.assertEqual(spans, {"t": [(0, 2)], "s": [(2, 3)], "f": [(5, 7)], "r": [(5, 7)]})

    def test_figures_within_the_time_do_not_count(self):
        fact = core.Writer(core.seeded(1, 1)).fact("<t:<f:3天>后><s:甲><a:卖出><r:<f:3台>>").fact
        self.assertEqual(fact, {"quote": "3天后甲卖出3台", "time": "3天后", "subject": "甲", "action": "卖出", "result": "3台",
                                "figures": ["3台"]})


class TokenizerTest(unittest.TestCase):
    def setUp(self):
        self.tok = tokenizer.Tokenizer.load(os.path.join(HERE, "vocab.tsv"))

    def test_round_trip(self):
        texts = ["2024年Q2销量达182.3万辆", "The “chief” said: \"no\\yes\"\n  twice", "罕见字𠮷龘", "a  b\tc"] + [t for t, _ in drawn(100, False)]
        for text in texts:
            self.assertEqual(self.tok.decode(self.tok.encode(text)), text)

    def test_skeleton_costs_one_token_a_piece(self):
        ids = self.tok.encode('{"core_viewpoints":[{"quote":"甲","kind":"stance","statement":"乙"}],"key_information":[{"quote":"')
        self.assertEqual(len(ids), 5)

    def test_copy_has_the_same_tokens_as_the_source(self):
        whole, part = self.tok.encode("In May, revenue rose 12%."), self.tok.encode("revenue rose 12%")
        at = whole.index(part[0])
        self.assertEqual(whole[at:at + len(part)], part)

    def test_every_report_is_skeleton_and_values(self):
        for text, gold in drawn(100, False):
            _, answer = self.tok.example(text, gold)
            self.assertEqual(json.loads(self.tok.decode(answer)), gold)
            pieces = [self.tok.rows[i][2] for i in answer]
            self.assertNotIn('"', pieces, "a quotation mark outside the skeleton's tokens")


if __name__ == "__main__":
    unittest.main()
