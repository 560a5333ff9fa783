#!/bin/sh
# The GPU suite of a folder that tools/gpu-carry.sh made: `./run [FOLDER FOR LOGS]`. Needs a shell, a GPU and its driver; compute-sanitizer
# is used where it is found. Exit status 0: all passed; 1: something failed; 77: no GPU here, nothing was tested.
cd "$(dirname "$0")" || exit 1
here=$(pwd)
logs=${1:-$here/logs}
mkdir -p "$logs" || exit 1
export DEEPANALYZE_GOLDEN="$here/golden" DEEPANALYZE_CUDA_PLUGIN="${DEEPANALYZE_CUDA_PLUGIN:-$here/lib/libdeepanalyze-cuda.so}"
# Our own libraries first; the driver's where machines and containers have them.
libraries="$here/lib:/usr/local/nvidia/lib64:/usr/local/nvidia/lib:/usr/lib/wsl/lib"
failed=0

# name, then the program and its arguments
check() {
  name=$1
  program=$2
  shift 2
  start=$(date +%s)
  $prefix "$here/lib/loader" --library-path "$libraries" "$here/bin/$program" "$@" > "$logs/$name.log" 2>&1
  status=$?
  seconds=$(($(date +%s) - start))
  tests=$(grep -c '^\[       OK \]' "$logs/$name.log")
  if [ $status -eq 0 ]; then
    echo "PASS  $name: $tests tests, $seconds s"
  else
    echo "FAIL  $name: exit status $status after $seconds s, $tests tests passed; failed:"
    grep '^\[  FAILED  \]' "$logs/$name.log" | sort -u | head -n 20
    tail -n 5 "$logs/$name.log" | sed 's/^/      /'
    failed=1
  fi
}

echo "deepanalyze $(cat version), on $(uname -srm)"
prefix=
"$here/lib/loader" --library-path "$libraries" bin/deepanalyze devices > "$logs/devices.log" 2>&1
cat "$logs/devices.log"
if ! grep -q '^GPU 0' "$logs/devices.log"; then
  echo "SKIP  no GPU here: nothing was tested"
  exit 77
fi
check operations test_backend_gpu
check models test_model_gpu
sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda*/bin/compute-sanitizer 2>/dev/null | head -n 1)
if [ -n "$sanitizer" ]; then
  for tool in memcheck racecheck synccheck; do
    prefix="$sanitizer --tool $tool --error-exitcode 1"
    check "operations-$tool" test_backend_gpu --gtest_brief=0
  done
  prefix=
else
  echo "SKIP  compute-sanitizer is not here"
fi
# The program itself: a server whose runner is sealed, on the GPU.
port=$((20000 + $$ % 20000))
export HOME="$logs/home" OLLAMA_MODELS="$logs/home/models" OLLAMA_HOST="127.0.0.1:$port" DEEPANALYZE_UI_PORT=$((port + 1))
export LD_LIBRARY_PATH="$libraries"
mkdir -p "$HOME"
printf '#!/bin/sh\nexec "%s/lib/loader" --library-path "%s" "%s/bin/deepanalyze" "$@"\n' "$here" "$libraries" "$here" > "$logs/deepanalyze"
chmod 755 "$logs/deepanalyze"
unset LD_LIBRARY_PATH
export DEEPANALYZE_BINARY="$logs/deepanalyze"   # what the server starts as its runner
"$logs/deepanalyze" serve > "$logs/server.log" 2>&1 &
server=$!
for i in 1 2 3 4 5 6 7 8 9 10; do "$logs/deepanalyze" list > /dev/null 2>&1 && break; sleep 1; done
printf 'FROM %s/golden/stories/stories260K.gguf\nPARAMETER temperature 0\nPARAMETER num_predict 40\n' "$here" > "$logs/Modelfile"
if "$logs/deepanalyze" create stories -f "$logs/Modelfile" > "$logs/program.log" 2>&1 &&
  "$logs/deepanalyze" run stories "Once upon a time" >> "$logs/program.log" 2>&1 &&
  "$logs/deepanalyze" ps >> "$logs/program.log" 2>&1 && grep -q "100% GPU" "$logs/program.log"; then
  echo "PASS  program: $(grep '100% GPU' "$logs/program.log" | tr -s ' ')"
else
  echo "FAIL  program: $logs/program.log and $logs/server.log say why"
  tail -n 5 "$logs/program.log" "$logs/server.log"
  failed=1
fi
kill "$server" 2> /dev/null
wait "$server" 2> /dev/null
[ $failed -eq 0 ] && echo "ALL PASSED" || echo "FAILED; the logs are in $logs"
exit $failed
