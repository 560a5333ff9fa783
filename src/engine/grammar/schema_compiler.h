#pragma once

#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/grammar/program.h"
#include "engine/grammar/schema_reader.h"

namespace da::grammar {

// One schema into a program. Errors name the place by JSON pointer.
class SchemaCompiler {
 public:
  SchemaCompiler(const Json& schema, Program& program) : root_(schema), p_(program) {}
  // program.source must be there for x-source.
  Status run();
  // Any JSON object with a space after ':' and ','.
  Status run_any_object();

 private:
  using Types = std::vector<std::string>;
  Result<uint32_t> compile(const Json& schema, const std::string& pointer);
  Status fill(uint32_t choice, const Json& schema, const std::string& pointer);
  Status check_keywords(const Json& schema, const std::string& pointer) const;
  // schema_merge.cc
  static const char* standing_for_all(const Json& schema);
  static bool is_alone(const Json& schema, std::string_view keyword);
  Result<Json> combined(const Json& schema, const std::string& pointer) const;
  Result<Json> flattened(const Json& schema, const std::string& pointer, int depth) const;
  Result<Json> both(const Json& a, const Json& b, const std::string& pointer, int depth) const;
  Result<Json> both_objects(const Json& a, const Json& b, const std::string& pointer, int depth) const;
  Result<std::pair<const Json*, std::string>> find_reference(const Json& schema, const std::string& pointer) const;
  Status fill_reference(uint32_t choice, const Json& schema, const std::string& pointer);
  Status fill_alternatives(uint32_t choice, const Json& schema, const char* keyword, const std::string& pointer);
  Status fill_literals(uint32_t choice, const Json& schema, const Types& types, const std::string& pointer);
  Status fill_type(uint32_t choice, const std::string& type, const Json& schema, const std::string& pointer);
  Status fill_string(uint32_t choice, const Json& schema, const std::string& pointer);
  Status fill_number(uint32_t choice, bool integer, const Json& schema, const std::string& pointer);
  Status fill_array(uint32_t choice, const Json& schema, const std::string& pointer);
  Status fill_object(uint32_t choice, const Json& schema, const std::string& pointer);
  Result<std::vector<std::string>> property_names(const Json& schema, const std::string& pointer) const;
  Status check_property_counts(const Json& schema, const ObjectRule& rule, const std::string& pointer) const;
  Result<bool> literal_allowed(const Json& value, const Json& schema, const Types& types,
                               const std::string& pointer) const;

  // Choices and nodes.
  // By value: making the included choice may have moved the list of choices.
  void include(uint32_t choice, uint32_t included) { p_.choices[choice].includes.push_back(included); }
  uint32_t new_choice(const std::string& pointer);
  uint32_t new_node(NodeKind kind, size_t rule);
  void add_node(uint32_t choice, NodeKind kind, size_t rule) {
    p_.choices[choice].nodes.push_back(new_node(kind, rule));
  }
  void add_literals(uint32_t choice, const std::vector<std::string>& texts);
  uint32_t any_value(bool spaces);
  void add_object(uint32_t choice, ObjectRule rule, const std::vector<std::string>& names);

  // After everything is compiled.
  Status fold_includes();
  void find_depths();
  uint32_t node_depth(const Node& node) const;
  void find_lengths();
  void find_growth();
  uint32_t node_bytes(const Node& node) const;
  size_t key_bytes(const ObjectRule& rule, size_t property) const;
  Status check_unique();
  Status check_one_of() const;
  bool disjoint(uint32_t a, uint32_t b) const;
  bool nodes_disjoint(const Node& a, const Node& b) const;
  bool objects_disjoint(const ObjectRule& a, const ObjectRule& b) const;
  Status check_satisfiable() const;

  struct OneOf {
    std::vector<uint32_t> choices;
    std::string pointer;
  };
  const Json& root_;
  Program& p_;
  std::map<std::string, uint32_t> compiled_;  // by pointer
  std::vector<OneOf> one_ofs_;
  std::vector<std::pair<uint32_t, std::string>> unique_arrays_;  // rule, pointer
  std::deque<Json> merged_;  // schemas made of several
  int64_t any_[2] = {-1, -1};
  int chain_ = 0;
};

}  // namespace da::grammar
