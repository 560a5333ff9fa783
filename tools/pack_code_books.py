#!/usr/bin/env python3
"""Packs the code books of the IQ formats into src/quant/code_books.inc.

Input: a file with the published tables as C arrays (ggml-common.h has them). Each table lists points of a small grid:
eight coordinates of three levels (iq2*, iq1s) or four of eight (iq3*). Sorted by their coordinates read as a number, the
last one highest, they are an ascending set of numbers; what is kept of it are the gaps, one character each: '#' to '[' for
0 to 56, and ']' for 57 more.

    tools/pack_code_books.py ggml-common.h > src/quant/code_books.inc
"""
import re
import sys

BOOKS = [  # name here, table, coordinates, levels as they are in the table
    ("kIq2Xxs", "iq2xxs_grid", 8, [0x08, 0x19, 0x2B]),
    ("kIq2Xs", "iq2xs_grid", 8, [0x08, 0x19, 0x2B]),
    ("kIq2S", "iq2s_grid", 8, [0x08, 0x19, 0x2B]),
    ("kIq3Xxs", "iq3xxs_grid", 4, [0x04, 0x0C, 0x14, 0x1C, 0x24, 0x2C, 0x34, 0x3E]),
    ("kIq3S", "iq3s_grid", 4, [0x01, 0x03, 0x05, 0x07, 0x09, 0x0B, 0x0D, 0x0F]),
    ("kIq1S", "iq1s_grid", 8, [0xFF, 0x00, 0x01]),
]


def table(text, name):
    # The longest array of that name: some headers hold two variants behind conditionals.
    found = []
    for match in re.finditer(name + r",\s*\w+\)(.*?)GGML_TABLE_END|" + name + r"\s*\[\w+\]\s*=\s*\{(.*?)\}", text, re.S):
        found.append([int(x, 16) for x in re.findall(r"0x[0-9a-fA-F]+", match.group(1) or match.group(2))])
    return max(found, key=len)


def gaps(numbers):
    out, previous = "", -1
    for number in numbers:
        gap = number - previous - 1
        assert gap >= 0, "not ascending"
        out += "]" * (gap // 57) + chr(ord("#") + gap % 57)
        previous = number
    return out


def main():
    text = open(sys.argv[1], encoding="utf-8").read()
    print("// Made by tools/pack_code_books.py; code_books.cc says how to read it.")
    for name, source, width, levels in BOOKS:
        numbers = []
        for point in table(text, source):
            digits = [levels.index(point >> (8 * i) & 0xFF) for i in range(width)]
            numbers.append(sum(digit * len(levels) ** i for i, digit in enumerate(digits)))
        packed = gaps(numbers)
        print(f"constexpr char {name}[] =  // {len(numbers)} points")
        for begin in range(0, len(packed), 112):
            end = ";" if begin + 112 >= len(packed) else ""
            print(f'    "{packed[begin:begin + 112]}"{end}')


main()
