#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "engine/engine.h"
#include "runner/host.h"
#include "tokenizer/tokenizer.h"

namespace da::test {

// One token a byte (its value), and control tokens from 256 on.
class ByteTokenizer final : public tokenizer::Tokenizer {
 public:
  explicit ByteTokenizer(bool add_bos = true, std::vector<std::string> control = {"<s>", "</s>", "<|im_start|>", "<|im_end|>", "<think>"}) {
    model_ = "bytes";
    for (int byte = 0; byte < 256; ++byte) bytes_.emplace_back(1, static_cast<char>(byte));
    kinds_.assign(256, tokenizer::TokenKind::kNormal);
    for (std::string& text : control) {
      bytes_.push_back(std::move(text));
      kinds_.push_back(tokenizer::TokenKind::kControl);
    }
    end_of_generation_.assign(bytes_.size(), false);
    bos_ = 256;
    eos_ = 257;
    add_bos_ = add_bos;
  }
  std::vector<tokenizer::TokenId> encode(std::string_view text, tokenizer::EncodeOptions options) const override {
    std::vector<tokenizer::TokenId> tokens;
    if (options.add_special && add_bos_) tokens.push_back(bos_);
    while (!text.empty()) {
      size_t size = 1;
      tokenizer::TokenId token = static_cast<unsigned char>(text[0]);
      for (size_t id = 256; options.parse_special && id < bytes_.size(); ++id) {
        if (text.starts_with(bytes_[id])) {
          token = static_cast<tokenizer::TokenId>(id);
          size = bytes_[id].size();
        }
      }
      tokens.push_back(token);
      text.remove_prefix(size);
    }
    return tokens;
  }
  // Control tokens in brackets: "[<s>]hello".
  std::string show(const std::vector<tokenizer::TokenId>& tokens) const {
    std::string text;
    for (const tokenizer::TokenId id : tokens) text += id < 256 ? bytes_[static_cast<size_t>(id)] : "[" + bytes_[static_cast<size_t>(id)] + "]";
    return text;
  }
};

// Repeats its prompt token by token, each a thread of its own. max_tokens is honoured, so is cancel.
class EchoEngine final : public engine::Engine {
 public:
  EchoEngine(int32_t context_tokens, std::chrono::milliseconds per_token) : context_tokens_(context_tokens), per_token_(per_token) {}
  ~EchoEngine() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }
  Result<RequestId> submit(engine::GenerateRequest request, engine::UpdateCallback callback) override {
    const std::lock_guard lock(mutex_);
    const RequestId id = ++last_id_;
    threads_.emplace_back([this, id, request = std::move(request), callback = std::move(callback)] { generate(id, request, callback); });
    return id;
  }
  // [number of tokens, the last]; of a text with a Z an error.
  Result<RequestId> embed(engine::EmbedInput input, engine::EmbedCallback callback) override {
    const std::vector<tokenizer::TokenId>& tokens = input.tokens;
    if (std::find(tokens.begin(), tokens.end(), 'Z') != tokens.end()) {
      const std::string whose = input.client.empty() ? "" : " of " + input.client + ", " + std::to_string(input.priority);
      callback(Status(ErrorCode::kInternal, "no Z" + whose));
    } else {
      callback(std::vector<float>{static_cast<float>(tokens.size()), static_cast<float>(tokens.back())});
    }
    const std::lock_guard lock(mutex_);
    return ++last_id_;
  }
  void hold(RequestId /*id*/, bool /*held*/) override {}
  void set_latency_target(std::chrono::milliseconds /*target*/) override {}
  void cancel(RequestId id) override {
    const std::lock_guard lock(mutex_);
    cancelled_[id] = true;
    wake_.notify_all();
  }
  const std::shared_ptr<const tokenizer::Tokenizer>& tokenizer() const override { return no_tokenizer_; }
  int32_t context_tokens() const override { return context_tokens_; }
  uint64_t memory_bytes() const override { return 12345; }
  engine::EngineStats stats() const override { return {}; }
  Status check_integrity() override { return Status::ok(); }

 private:
  void generate(RequestId id, const engine::GenerateRequest& request, const engine::UpdateCallback& callback) {
    const auto n_prompt = static_cast<int32_t>(request.prompt.size());
    callback({.kind = engine::Update::Kind::kPrefill, .prompt_tokens_done = n_prompt, .prompt_tokens_total = n_prompt});
    engine::Update end{.kind = engine::Update::Kind::kFinished, .reason = engine::FinishReason::kStop};
    for (int32_t i = 0; i < n_prompt; ++i) {
      if (i == request.max_tokens) {
        end.reason = engine::FinishReason::kLength;
        break;
      }
      {
        std::unique_lock lock(mutex_);
        if (wake_.wait_for(lock, per_token_, [&] { return stopping_ || cancelled_[id]; })) {
          end.reason = engine::FinishReason::kCancelled;
          break;
        }
      }
      const auto token = request.prompt[static_cast<size_t>(i)];
      end.generated_tokens = i + 1;
      callback({.kind = engine::Update::Kind::kText,
                .text = token < 128 ? std::string(1, static_cast<char>(token)) : "",
                .tokens = {token},
                .generated_tokens = i + 1});
    }
    callback(end);
  }

  std::shared_ptr<const tokenizer::Tokenizer> no_tokenizer_;
  const int32_t context_tokens_;
  const std::chrono::milliseconds per_token_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::map<RequestId, bool> cancelled_;
  std::vector<std::thread> threads_;
  RequestId last_id_ = 0;
  bool stopping_ = false;
};

// ChatML, as the smallest template that has control tokens of its own.
inline Result<std::string> render_chatml(const runner::Conversation& conversation) {
  std::string text;
  for (const auto& message : conversation.messages) {
    text += "<|im_start|>" + message["role"].get<std::string>() + "\n" + message["content"].get<std::string>() + "<|im_end|>\n";
  }
  return text + "<|im_start|>assistant\n";
}

}  // namespace da::test
