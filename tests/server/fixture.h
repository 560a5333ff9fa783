#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "server/fakes.h"
#include "server/http_client.h"
#include "server/server.h"

namespace da::test {

// A server on free ports with a scripted scheduler and a store of tiny models in a temporary folder:
// tiny (completes only), tooler (tools and thinking), embedder (no completion).
class ServerTest : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;
  // Again with another configuration; ports are always free ones.
  void restart(server::ServerConfig config);
  static server::ServerConfig default_config();

  uint16_t api() const { return server_->ports().api; }
  uint16_t ui() const { return server_->ports().ui; }
  HttpResponse post(std::string_view target, std::string_view body, std::string_view extra_headers = "");
  HttpResponse get(std::string_view target);
  std::string log() const;

  std::string folder_;
  std::unique_ptr<store::Store> store_;
  FakeScheduler scheduler_;
  std::shared_ptr<server::Config> settings_;
  std::atomic<int> settings_applied_{0};
  std::unique_ptr<server::Server> server_;

 private:
  mutable std::mutex log_mutex_;
  std::string log_;
};

}  // namespace da::test
