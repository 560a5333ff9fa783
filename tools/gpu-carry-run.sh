#!/bin/sh
# The GPU suites of a folder that tools/gpu-carry.sh made: `./run [FOLDER FOR LOGS]`. Needs a shell, tar with xz (or Python), a GPU and its driver;
# compute-sanitizer is used where it is found. Exit status 0: all passed; 1: something failed; 77: no GPU here, nothing was tested.
# The golden data is the folder's own, or shared/golden or ../shared/golden of where this is called.
#   GTEST_FILTER=…                   fewer tests
#   DEEPANALYZE_CUDA_PLUGIN=path     another plugin, such as that on the emulated runtime (with DEEPANALYZE_EMULATED_GPUS=2x2048):
#                                    tries this script, and no GPU
called_from=$(pwd)
cd "$(dirname "$0")" || exit 1
here=$(pwd)
logs=${1:-$here/logs}
mkdir -p "$logs" || exit 1

unpack() {   # archive, folder
  [ -d "$2" ] && return
  mkdir -p "$2.part" || exit 1
  tar -xJf "$1" -C "$2.part" 2> /dev/null || python3 -c 'import sys, tarfile; tarfile.open(sys.argv[1]).extractall(sys.argv[2])' "$1" "$2.part" || {
    echo "gpu run: $1 cannot be unpacked: neither tar with xz nor Python is here" >&2
    exit 1
  }
  mv "$2.part" "$2"
}
unpack "$here/programs.tar.xz" "$here/programs"
golden=${DEEPANALYZE_GOLDEN:-}
for folder in "$called_from/shared/golden" "$called_from/../shared/golden"; do
  [ -z "$golden" ] && [ -f "$folder/models/index.json" ] && golden=$folder
done
if [ -z "$golden" ]; then
  [ -f "$here/golden.tar.xz" ] || { echo "gpu run: no golden data here (set DEEPANALYZE_GOLDEN)" >&2; exit 1; }
  unpack "$here/golden.tar.xz" "$here/golden"
  golden=$here/golden
fi
export DEEPANALYZE_GOLDEN="$golden" DEEPANALYZE_CUDA_PLUGIN="${DEEPANALYZE_CUDA_PLUGIN:-$here/programs/lib/libdeepanalyze-cuda.so}"
# Our own libraries first; the driver's where machines and containers have them.
libraries="$here/programs/lib:/usr/local/nvidia/lib64:/usr/local/nvidia/lib:/usr/lib/wsl/lib"
loader="$here/programs/lib/loader"
failed=0
passed=0

# name, then the program and its arguments; $prefix before all
check() {
  name=$1
  program=$2
  shift 2
  start=$(date +%s)
  DEEPANALYZE_GPU_LOG="$logs/notes/$name.log" $prefix "$loader" --library-path "$libraries" "$here/programs/bin/$program" "$@" > "$logs/$name.log" 2>&1
  status=$?
  seconds=$(($(date +%s) - start))
  tests=$(grep -c '^\[       OK \]' "$logs/$name.log")
  # A suite in which nothing ran has shown nothing.
  if [ $status -eq 0 ] && [ "$tests" -gt 0 ]; then
    echo "PASS  $name: $tests tests, $seconds s"
    passed=$((passed + 1))
  else
    echo "FAIL  $name: exit status $status after $seconds s, $tests tests passed; failed:"
    grep '^\[  FAILED  \]' "$logs/$name.log" | sort -u | head -n 20
    tail -n 5 "$logs/$name.log" | sed 's/^/      /'
    failed=$((failed + 1))
  fi
}

echo "deepanalyze $(cat version), on $(uname -srm)"
prefix=
rm -rf "$logs/notes"
mkdir -p "$logs/notes"
"$loader" --library-path "$libraries" programs/bin/deepanalyze devices > "$logs/devices.log" 2>&1
cat "$logs/devices.log"
if ! grep -q '^GPU 0' "$logs/devices.log"; then
  echo "SKIP  no GPU here: nothing was tested"
  exit 77
fi
grep -q 'Emulated GPU' "$logs/devices.log" && echo "NOTE  these GPUs are emulated: this tries the script, and no GPU"
check operations test_backend_gpu
check models test_model_gpu
sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda*/bin/compute-sanitizer 2> /dev/null | head -n 1)
if grep -q 'Emulated GPU' "$logs/devices.log"; then
  echo "SKIP  compute-sanitizer: there is nothing for it on emulated GPUs"
elif [ -n "$sanitizer" ]; then
  for tool in memcheck racecheck synccheck; do
    prefix="$sanitizer --tool $tool --error-exitcode 1"
    check "operations-$tool" test_backend_gpu
  done
  prefix=
else
  echo "SKIP  compute-sanitizer is not here"
fi

# The program itself: a server whose runner is sealed, on the GPU.
port=$((20000 + $$ % 20000))
rm -rf "$logs/home"
export HOME="$logs/home" OLLAMA_MODELS="$logs/home/models" OLLAMA_HOST="127.0.0.1:$port" DEEPANALYZE_UI_PORT=$((port + 1))
mkdir -p "$HOME"
printf '#!/bin/sh\nexec "%s" --library-path "%s" "%s/programs/bin/deepanalyze" "$@"\n' "$loader" "$libraries" "$here" > "$logs/deepanalyze"
chmod 755 "$logs/deepanalyze"
export DEEPANALYZE_BINARY="$logs/deepanalyze"   # what the server starts as its runner
"$logs/deepanalyze" serve > "$logs/server.log" 2>&1 &
server=$!
for i in 1 2 3 4 5 6 7 8 9 10; do "$logs/deepanalyze" list > /dev/null 2>&1 && break; sleep 1; done
printf 'FROM %s/stories/stories260K.gguf\nPARAMETER temperature 0\nPARAMETER num_predict 40\n' "$golden" > "$logs/Modelfile"
if "$logs/deepanalyze" create stories -f "$logs/Modelfile" > "$logs/program.log" 2>&1 &&
  "$logs/deepanalyze" run stories "Once upon a time" >> "$logs/program.log" 2>&1 &&
  "$logs/deepanalyze" ps >> "$logs/program.log" 2>&1 && grep -q "100% GPU" "$logs/program.log"; then
  echo "PASS  program: $(grep '100% GPU' "$logs/program.log" | tr -s ' ')"
  grep -q 'not fully sealed' "$logs/server.log" && echo "NOTE  the runner was not fully sealed here: $(grep -o 'reason=.*' "$logs/server.log" | head -n 1)"
  passed=$((passed + 1))
else
  echo "FAIL  program: $logs/program.log and $logs/server.log say why"
  tail -n 5 "$logs/program.log" "$logs/server.log"
  failed=$((failed + 1))
fi
kill "$server" 2> /dev/null
wait "$server" 2> /dev/null

echo "Shown:"
./gpu-summary.sh "$logs/notes" | sed 's/^/  /'
if [ $failed -eq 0 ]; then
  echo "ALL PASSED: $passed suites on $(sed -n 's/^GPU 0  \(.*\)  GPU-.*/\1/p' "$logs/devices.log")"
  exit 0
fi
echo "FAILED: $failed of $((passed + failed)) suites; the logs are in $logs"
exit 1
