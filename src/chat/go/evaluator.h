#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "chat/go/ast.h"
#include "chat/go/value.h"
#include "chat/render_options.h"

namespace da::chat::go {

// One execution of a template. The first error is kept and everything unwinds.
class Evaluator {
 public:
  Evaluator(const Program& program, const RenderOptions& options, Heap& heap, size_t max_output_bytes)
      : program_(program), options_(options), heap_(heap), max_output_bytes_(max_output_bytes) {}

  // Executes `root` (the program's own, or a copy that was cut) and appends to `out`.
  Status execute(const Node& root, const Value& data, std::string& out);

  // For functions.
  Value fail(std::string message, ErrorCode code = ErrorCode::kCorruptData);
  bool ok() const { return status_.is_ok(); }
  bool step(uint64_t count = 1);
  Heap& heap() { return heap_; }
  const CivilTime& now() const { return options_.now; }
  size_t max_output_bytes() const { return max_output_bytes_; }
  Value text(std::string value);

 private:
  enum class Flow { kNormal, kBreak, kContinue };

  Flow walk(const Node& node, const Value& dot);
  Flow walk_list(const Node* list, const Value& dot);
  Flow walk_branch(const Node& node, const Value& dot);
  Flow walk_range(const Node& node, const Value& dot);
  void walk_template(const Node& node, const Value& dot);
  void write(std::string_view text);

  Value eval_pipeline(const Node& pipe, const Value& dot);
  Value eval_command(const Node& command, const Value& dot, const std::optional<Value>& final_arg);
  Value eval_operand(const Node& node, const Value& dot);
  Value eval_function(const Node& command, const Value& dot, const std::optional<Value>& final_arg);
  Value eval_fields(const Node& node, Value receiver, size_t first, bool has_args);
  Value eval_field(const Value& receiver, const std::string& name, bool has_args);
  Value* find_variable(const std::string& name);

  const Program& program_;
  const RenderOptions& options_;
  Heap& heap_;
  size_t max_output_bytes_;
  std::string* out_ = nullptr;
  uint64_t steps_ = 0;
  size_t template_depth_ = 0;
  uint32_t line_ = 1;
  Status status_;
  std::vector<std::pair<std::string_view, Value>> variables_;
};

}  // namespace da::chat::go
