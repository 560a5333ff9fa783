#include "runner/desk.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <vector>

namespace da::runner {
namespace {

TEST(Desk, PreparesInOrderAndHearsCancelsMeanwhile) {
  std::promise<void> begun, let_go;
  std::shared_future<void> go(let_go.get_future());
  std::mutex mutex;
  std::vector<uint64_t> prepared, cancelled;
  {
    std::promise<void> last;
    Desk desk(
        [&](uint64_t id, const nlohmann::ordered_json& request) {
          EXPECT_EQ(request["n"], id * 10);
          if (id == 1) {
            begun.set_value();
            go.wait();
          }
          const std::lock_guard lock(mutex);
          prepared.push_back(id);
          if (id == 4) last.set_value();
        },
        [&](uint64_t id) { cancelled.push_back(id); });
    for (uint64_t id = 1; id <= 4; ++id) desk.put(id, {{"n", id * 10}});
    begun.get_future().wait();
    EXPECT_TRUE(desk.remove(3)) << "had not begun";
    EXPECT_FALSE(desk.remove(3));
    EXPECT_FALSE(desk.remove(1)) << "is being prepared: cancelled when that is over";
    EXPECT_FALSE(desk.remove(99));
    let_go.set_value();
    last.get_future().wait();
  }
  EXPECT_EQ(prepared, (std::vector<uint64_t>{1, 2, 4}));
  EXPECT_EQ(cancelled, std::vector<uint64_t>{1});
}

}  // namespace
}  // namespace da::runner
