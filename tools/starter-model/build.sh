#!/bin/sh
# Builds the trainer for this machine into the directory given.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
g++ -std=c++20 -O3 -march=native -ffast-math -Wall -Wextra -o "$1/trainer" "$here"/*.cc -lopenblas -pthread
