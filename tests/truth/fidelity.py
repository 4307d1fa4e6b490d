#!/usr/bin/env python3
"""Writes docs/FIDELITY.md: data/fidelity.tsv, with what build/truth has really compared.

    fidelity.py --engine build/truth DIRECTORY... > docs/FIDELITY.md

Fails when a feature that is called recorded has no recording, or one that differs."""
import argparse
import re
import subprocess
import sys

LINE = re.compile(r"^(?P<path>[^:]+): (?P<same>\d+) of (?P<all>\d+) operations identical")
HOW = {"recorded": "identical to recordings", "rules": "rules only", "simplified": "simplified"}


def read_features(path):
    with open(path, encoding="utf-8") as table:
        for number, line in enumerate(table, 1):
            if line.startswith("#"):
                continue
            fields = line.rstrip("\n").split("\t")
            if len(fields) != 6 or fields[2] not in HOW:
                sys.exit(f"{path}:{number}: six fields, the third one of {', '.join(HOW)}")
            yield dict(zip(("profile", "feature", "how", "pattern", "rule", "source"), fields))


def run_truth(engine, directories):
    """[(path, identical, compared)] of every file that the engine was compared with."""
    done = subprocess.run([engine, *directories], stdout=subprocess.PIPE, text=True, check=False)
    found = [LINE.match(line) for line in done.stdout.splitlines()]
    return [("/" + m["path"], int(m["same"]), int(m["all"])) for m in found if m]


def evidence(feature, results):
    if feature["pattern"] == "-":
        return HOW[feature["how"]]
    pattern = re.compile(feature["pattern"])
    rows = [(same, compared) for path, same, compared in results if pattern.search(path)]
    same, compared = sum(row[0] for row in rows), sum(row[1] for row in rows)
    if not compared or same != compared:
        sys.exit(f"{feature['feature']}: {same} of {compared} operations of {len(rows)} recordings are identical")
    return f"{same:,} operations of {len(rows)} recordings identical"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", default="build/truth")
    parser.add_argument("--features", default="data/fidelity.tsv")
    parser.add_argument("directories", nargs="+")
    args = parser.parse_args()
    results = run_truth(args.engine, args.directories)
    print("# Fidelity\n")
    print("What the engine follows, and how that is known. Made by `make fidelity` from `data/fidelity.tsv` and from what")
    print("was really compared. *Rules only*: written after the source, and tested by rules, without a recording.\n")
    print("| Profile | Feature | Evidence | Rule, or what is left out | Source |\n|---|---|---|---|---|")
    for feature in read_features(args.features):
        print("| " + " | ".join([feature["profile"], feature["feature"], evidence(feature, results), feature["rule"],
                                  feature["source"]]) + " |")


main()
