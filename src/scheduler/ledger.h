#pragma once

#include <cstdint>
#include <map>

namespace da::scheduler {

// Bytes of memory that loads under way have been promised. The system's own count of free memory knows of those that
// are loaded, but not of what a load will still take. An instance's entry goes when it has loaded or its process ended.
class Ledger {
 public:
  void promise(uint64_t instance, uint64_t n_bytes) { promised_[instance] = n_bytes; }
  void settle(uint64_t instance) { promised_.erase(instance); }
  uint64_t promised_bytes() const {
    uint64_t sum = 0;
    for (const auto& [instance, n_bytes] : promised_) sum += n_bytes;
    return sum;
  }
  bool holds(uint64_t instance) const { return promised_.contains(instance); }
  bool empty() const { return promised_.empty(); }

 private:
  std::map<uint64_t, uint64_t> promised_;
};

}  // namespace da::scheduler
