"""Runs the held-out set through deepanalyze itself and prints the scores.

    evaluate.py --deepanalyze build/release/bin/deepanalyze --model models/starter/starter.gguf [--held-out FILE] [--limit 50]
    evaluate.py --server http://127.0.0.1:8080 --model starter

Without --held-out the set is generated (seed 99, 300 texts): names and figures drawn afresh, half the market texts of domains
that training never saw, and half the phrasings (--share) among those kept from training.
"""

import argparse
import json
import subprocess
import sys
import urllib.request

import core
import generate
import score


def held_out(path, share, count=300):
    if path:
        with open(path, encoding="utf-8") as lines:
            return [(example["text"], example["report"]) for example in map(json.loads, lines)]
    return [generate.draw(core.seeded(99, i, True), share) for i in range(count)]


def ask_cli(program, model, text):
    command = [program, "analyze", "-", "--json", "--quiet", "--model", model]
    done = subprocess.run(command, input=text.encode(), capture_output=True, check=False)
    if done.returncode:
        print(done.stderr.decode("utf-8", "replace").strip(), file=sys.stderr)
        return None
    return json.loads(done.stdout)


def ask_server(server, model, text):
    body = json.dumps({"text": text, "model": model}).encode()
    request = urllib.request.Request(server + "/api/analyze", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        task = json.load(answer)["task_id"]
    with urllib.request.urlopen(f"{server}/api/stream?task_id={task}") as stream:
        for line in stream:
            if line.startswith(b"data:"):
                event = json.loads(line[5:])
                if event["status"] == "complete":
                    return event["result"]
                if event["status"] == "error":
                    print(event["error"], file=sys.stderr)
    return None


def as_model_wrote(result, text):
    """Takes the API's evidence objects back to quotes; a wrong offset counts as a broken answer."""
    if result is None:
        return None
    result = dict(result)
    result.pop("language", None)

    def plain(item):
        item = dict(item)
        evidence = item.pop("evidence")
        if text[evidence["start"]:evidence["end"]] != evidence["quote"]:
            print("evidence is not where it says:", evidence, file=sys.stderr)
            return None
        return {"quote": evidence["quote"], **item}

    result["core_viewpoints"] = [plain(item) for item in result["core_viewpoints"]]
    result["key_information"] = [plain(item) for item in result["key_information"]]
    result["underlying_sentiment"] = plain(result["underlying_sentiment"])
    bad = None in [*result["core_viewpoints"], *result["key_information"], result["underlying_sentiment"]]
    return None if bad else result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--deepanalyze", default="deepanalyze")
    parser.add_argument("--server", help="ask a running server instead of starting the program for each text")
    parser.add_argument("--model", default="starter")
    parser.add_argument("--held-out")
    parser.add_argument("--share", type=float, default=0.5, help="of held-out phrasings in the generated set; 1: all that there are")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--show-misses", type=int, default=0)
    args = parser.parse_args()
    scores = score.Scores()
    for text, gold in held_out(args.held_out, args.share)[:args.limit]:
        result = ask_server(args.server, args.model, text) if args.server else ask_cli(args.deepanalyze, args.model, text)
        scores.example(text, gold, as_model_wrote(result, text))
    print("\n".join(scores.lines()))
    for fact, got in scores.misses[:args.show_misses]:
        print("want", json.dumps(fact, ensure_ascii=False), "\ngot ", json.dumps(got, ensure_ascii=False))


if __name__ == "__main__":
    main()
