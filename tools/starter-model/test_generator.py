"""Tests of the generator and the tokenizer; run with: python3 -m unittest discover -s tools/starter-model"""

import json
import os
import struct
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import core
import evaluations_en
import evaluations_zh
import generate
import opinions
import score
import tokenizer

HERE = os.path.dirname(os.path.abspath(__file__))
SAMPLES = os.path.join(HERE, "..", "..", "samples")


def drawn(count, held_out):
    return [generate.draw(core.seeded(7, i, held_out), 1.0 if held_out else 0.0) for i in range(count)]


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
        self.assertEqual(core.Writer(core.seeded(1, 1), held_out=1.0).template(["a", "!b"]), "b")

    def test_no_held_out_word_is_part_of_a_trained_one(self):
        for groups in ([evaluations_zh.PHRASES, evaluations_zh.ADJECTIVES, evaluations_zh.NOUNS, opinions.JUDGEMENTS_ZH, opinions.STANCES_ZH],
                       [evaluations_en.ADJECTIVES, evaluations_en.NOUNS, opinions.JUDGEMENTS_EN]):
            every = [word for group in groups for words in group.values() for word in words]
            held_out = [word[1:] for word in every if word.startswith("!")]
            trained = [word for word in every if not word.startswith("!")]
            self.assertGreater(len(held_out), 20)
            self.assertEqual([(h, t) for h in held_out for t in trained if h in t], [])

    def test_no_sample_sentence_is_in_the_sources(self):
        sources = ""
        for name in os.listdir(HERE):
            if name.endswith(".py") and name != os.path.basename(__file__):
                with open(os.path.join(HERE, name), encoding="utf-8") as file:
                    sources += file.read()
        for name in os.listdir(SAMPLES):
            with open(os.path.join(SAMPLES, name), encoding="utf-8") as file:
                text = file.read()
            for start in range(0, len(text) - 24):
                self.assertFalse(text[start:start + 24] in sources, text[start:start + 24])


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


    def test_same_ids_as_the_plain_algorithm(self):
        """The engine merges over the whole text; encode() only within words. Both must agree."""
        def plain(text):
            symbols = list(text.replace(" ", tokenizer.SPACE))
            while True:
                found = [(self.tok.scores[a + b], -i) for i, (a, b) in enumerate(zip(symbols, symbols[1:])) if a + b in self.tok.scores]
                if not found:
                    break
                i = -max(found)[1]
                symbols[i:i + 2] = [symbols[i] + symbols[i + 1]]
            return [t for s in symbols for t in ([self.tok.ids[s]] if s in self.tok.ids else
                                                 [self.tok.ids[f"<0x{byte:02X}>"] for byte in s.encode()])]
        for text in ["Third-quarter revenue rose 12% to $418 million", "客服 said：OK, fine.\n下一行", "  two  spaces", "GDPgrowth罕龘"]:
            self.assertEqual(self.tok.encode(text), plain(text))


def read_gguf(path):
    """Header of a GGUF file: ({key: value}, {tensor: (shape, type, offset)}, place of the data, file size)."""
    with open(path, "rb") as file:
        data = file.read()
    at = 4

    def raw(form):
        nonlocal at
        values = struct.unpack_from("<" + form, data, at)
        at += struct.calcsize("<" + form)
        return values[0]

    def text():
        nonlocal at
        size = raw("Q")
        at += size
        return data[at - size:at].decode()

    def value(kind):
        if kind == 8:
            return text()
        if kind == 9:
            item, count = raw("I"), raw("Q")
            return [value(item) for _ in range(count)]
        return raw({4: "I", 5: "i", 6: "f", 7: "?"}[kind])

    assert data[:4] == b"GGUF" and raw("I") == 3
    n_tensors, n_keys = raw("Q"), raw("Q")
    keys = {}
    for _ in range(n_keys):
        name = text()
        keys[name] = value(raw("I"))
    tensors = {}
    for _ in range(n_tensors):
        name, n_dims = text(), raw("I")
        tensors[name] = ([raw("Q") for _ in range(n_dims)], raw("I"), raw("Q"))
    return keys, tensors, (at + 31) // 32 * 32, len(data)


class ModelFileTest(unittest.TestCase):
    PATH = os.path.join(HERE, "..", "..", "models", "starter", "starter.gguf")

    @unittest.skipUnless(os.path.exists(PATH), "no trained model here")
    def test_committed_model(self):
        keys, tensors, data_at, size = read_gguf(self.PATH)
        self.assertLess(size, 20 << 20)
        self.assertEqual(keys["deepanalyze.protocol"], "compact-1")
        with open(os.path.join(HERE, "vocab.tsv"), encoding="utf-8") as lines:
            pieces = [line.rstrip("\n").split("\t", 2)[2] for line in lines]
        self.assertEqual(keys["tokenizer.ggml.tokens"], pieces, "trained with another vocabulary")
        self.assertEqual(pieces[keys["tokenizer.ggml.eos_token_id"]], tokenizer.END)
        self.assertEqual(tensors["token_embd.weight"][0], [keys["llama.embedding_length"], len(pieces)])
        self.assertEqual(len(tensors), 2 + 9 * keys["llama.block_count"])
        for name, (shape, kind, offset) in tensors.items():
            count = shape[0] * (shape[1] if len(shape) == 2 else 1)
            self.assertEqual((kind, offset % 32), (8 if len(shape) == 2 else 0, 0), name)
            self.assertLessEqual(data_at + offset + (count // 32 * 34 if kind == 8 else 4 * count), size, name)


if __name__ == "__main__":
    unittest.main()
