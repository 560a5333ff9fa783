#include "chat/go/chat_data.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "chat/unicode_text.h"

namespace da::chat::go {
namespace {

using Json = nlohmann::ordered_json;

const RecordType kMessageType = {
    "*template.templateMessage",
    {{"Role", "Role", false},
     {"Content", "Content", false},
     {"Thinking", "Thinking", false},
     {"Images", "Images", false},
     {"ToolCalls", "ToolCalls", false},
     {"ToolName", "ToolName", false},
     {"ToolCallID", "ToolCallID", false}},
    false,
};
const RecordType kToolCallType = {
    "template.templateToolCall", {{"ID", "ID", false}, {"Function", "Function", false}}, false};
const RecordType kToolCallFunctionType = {
    "template.templateToolCallFunction",
    {{"Index", "Index", false}, {"Name", "Name", false}, {"Arguments", "Arguments", false}},
    false,
};
const RecordType kToolType = {
    "template.templateTool",
    {{"Type", "type", false}, {"Items", "items", true}, {"Function", "function", false}},
    true,
};
const RecordType kToolFunctionType = {
    "template.templateToolFunction",
    {{"Name", "name", false}, {"Description", "description", false}, {"Parameters", "parameters", false}},
    true,
};
const RecordType kParametersType = {
    "template.templateToolFunctionParameters",
    {{"Type", "type", false},
     {"Defs", "$defs", true},
     {"Items", "items", true},
     {"Required", "required", true},
     {"Properties", "properties", false}},
    true,
};
// The first two fields are those that typescript_type reads.
const RecordType kPropertyType = {
    "api.ToolProperty",
    {{"AnyOf", "anyOf", true},
     {"Type", "type", true},
     {"Items", "items", true},
     {"Description", "description", true},
     {"Enum", "enum", true},
     {"Properties", "properties", true},
     {"Required", "required", true}},
    false,
};

Status bad_input(std::string message) {
  return {ErrorCode::kInvalidArgument, "render template: " + std::move(message)};
}

// A member of an object; nullptr when it is absent or null.
const Json* member(const Json& object, const char* name) {
  if (!object.is_object()) {
    return nullptr;
  }
  auto found = object.find(name);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

Result<Value> text_member(const Json& object, const char* name) {
  const Json* found = member(object, name);
  if (found == nullptr) {
    return Value::of_text({});
  }
  if (!found->is_string()) {
    return bad_input(std::string("'") + name + "' is not a string");
  }
  return Value::of_text(found->get_ref<const std::string&>());
}

class Builder {
 public:
  Builder(Heap& heap, bool all_floats, size_t max_depth)
      : heap_(heap), all_floats_(all_floats), max_depth_(max_depth) {}

  Result<Value> any(const Json& json) {
    if (depth_ >= max_depth_) {
      return Status(ErrorCode::kResourceExhausted,
                    "render template: input nests deeper than " + std::to_string(max_depth_));
    }
    using Type = Json::value_t;
    switch (json.type()) {
      case Type::null:
      case Type::discarded:
      case Type::binary:
        return Value::nil();
      case Type::boolean:
        return Value::of_bool(*json.get_ptr<const bool*>());
      case Type::string:
        return Value::of_text(json.get_ref<const std::string&>());
      case Type::number_integer:
        return number(*json.get_ptr<const int64_t*>());
      case Type::number_unsigned: {
        uint64_t value = *json.get_ptr<const uint64_t*>();
        return value > uint64_t{INT64_MAX} ? Value::of_float(static_cast<double>(value))
                                           : number(static_cast<int64_t>(value));
      }
      case Type::number_float:
        return Value::of_float(*json.get_ptr<const double*>());
      case Type::array: {
        List* list = heap_.list();
        ++depth_;
        for (const Json& element : json) {
          DA_ASSIGN_OR_RETURN(Value value, any(element));
          list->items.push_back(value);
        }
        --depth_;
        heap_.charge(list->items.size() * sizeof(Value));
        return Value::of_list(list);
      }
      case Type::object: {
        Map* map = heap_.map();
        ++depth_;
        for (const auto& [key, element] : json.items()) {
          DA_ASSIGN_OR_RETURN(Value value, any(element));
          map->entries.emplace_back(key, value);
        }
        --depth_;
        sort(*map);
        return Value::of_map(map);
      }
    }
    return Value::nil();
  }

  Result<Value> any_member(const Json& object, const char* name) {
    const Json* found = member(object, name);
    return found == nullptr ? Result<Value>(Value::nil()) : any(*found);
  }

  // A list of strings; absent: a nil slice.
  Result<Value> texts(const Json* json, Shape shape) {
    List* list = heap_.list();
    list->type = shape == Shape::kPropertyType ? "api.PropertyType" : "[]string";
    list->shape = shape;
    list->nil = json == nullptr;
    if (json == nullptr) {
      return Value::of_list(list);
    }
    if (json->is_string() && shape == Shape::kPropertyType) {
      list->items.push_back(Value::of_text(json->get_ref<const std::string&>()));
      return Value::of_list(list);
    }
    if (!json->is_array()) {
      return bad_input("a tool's schema has a wrong 'type' or 'required'");
    }
    for (const Json& element : *json) {
      if (!element.is_string()) {
        return bad_input("a tool's schema has a wrong 'type' or 'required'");
      }
      list->items.push_back(Value::of_text(element.get_ref<const std::string&>()));
    }
    return Value::of_list(list);
  }

  // `top` properties are a plain Go map, sorted; nested ones keep their order.
  Result<Value> properties(const Json* json, bool top) {
    Map* map = heap_.map();
    map->shape = top ? Shape::kJson : Shape::kPlain;
    map->nil = json == nullptr;
    if (json != nullptr) {
      if (!json->is_object()) {
        return bad_input("a tool's 'properties' are not an object");
      }
      for (const auto& [key, element] : json->items()) {
        DA_ASSIGN_OR_RETURN(Value value, property(element));
        map->entries.emplace_back(key, value);
      }
      if (top) {
        sort(*map);
      }
    }
    return Value::of_map(map);
  }

  Result<Value> property(const Json& json) {
    if (depth_ >= max_depth_) {
      return Status(ErrorCode::kResourceExhausted, "render template: a tool's schema nests too deeply");
    }
    ++depth_;
    List* any_of = heap_.list();
    any_of->type = "[]api.ToolProperty";
    any_of->nil = true;
    if (const Json* parts = member(json, "anyOf"); parts != nullptr && parts->is_array()) {
      any_of->nil = false;
      for (const Json& part : *parts) {
        DA_ASSIGN_OR_RETURN(Value value, property(part));
        any_of->items.push_back(value);
      }
    }
    DA_ASSIGN_OR_RETURN(Value type, texts(member(json, "type"), Shape::kPropertyType));
    DA_ASSIGN_OR_RETURN(Value items, any_member(json, "items"));
    DA_ASSIGN_OR_RETURN(Value description, text_member(json, "description"));
    DA_ASSIGN_OR_RETURN(Value choices, any_member(json, "enum"));
    if (choices.kind == Kind::kNil) {
      List* none = heap_.list();
      none->nil = true;
      choices = Value::of_list(none);
    }
    Value nested = Value::nil();
    if (const Json* inner = member(json, "properties")) {
      DA_ASSIGN_OR_RETURN(nested, properties(inner, false));
    }
    DA_ASSIGN_OR_RETURN(Value required, texts(member(json, "required"), Shape::kPlain));
    --depth_;
    return record(kPropertyType, {Value::of_list(any_of), type, items, description, choices, nested, required});
  }

  Result<Value> tool(const Json& json) {
    static const Json kEmpty = Json::object();
    const Json* function = member(json, "function");
    function = function == nullptr ? &kEmpty : function;
    const Json* parameters = member(*function, "parameters");
    parameters = parameters == nullptr ? &kEmpty : parameters;
    DA_ASSIGN_OR_RETURN(Value parameters_type, text_member(*parameters, "type"));
    DA_ASSIGN_OR_RETURN(Value defs, any_member(*parameters, "$defs"));
    DA_ASSIGN_OR_RETURN(Value parameters_items, any_member(*parameters, "items"));
    DA_ASSIGN_OR_RETURN(Value required, texts(member(*parameters, "required"), Shape::kPlain));
    DA_ASSIGN_OR_RETURN(Value fields, properties(member(*parameters, "properties"), true));
    Value parameters_record = record(kParametersType, {parameters_type, defs, parameters_items, required, fields});
    DA_ASSIGN_OR_RETURN(Value name, text_member(*function, "name"));
    DA_ASSIGN_OR_RETURN(Value description, text_member(*function, "description"));
    Value function_record = record(kToolFunctionType, {name, description, parameters_record});
    DA_ASSIGN_OR_RETURN(Value type, text_member(json, "type"));
    DA_ASSIGN_OR_RETURN(Value items, any_member(json, "items"));
    return record(kToolType, {type, items, function_record});
  }

  Result<Value> tool_calls(const Json* json) {
    List* list = heap_.list();
    list->type = "[]template.templateToolCall";
    list->nil = json == nullptr;
    if (json == nullptr) {
      return Value::of_list(list);
    }
    if (!json->is_array()) {
      return bad_input("'tool_calls' is not a list");
    }
    for (const Json& call : *json) {
      const Json* function = member(call, "function");
      if (function == nullptr) {
        return bad_input("a tool call has no 'function'");
      }
      const Json* arguments = member(*function, "arguments");
      Map* none = heap_.map();
      none->nil = true;
      none->shape = Shape::kJson;
      Value values = Value::of_map(none);
      if (arguments != nullptr) {
        if (!arguments->is_object()) {
          return bad_input("'arguments' of a tool call are not an object");
        }
        DA_ASSIGN_OR_RETURN(values, any(*arguments));
        Map* shaped = heap_.map();
        *shaped = *values.map;
        shaped->shape = Shape::kJson;
        values = Value::of_map(shaped);
      }
      const Json* index = member(*function, "index");
      DA_ASSIGN_OR_RETURN(Value name, text_member(*function, "name"));
      DA_ASSIGN_OR_RETURN(Value id, text_member(call, "id"));
      int64_t number = index != nullptr && index->is_number_integer() ? *index->get_ptr<const int64_t*>() : 0;
      Value function_record = record(kToolCallFunctionType, {Value::of_int(number), name, values});
      list->items.push_back(record(kToolCallType, {id, function_record}));
    }
    return Value::of_list(list);
  }

  Value record(const RecordType& type, std::vector<Value> fields) {
    Record* made = heap_.record();
    made->type = &type;
    made->fields = std::move(fields);
    heap_.charge(made->fields.size() * sizeof(Value));
    return Value::of_record(made);
  }

 private:
  Value number(int64_t value) const {
    return all_floats_ ? Value::of_float(static_cast<double>(value)) : Value::of_int(value);
  }

  void sort(Map& map) {
    std::stable_sort(map.entries.begin(), map.entries.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    heap_.charge(map.entries.size() * (sizeof(Value) + sizeof(std::string_view)));
  }

  Heap& heap_;
  bool all_floats_;
  size_t max_depth_;
  size_t depth_ = 0;
};

}  // namespace

Result<Value> from_json(const Json& json, Heap& heap, bool all_floats, size_t max_depth) {
  return Builder(heap, all_floats, max_depth).any(json);
}

Result<Conversation> make_conversation(const Json& messages, Heap& heap, size_t max_depth) {
  Builder builder(heap, true, max_depth);
  Conversation conversation;
  List* list = heap.list();
  list->type = "[]*template.templateMessage";
  std::string system;
  bool has_system = false;
  for (const Json& message : messages) {
    if (!message.is_object()) {
      return bad_input("a message is not an object");
    }
    DA_ASSIGN_OR_RETURN(Value role_text, text_member(message, "role"));
    std::string_view role = heap.keep(unicode::lower(role_text.str()));
    DA_ASSIGN_OR_RETURN(Value content, text_member(message, "content"));
    if (role == "system") {
      system += has_system ? "\n\n" : "";
      system += content.str();
      has_system = true;
    }
    if (!conversation.turns.empty() && conversation.turns.back().role == role && role != "tool") {
      Conversation::Turn& last = conversation.turns.back();
      last.content = heap.keep(std::string(last.content) + "\n\n" + std::string(content.str()));
      // The record is rebuilt: only its content differs.
      Record* merged = heap.record();
      *merged = *list->items.back().record;
      merged->fields[1] = Value::of_text(last.content);
      list->items.back() = Value::of_record(merged);
      continue;
    }
    List* images = heap.list();
    images->type = "[]api.ImageData";
    images->nil = true;
    if (const Json* pictures = member(message, "images"); pictures != nullptr && pictures->is_array()) {
      images->nil = false;
      for (const Json& picture : *pictures) {
        DA_ASSIGN_OR_RETURN(Value value, builder.any(picture));
        images->items.push_back(value);
      }
    }
    DA_ASSIGN_OR_RETURN(Value thinking, text_member(message, "thinking"));
    DA_ASSIGN_OR_RETURN(Value calls, builder.tool_calls(member(message, "tool_calls")));
    DA_ASSIGN_OR_RETURN(Value tool_name, text_member(message, "tool_name"));
    DA_ASSIGN_OR_RETURN(Value call_id, text_member(message, "tool_call_id"));
    conversation.turns.push_back({role, content.str()});
    list->items.push_back(builder.record(
        kMessageType, {Value::of_text(role), content, thinking, Value::of_list(images), calls, tool_name, call_id}));
  }
  conversation.system = heap.keep(std::move(system));
  conversation.messages = Value::of_list(list);
  return conversation;
}

Result<Value> make_tools(const Json& tools, Heap& heap, size_t max_depth) {
  Builder builder(heap, true, max_depth);
  List* list = heap.list();
  list->type = "template.templateTools";
  list->shape = Shape::kJson;
  list->nil = !tools.is_array();
  if (tools.is_array()) {
    for (const Json& tool : tools) {
      DA_ASSIGN_OR_RETURN(Value value, builder.tool(tool));
      list->items.push_back(value);
    }
  } else if (!tools.is_null()) {
    return bad_input("'tools' is not a list");
  }
  return Value::of_list(list);
}

}  // namespace da::chat::go
