#!/usr/bin/env bash
# Puts what `ctest -L gpu` checks into one folder that runs on another machine: one with a GPU and a driver, and without this program's
# packages, a compiler, a toolkit or a network. Programs, plugin, every shared library they need with its loader, the golden data, and `run`,
# which does it all and prints a summary. Packed: with the plugin for one architecture it is less than 52 MiB.
#   tools/gpu-carry.sh [FOLDER]      default build/gpu-carry; a folder that is there is made anew
#   PLUGIN=path                      a plugin that is built already (default: built here for CUDA_ARCHITECTURES, all of
#                                    the preset's if unset; 90-real is an H100 alone)
#   WITHOUT_GOLDEN=1                 the golden data is there already, in shared/golden or ../shared/golden of where `run` is called
set -euo pipefail
cd "$(dirname "$0")/.."

folder=${1:-build/gpu-carry}
golden=${DEEPANALYZE_GOLDEN:-$PWD/../shared/golden}
[ -f "$golden/models/index.json" ] || { echo "gpu-carry: no golden data in $golden (set DEEPANALYZE_GOLDEN)" >&2; exit 1; }

programs=(deepanalyze test_backend_gpu test_model_gpu)
cmake --preset ci -DCMAKE_MESSAGE_LOG_LEVEL=WARNING
cmake --build --preset ci --target "${programs[@]}"
if [ -z "${PLUGIN:-}" ]; then
  CUDACXX=${CUDACXX:-$(command -v nvcc)} cmake --preset cuda ${CUDA_ARCHITECTURES:+-DCMAKE_CUDA_ARCHITECTURES="$CUDA_ARCHITECTURES"} \
    -DCMAKE_MESSAGE_LOG_LEVEL=WARNING
  cmake --build --preset cuda --target deepanalyze-cuda
  PLUGIN=build/cuda/bin/libdeepanalyze-cuda.so
fi

rm -rf "$folder"
work=$folder/unpacked
mkdir -p "$work"/{bin,lib}
for program in "${programs[@]}"; do
  strip -o "$work/bin/$program" "build/release/bin/$program"
done
strip -o "$work/lib/libdeepanalyze-cuda.so" "$PLUGIN"
# All libraries but the driver's, and the loader: another distribution's may be too old.
ldd "$work"/bin/* "$work/lib/libdeepanalyze-cuda.so" | sed -n 's/.*=> \(\/[^ ]*\) (.*/\1/p' | sort -u |
  while read -r library; do strip -o "$work/lib/$(basename "$library")" "$(readlink -f "$library")"; done
cp -L "$(sed -n 's/.*interpreter: \(.*\)]/\1/p' < <(readelf -l build/release/bin/deepanalyze))" "$work/lib/loader"
tar -C "$work" -c bin lib | xz -6 -T0 > "$folder/programs.tar.xz"
rm -rf "$work"
if [ -z "${WITHOUT_GOLDEN:-}" ]; then
  # Models, their quantized files and the stories; the rest is for suites that know no GPU.
  tar -C "$golden" -c --exclude='*.py' README.md models quants stories | xz -6 -T0 > "$folder/golden.tar.xz"
fi
install -m 755 tools/gpu-carry-run.sh "$folder/run"
install -m 755 tools/gpu-summary.sh "$folder/gpu-summary.sh"
git describe --always --dirty > "$folder/version"
du -b "$folder"/* | sort -n
bytes=$(cat "$folder"/* | wc -c)
echo "$folder: $bytes bytes ($(((bytes + 1048575) / 1048576)) MiB); there: ./run"
