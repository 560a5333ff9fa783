"""The starter model's tokenizer: SentencePiece-style, and built so that copying is one token in, the same token out.

* Chinese characters, punctuation and digits are single tokens and never merge with a neighbour.
* The space is a token of its own, so a word has the same tokens in the middle of a text and at the start of a quote.
* English words are merged pieces (BPE trained on the generator's texts); pieces hold letters only.
* Each piece of the report's JSON skeleton is one user-defined token.
"""

import collections
import json
import re

SPACE = "\u2581"
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, BYTE = 1, 2, 3, 4, 6
TEXT, REPORT, END = "<|text|>", "<|report|>", "<|end|>"

KINDS = ("stance", "judgement", "claim")
POLARITIES = ("positive", "negative", "neutral", "mixed")
CONFIDENCES = ("low", "medium", "high")
_FACTS, _SENTIMENT = '],"key_information":[', '],"underlying_sentiment":{"quote":"'
PIECES = [
    '{"core_viewpoints":[{"quote":"',
    *[f'","kind":"{kind}","statement":"' for kind in KINDS],
    '"},{"quote":"',                              # next viewpoint
    '"}' + _FACTS + '{"quote":"',
    '"}' + _FACTS + _SENTIMENT,                   # no facts
    '","time":"', '","subject":"', '","action":"', '","result":"', '","figures":["',
    '","figures":[]},{"quote":"', '","figures":[]}' + _SENTIMENT,
    '","',                                        # next figure
    '"]},{"quote":"', '"]}' + _SENTIMENT,
    '","surface_tone":"', '","underlying_attitude":"',
    *[f'","polarity":"{polarity}","intensity":' for polarity in POLARITIES],
    ',"confidence":"', *[level + '"}}' for level in CONFIDENCES],
    '\\"', '\\n', '\\\\',                         # what a quote, a line end and a backslash become inside JSON
]
PUNCTUATION = ("，。、；：？！“”‘’（）《》〈〉【】「」『』—…·～－％‰℃￥％＋＝／〇○①②③④⑤⑥⑦⑧⑨⑩"
               "０１２３４５６７８９×÷±≥≤→↑↓★☆■□●◆△▲№§°²³€£¥–−’")


def gb2312_level1():
    """The 3755 common characters, in the standard's order."""
    for high in range(0xB0, 0xD8):
        for low in range(0xA1, 0xFF):
            try:
                yield bytes([high, low]).decode("gb2312")
            except UnicodeDecodeError:
                pass                              # the last five cells of the last row are empty


def train_bpe(word_counts, n_merges):
    """Plain byte-pair merges over words of letters; returns the merged pieces, best first."""
    words = [(list(word), count) for word, count in sorted(word_counts.items())]
    pieces = []
    while len(pieces) < n_merges:
        pairs = collections.Counter()
        for symbols, count in words:
            for pair in zip(symbols, symbols[1:]):
                pairs[pair] += count
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        if pairs[best] < 2:
            break
        merged = "".join(best)
        if merged not in pieces:
            pieces.append(merged)
        for symbols, _ in words:
            i = 0
            while i < len(symbols) - 1:
                if (symbols[i], symbols[i + 1]) == best:
                    symbols[i:i + 2] = [merged]
                i += 1
    return pieces


def build(texts, n_merges=1500):
    """The vocabulary as a list of (type, score, piece), for load()."""
    rows = [(UNKNOWN, 0.0, "<unk>"), (CONTROL, 0.0, "<s>"), (CONTROL, 0.0, "</s>")]
    rows += [(CONTROL, 0.0, piece) for piece in (TEXT, REPORT, END)]
    rows += [(BYTE, 0.0, f"<0x{byte:02X}>") for byte in range(256)]
    rows += [(USER_DEFINED, 0.0, piece) for piece in PIECES]
    words = collections.Counter()
    seen = set()
    for text in texts:
        words.update(re.findall(r"[A-Za-z]+", text))
        seen.update(char for char in text if "\u4e00" <= char <= "\u9fff")
    singles = [SPACE] + [chr(code) for code in range(0x21, 0x7F)] + list(PUNCTUATION) + list(gb2312_level1())
    singles += sorted(seen)
    merges = train_bpe(words, n_merges)
    # A higher score merges first; single characters score lowest and are never the result of a merge.
    rows += [(NORMAL, -float(rank + 1), piece) for rank, piece in enumerate(merges)]
    rows += [(NORMAL, -float(len(merges) + 1), piece) for piece in dict.fromkeys(singles)]
    return rows


def save(rows, path):
    with open(path, "w", encoding="utf-8") as out:
        for kind, score, piece in rows:
            out.write(f"{kind}\t{score:g}\t{piece}\n")


class Tokenizer:
    def __init__(self, rows):
        self.rows = rows
        self.ids = {piece: i for i, (_, _, piece) in enumerate(rows)}
        self.scores = {piece: score for kind, score, piece in rows if kind == NORMAL}
        user = sorted((piece for kind, _, piece in rows if kind == USER_DEFINED), key=len, reverse=True)
        self._user = re.compile("|".join(map(re.escape, user)))
        self._cache = {}

    @classmethod
    def load(cls, path):
        with open(path, encoding="utf-8") as lines:
            fields = [line.rstrip("\n").split("\t", 2) for line in lines]
        return cls([(int(kind), float(score), piece) for kind, score, piece in fields])

    def encode(self, text):
        """User-defined pieces first, then highest-scored merges: the algorithm of the engine's SPM tokenizer."""
        out, at = [], 0
        for match in self._user.finditer(text):
            self._encode_plain(text[at:match.start()], out)
            out.append(self.ids[match.group()])
            at = match.end()
        self._encode_plain(text[at:], out)
        return out

    def _encode_plain(self, text, out):
        # Merged pieces hold letters only, so a run of letters can be encoded alone, and cached.
        for run in re.findall(r"[A-Za-z]+|[^A-Za-z]", text):
            if run not in self._cache:
                self._cache[run] = self._encode_run(SPACE if run == " " else run)
            out.extend(self._cache[run])

    def _encode_run(self, run):
        symbols = list(run)
        while True:
            best = None
            for i in range(len(symbols) - 1):
                score = self.scores.get(symbols[i] + symbols[i + 1])
                if score is not None and (best is None or score > best[0]):
                    best = (score, i)
            if best is None:
                break
            symbols[best[1]:best[1] + 2] = [symbols[best[1]] + symbols[best[1] + 1]]
        ids = []
        for symbol in symbols:
            if symbol in self.ids:
                ids.append(self.ids[symbol])
            else:
                ids.extend(self.ids[f"<0x{byte:02X}>"] for byte in symbol.encode())
        return ids

    def decode(self, ids):
        data = b""
        for i in ids:
            kind, _, piece = self.rows[i]
            if kind == BYTE:
                data += bytes([int(piece[3:5], 16)])
            elif kind not in (CONTROL, UNKNOWN):
                data += piece.replace(SPACE, " ").encode()
        return data.decode("utf-8", "replace")

    def prompt(self, text):
        return [self.ids["<s>"], self.ids[TEXT]] + self.encode(text) + [self.ids[REPORT]]

    def example(self, text, report):
        """(prompt ids, answer ids) of one training example; report is the protocol's object."""
        answer = json.dumps(report, ensure_ascii=False, separators=(",", ":"))
        return self.prompt(text), self.encode(answer) + [self.ids[END]]


def main():
    """Writes vocab.tsv from the word list and the lexicon. It is committed: a trained model depends on every line."""
    import os
    import sys

    import lexicon_zh as lex

    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "words_en.txt"), encoding="utf-8") as file:
        words = file.read()
    capitals = " ".join(word.capitalize() for word in words.split())
    chinese = lex.DOMAIN_BLOCK + lex.HELD_OUT_DOMAIN_BLOCK + lex.RARE_CHARS + lex.SURNAMES + "".join(
        lex.REAL_NAMES + lex.CITIES)
    save(build([words, words, words, capitals, chinese], n_merges=1900), sys.argv[1])


if __name__ == "__main__":
    main()
