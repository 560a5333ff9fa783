#!/bin/sh
# Trains the starter model from nothing: tools/starter-model/train.sh [WORK_DIR]. Stop it whenever you like; run again, it goes on.
# STEPS is the length of the run, the last DECAY steps with a falling learning rate. About 5,500 tokens/s on two idle cores.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=${1:-$here/../../build/starter-train}
steps=${STEPS:-6000}
decay=${DECAY:-3500}
shards=${SHARDS:-36}
mkdir -p "$work/data"
"$here/build.sh" "$work/bin"
"$work/bin/trainer" gradcheck

# OpenBLAS does not know every processor by name and then falls back to its slowest kernels: ten times slower.
if [ -z "${OPENBLAS_CORETYPE:-}" ] && grep -q avx512bw /proc/cpuinfo; then
  export OPENBLAS_CORETYPE=SKYLAKEX
fi
if [ "$(find "$work/data" -name '*.bin' | wc -l)" -lt "$shards" ]; then
  python3 "$here/generate.py" shards "$work/data" --seed 1 --shards "$shards"
fi
python3 "$here/generate.py" held-out "$work/held-out.jsonl" --bin "$work/held-out.bin" --seed 99 --count 300

"$work/bin/trainer" train --vocab "$here/vocab.tsv" --data "$work/data" --checkpoint "$work/checkpoint.bin" --resume-shard 1 \
  --micro-tokens 512 --batch-tokens 5120 --steps "$steps" --decay-at $((steps - decay)) --decay-steps "$decay" ${TRAIN_OPTIONS:-}
"$work/bin/trainer" export --vocab "$here/vocab.tsv" --model "$work/checkpoint.bin" --out "$work/starter.gguf"
"$work/bin/trainer" eval --vocab "$here/vocab.tsv" --data "$work/held-out.bin" --model "$work/starter.gguf" --out "$work/answers.txt" --threads 2
python3 "$here/score.py" "$work/held-out.jsonl" "$work/answers.txt"
