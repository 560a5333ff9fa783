#pragma once

namespace da {

// Processors this process may keep busy: the affinity mask, capped by the cgroup's CPU quota (v2, rounded up). At least 1.
int available_cpus();

}  // namespace da
