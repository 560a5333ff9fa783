#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "analysis/analysis.h"
#include "server/app.h"
#include "server/job.h"
#include "server/json_body.h"

namespace da::server {

// One analysis from the text to the report. Runs by itself on its own strand; what it has come to is always there as
// one event, a snapshot that replaces all earlier ones of its stage. Public members are thread-safe.
class AnalysisTask : public std::enable_shared_from_this<AnalysisTask> {
 public:
  using Clock = std::chrono::steady_clock;
  struct Start {
    std::string id;
    store::ModelInfo model;
    std::string caller;  // as of Exchange
    Urgency urgency;
    analysis::Request request;
    nlohmann::json options;  // sampling options of the client's
    // The number of earlier tasks that still wait, and a call for when this one no longer does.
    std::function<size_t()> position;
    std::function<void()> left_queue;
  };
  AnalysisTask(App& app, Start start);
  ~AnalysisTask();
  void start();
  void cancel();
  void refresh_position();  // while queued

  const std::string& id() const { return start_.id; }
  const std::string& model_name() const { return start_.model.name; }
  uint64_t text_bytes() const { return text_bytes_; }
  bool queued() const;
  bool ended() const;

  struct Event {
    std::string status;  // the stage: "queued" …
    std::string json;
    bool last = false;
  };
  // What the watcher has not had yet, oldest first: the newest event of each stage. Never more than the stages there
  // are.
  std::vector<Event> take_events();

  // One watcher at a time, called on every change from any thread; false if there is one already. It begins with the
  // current state.
  bool watch(std::function<void()> on_change);
  void unwatch();
  // How long nobody has watched; zero while somebody does.
  Clock::duration unwatched_for() const;

 private:
  Awaitable<void> run();
  Awaitable<bool> load(Job& job);  // false: it ended
  Awaitable<void> generate(Job& job);
  void on_text(const nlohmann::json& message);
  void publish_writing();
  void finish(const nlohmann::json& done);
  void fail(std::string_view message, bool retryable = false);
  void end_by(const server::Event& event);  // kAborted or kFailed
  void publish(Json event, bool last);
  void publish_queued();
  void publish_loading(uint64_t bytes_done, uint64_t bytes_total);
  void publish_reading(const nlohmann::json& message);
  void leave_queue();
  double seconds_since_start() const;

  App& app_;
  Start start_;
  const uint64_t text_bytes_;
  const Clock::time_point created_ = Clock::now();
  boost::asio::any_io_executor strand_;

  // On the strand.
  Job* job_ = nullptr;
  bool cancelled_ = false;
  analysis::Prepared prepared_;
  std::unique_ptr<analysis::ReportBuilder> builder_;
  Clock::time_point first_token_, last_snapshot_;
  int64_t first_count_ = 0, generated_tokens_ = 0;
  double time_to_first_token_ms_ = 0;

  mutable std::mutex mutex_;   // of all below
  std::vector<Event> events_;  // not taken yet
  bool ended_ = false;
  bool queued_ = true;
  std::function<void()> on_change_;
  Clock::time_point unwatched_since_ = Clock::now();
};

}  // namespace da::server
