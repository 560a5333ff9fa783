#include "chat/go_template.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "chat/go/chat_data.h"
#include "chat/go/evaluator.h"
#include "chat/go/parser.h"
#include "chat/unicode_text.h"

namespace da::chat {
namespace {

using Json = nlohmann::ordered_json;
using go::Node;
using go::NodePtr;
using go::NodeType;
using go::Value;

NodePtr clone(const Node* node) {
  if (node == nullptr) {
    return nullptr;
  }
  auto copy = std::make_unique<Node>();
  copy->type = node->type;
  copy->line = node->line;
  copy->assigns = node->assigns;
  copy->text = node->text;
  copy->names = node->names;
  copy->constant = node->constant;
  if (node->constant.kind == go::Kind::kText) {
    copy->constant = Value::of_text(copy->text);
  }
  for (const NodePtr& child : node->children) {
    copy->children.push_back(clone(child.get()));
  }
  copy->pipe = clone(node->pipe.get());
  copy->list = clone(node->list.get());
  copy->otherwise = clone(node->otherwise.get());
  return copy;
}

// The names of all fields and variables, in lower case.
void collect_names(const Node* node, std::set<std::string, std::less<>>& names) {
  if (node == nullptr) {
    return;
  }
  if (node->type == NodeType::kField || node->type == NodeType::kVariable) {
    for (const std::string& name : node->names) {
      names.insert(unicode::lower(name));
    }
  }
  for (const NodePtr& child : node->children) {
    collect_names(child.get(), names);
  }
  collect_names(node->pipe.get(), names);
  collect_names(node->list.get(), names);
  collect_names(node->otherwise.get(), names);
}

// Removes everything behind the first .Response in the order of the text. True: the node itself goes.
bool cut_after_response(Node& node, bool& cut) {
  if (node.type == NodeType::kField &&
      std::find(node.names.begin(), node.names.end(), "Response") != node.names.end()) {
    cut = true;
    return false;
  }
  if (cut) {
    return true;
  }
  auto cut_children = [&](Node& parent) {
    std::vector<NodePtr> kept;
    for (NodePtr& child : parent.children) {
      if (!cut_after_response(*child, cut)) {
        kept.push_back(std::move(child));
      }
    }
    parent.children = std::move(kept);
  };
  switch (node.type) {
    case NodeType::kList:
      cut_children(node);
      return false;
    case NodeType::kIf:
    case NodeType::kWith:
    case NodeType::kRange:
      // Conditions are not searched, only what is printed.
      cut_children(*node.list);
      if (node.otherwise != nullptr) {
        if (cut) {
          node.otherwise->children.clear();
        } else {
          cut_children(*node.otherwise);
        }
      }
      return false;
    case NodeType::kAction:
      return cut_after_response(*node.pipe, cut);
    case NodeType::kPipe: {
      std::vector<NodePtr> commands;
      for (NodePtr& command : node.children) {
        cut_children(*command);
        if (command->children.empty()) {
          return true;
        }
        commands.push_back(std::move(command));
      }
      node.children = std::move(commands);
      return node.children.empty();
    }
    default:
      return false;
  }
}

size_t json_bytes(const Json& root) {
  size_t bytes = 0;
  std::vector<const Json*> pending = {&root};
  while (!pending.empty()) {
    const Json* json = pending.back();
    pending.pop_back();
    if (json->is_string()) {
      bytes += json->get_ref<const std::string&>().size();
    } else if (json->is_structured()) {
      for (const auto& [key, element] : json->items()) {
        bytes += json->is_object() ? key.size() : 1;
        pending.push_back(&element);
      }
    }
  }
  return bytes;
}

// One rendering's memory and limits.
struct Session {
  Session(const RenderOptions& render_options, size_t input_bytes)
      : options(render_options),
        heap(render_options.limits.memory_factor * input_bytes + render_options.limits.memory_extra_bytes),
        max_output(render_options.limits.output_factor * input_bytes + render_options.limits.output_extra_bytes) {}

  Status run(const go::Program& program, const Node& root, const Value& data) {
    go::Evaluator evaluator(program, options, heap, max_output);
    return evaluator.execute(root, data, output);
  }
  Value map(std::vector<std::pair<std::string_view, Value>> entries) {
    go::Map* made = heap.map();
    made->entries = std::move(entries);
    return Value::of_map(made);
  }

  const RenderOptions& options;
  go::Heap heap;
  size_t max_output;
  std::string output;
};

std::string_view text_of(const Json& values, const char* name) {
  auto found = values.find(name);
  return found != values.end() && found->is_string() ? std::string_view(found->get_ref<const std::string&>())
                                                     : std::string_view();
}

bool bool_of(const Json& values, const char* name) {
  auto found = values.find(name);
  return found != values.end() && found->is_boolean() && *found->get_ptr<const bool*>();
}

}  // namespace

GoTemplate::GoTemplate() = default;
GoTemplate::~GoTemplate() = default;

Result<std::unique_ptr<GoTemplate>> GoTemplate::parse(std::string_view source) {
  std::unique_ptr<GoTemplate> result(new GoTemplate());
  result->source_bytes_ = source.size();
  DA_ASSIGN_OR_RETURN(result->program_, go::parse(source, RenderLimits{}.max_depth));
  collect_names(result->program_->root.get(), result->mentions_);
  for (const auto& [name, list] : result->program_->defined) {
    collect_names(list.get(), result->mentions_);
  }
  result->chat_root_ = clone(result->program_->root.get());
  if (!result->mentions("messages") && !result->mentions("response")) {
    auto field = std::make_unique<Node>();
    field->type = NodeType::kField;
    field->names = {"Response"};
    auto command = std::make_unique<Node>();
    command->type = NodeType::kCommand;
    command->children.push_back(std::move(field));
    auto action = std::make_unique<Node>();
    action->type = NodeType::kAction;
    action->pipe = std::make_unique<Node>();
    action->pipe->type = NodeType::kPipe;
    action->pipe->children.push_back(std::move(command));
    result->chat_root_->children.push_back(std::move(action));
  }
  result->cut_root_ = clone(result->chat_root_.get());
  bool cut = false;
  cut_after_response(*result->cut_root_, cut);
  return result;
}

bool GoTemplate::mentions(std::string_view name) const { return mentions_.find(name) != mentions_.end(); }

Result<std::string> GoTemplate::render(const Json& data, const RenderOptions& options) const {
  Session session(options, source_bytes_ + json_bytes(data));
  DA_ASSIGN_OR_RETURN(Value dot, go::from_json(data, session.heap, false, options.limits.max_depth));
  DA_RETURN_IF_ERROR(session.run(*program_, *program_->root, dot.kind == go::Kind::kNil ? Value() : dot));
  return std::move(session.output);
}

Result<std::string> GoTemplate::render_chat(const Json& values, const RenderOptions& options) const {
  if (!values.is_object()) {
    return Status(ErrorCode::kInvalidArgument, "render template: the variables are not a JSON object");
  }
  Session session(options, source_bytes_ + json_bytes(values));
  static const Json kNoMessages = Json::array();
  static const Json kNull;
  auto messages = values.find("messages");
  if (messages != values.end() && !messages->is_array() && !messages->is_null()) {
    return Status(ErrorCode::kInvalidArgument, "render template: 'messages' is not a list");
  }
  auto tools = values.find("tools");
  DA_ASSIGN_OR_RETURN(go::Conversation conversation,
                      go::make_conversation(messages == values.end() || messages->is_null() ? kNoMessages : *messages,
                                            session.heap, options.limits.max_depth));
  DA_ASSIGN_OR_RETURN(Value tool_list,
                      go::make_tools(tools == values.end() ? kNull : *tools, session.heap, options.limits.max_depth));
  Value think = Value::of_bool(bool_of(values, "think"));
  Value level = Value::of_text(text_of(values, "think_level"));
  Value is_set = Value::of_bool(bool_of(values, "is_think_set"));
  Value empty = Value::of_text({});
  std::string_view prompt = text_of(values, "prompt");
  std::string_view suffix = text_of(values, "suffix");
  if (!prompt.empty() && !suffix.empty()) {
    Value data = session.map({{"IsThinkSet", is_set},
                              {"Prompt", Value::of_text(prompt)},
                              {"Response", empty},
                              {"Suffix", Value::of_text(suffix)},
                              {"Think", think},
                              {"ThinkLevel", level}});
    DA_RETURN_IF_ERROR(session.run(*program_, *chat_root_, data));
    return std::move(session.output);
  }
  if (mentions("messages")) {
    Value data = session.map({{"IsThinkSet", is_set},
                              {"Messages", conversation.messages},
                              {"Response", empty},
                              {"System", Value::of_text(conversation.system)},
                              {"Think", think},
                              {"ThinkLevel", level},
                              {"Tools", tool_list}});
    DA_RETURN_IF_ERROR(session.run(*program_, *chat_root_, data));
    return std::move(session.output);
  }
  // Older templates: one execution for each exchange of system, prompt and response.
  Value turn[3] = {empty, empty, empty};
  auto execute = [&](const Node& root) {
    Value data = session.map({{"IsThinkSet", is_set},
                              {"Prompt", turn[1]},
                              {"Response", turn[2]},
                              {"System", turn[0]},
                              {"Think", think},
                              {"ThinkLevel", level}});
    std::fill(std::begin(turn), std::end(turn), empty);
    return session.run(*program_, root, data);
  };
  for (const go::Conversation::Turn& message : conversation.turns) {
    bool pending_response = turn[2].text.size > 0;
    if (message.role == "system") {
      if (turn[1].text.size > 0 || pending_response) {
        DA_RETURN_IF_ERROR(execute(*chat_root_));
      }
      turn[0] = Value::of_text(message.content);
    } else if (message.role == "user") {
      if (pending_response) {
        DA_RETURN_IF_ERROR(execute(*chat_root_));
      }
      turn[1] = Value::of_text(message.content);
    } else if (message.role == "assistant") {
      turn[2] = Value::of_text(message.content);
    }
  }
  DA_RETURN_IF_ERROR(execute(*cut_root_));
  return std::move(session.output);
}

}  // namespace da::chat
