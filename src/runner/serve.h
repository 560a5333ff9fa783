#pragma once

#include "runner/host.h"

namespace da::runner {

// The runner process: seals itself, then serves the socket on descriptor 3 with what `load` makes of descriptor 4, until
// the socket closes. Arguments: --parent=PID. Returns the exit status. runner_main is this with the real loader.
int serve(int argc, char** argv, const Loader& load);

}  // namespace da::runner
