"""Writes training shards and the held-out set.

    generate.py shards OUT_DIR --vocab vocab.tsv --seed 1 --first 0 --shards 10 [--per-shard 2500]
    generate.py held-out OUT.jsonl --vocab vocab.tsv --seed 9 --count 200 [--share 0.5] [--bin OUT.bin]
    generate.py show --count 5
"""

import argparse
import json
import os
import struct

import core
import market_zh
import office_zh
import texts_en
import tokenizer
import values_en
import values_zh
import voices_zh

ZH = [(market_zh.market, 0.5), (voices_zh.complaint, 0.14), (voices_zh.review, 0.1), (voices_zh.interview, 0.1),
      (office_zh.meeting, 0.08), (office_zh.notice, 0.08)]
BRIEF_SHARE = 0.35  # of the training texts; none of the held-out ones
EN = [(texts_en.market, 0.4), (texts_en.complaint, 0.16), (texts_en.review, 0.12), (texts_en.interview, 0.12),
      (texts_en.meeting, 0.12), (texts_en.notice, 0.08)]
ENGLISH_SHARE = 0.22


def mapped(value, change):
    """The change applied to every string of a report."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: mapped(item, change) for key, item in value.items()}
    return [mapped(item, change) for item in value] if isinstance(value, list) else value


def typography(rng, text, gold, english):
    """Some texts use other quotation marks, brackets or commas, alike in text and report."""
    change = {}
    if rng.random() < 0.35:
        change.update({"“": '"', "”": '"'})
    if not english and rng.random() < 0.12:
        change.update({"（": "(", "）": ")"})
    if not english and rng.random() < 0.04:
        change.update({"，": ",", "：": ":", "；": ";"})
    table = str.maketrans(change)
    return text.translate(table), mapped(gold, lambda value: value.translate(table))


def layout(rng, text, gold, english):
    """Line ends, list marks and a title; they lie between sentences, so no gold value changes."""
    stop = ". " if english else "。"
    if rng.random() < 0.2:
        sentences = text.split(stop)
        mark = rng.choice(["", "", "- ", "• ", "%d. ", "%d、"])
        gap = rng.choice(["\n", "\n", "\n\n"])
        share = rng.choice([0.3, 1.0])
        text = sentences[0]
        for i, sentence in enumerate(sentences[1:]):
            broken = sentence and rng.random() < share
            lead = (mark % (i + 2) if "%" in mark else mark) if broken else ""
            text += stop.rstrip() + (gap if broken else stop[1:]) + lead + sentence
    if rng.random() < 0.05:
        text = rng.choice(["  ", "\n", "　　"]) + text
    if rng.random() < 0.3:
        text += "\n"
    return text, gold


def draw(rng, held_out):
    """One (text, gold) pair, held_out as in core.Writer; tries again on the rare draw that breaks a rule (two values alike, say)."""
    while True:
        english = rng.random() < ENGLISH_SHARE
        kinds, values, domains = (EN, values_en.ValuesEn, values_en.ALL_HELD_OUT) if english else (
            ZH, values_zh.ValuesZh, values_zh.HELD_OUT_DOMAINS)
        domain = rng.choice(domains) if held_out and rng.random() < 0.5 else None
        scenario = rng.choices([s for s, _ in kinds], [p for _, p in kinds])[0]
        if not held_out and rng.random() < BRIEF_SHARE:
            scenario = texts_en.brief if english else voices_zh.brief
        try:
            segments, mood = scenario(values(rng, held_out, domain))
        except core.Redraw:
            continue
        text = "".join(s.text for s in segments)
        gold = core.report(segments, mood)
        text, gold = layout(rng, *typography(rng, text, gold, english), english)
        if not core.problems(text, gold) and len(text) <= (1200 if english else 700):
            return text, gold


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["shards", "held-out", "show"])
    parser.add_argument("out", nargs="?")
    parser.add_argument("--vocab", default=os.path.join(os.path.dirname(__file__), "vocab.tsv"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--shards", type=int, default=10)
    parser.add_argument("--per-shard", type=int, default=2500)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--share", type=float, default=0.5, help="of held-out phrasings; 1: all that there are, 0: none")
    parser.add_argument("--bin")
    args = parser.parse_args()
    if args.command == "show":
        for i in range(args.count):
            text, gold = draw(core.seeded(args.seed, i), 0.0)
            print(text, json.dumps(gold, ensure_ascii=False, indent=1), sep="\n", end="\n\n")
        return
    tok = tokenizer.Tokenizer.load(args.vocab)

    def pack(text, gold):
        prompt, answer = tok.example(text, gold)
        tokens = prompt + answer
        return struct.pack(f"<HH{len(tokens)}H", len(prompt), len(tokens), *tokens)

    if args.command == "shards":
        os.makedirs(args.out, exist_ok=True)
        for shard in range(args.first, args.first + args.shards):
            path = os.path.join(args.out, f"shard-{shard:05d}.bin")
            with open(path + ".tmp", "wb") as out:
                for i in range(args.per_shard):
                    out.write(pack(*draw(core.seeded(args.seed, f"{shard}-{i}"), 0.0)))
            os.rename(path + ".tmp", path)
        return
    examples = [draw(core.seeded(args.seed, i, True), args.share) for i in range(args.count)]
    with open(args.out, "w", encoding="utf-8") as out:
        for text, gold in examples:
            out.write(json.dumps({"text": text, "report": gold}, ensure_ascii=False) + "\n")
    if args.bin:
        with open(args.bin, "wb") as out:
            for text, gold in examples:
                out.write(pack(text, gold))


if __name__ == "__main__":
    main()
