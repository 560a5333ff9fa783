#include "engine/grammar/grammar.h"

#include "engine/grammar/program.h"
#include "engine/grammar/schema_compiler.h"

namespace da::grammar {

Grammar::Grammar(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Grammar::~Grammar() = default;

Result<std::shared_ptr<const Grammar>> Grammar::from_json_schema(std::string_view schema, std::string_view source) {
  DA_ASSIGN_OR_RETURN(const Json json, read_schema(schema));
  auto impl = std::make_unique<Impl>();
  if (!source.empty()) {
    DA_ASSIGN_OR_RETURN(impl->program.source, SourceIndex::build(source));
  }
  DA_RETURN_IF_ERROR(SchemaCompiler(json, impl->program).run());
  return std::shared_ptr<const Grammar>(new Grammar(std::move(impl)));
}

Result<std::shared_ptr<const Grammar>> Grammar::any_json_object() {
  auto impl = std::make_unique<Impl>();
  const Json none;
  DA_RETURN_IF_ERROR(SchemaCompiler(none, impl->program).run_any_object());
  return std::shared_ptr<const Grammar>(new Grammar(std::move(impl)));
}

}  // namespace da::grammar
