#!/bin/sh
# What a run of the GPU suites has shown, from the notes they left (tests/support/gpu_notes.h): operations by type, models by where they ran,
# faults by their number. Exit status 1 if a group that is wanted is missing.
#   tools/gpu-summary.sh FOLDER [WANTED GROUP]...      FOLDER/*.log; a wanted group like "models/two GPUs"
folder=$1
shift
wanted=$(for group in "$@"; do printf '%s\t' "$group"; done)
sort -u "$folder"/*.log | awk -F '\t' -v wanted="$wanted" '
  NF == 3 {
    if (!($1 in total)) kinds[++n_kinds] = $1
    ++total[$1]
    key = $1 "/" $2
    if (!(key in count)) groups[$1] = groups[$1] "\t" $2
    ++count[key]
  }
  END {
    for (i = 1; i <= n_kinds; ++i) {
      kind = kinds[i]
      printf "%s: %d\n", kind, total[kind]
      n = split(substr(groups[kind], 2), names, "\t")
      line = "  "
      for (j = 1; j <= n; ++j) {
        part = names[j] " " count[kind "/" names[j]] (j < n ? ", " : "")
        if (length(line part) > 110) { print line; line = "  " }
        line = line part
      }
      print line
    }
    failed = 0
    n = split(wanted, names, "\t")
    for (i = 1; i <= n; ++i) {
      if (names[i] == "" || (names[i] in count)) continue
      printf "nothing was shown of %s\n", names[i]
      failed = 1
    }
    exit failed
  }'
