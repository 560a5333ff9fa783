#include "backend/backend.h"

namespace da::backend {
namespace {

struct NamedKvType {
  KvType type;
  std::string_view name;
};
constexpr NamedKvType kKvTypes[] = {{KvType::kF32, "f32"},
                                    {KvType::kF16, "f16"},
                                    {KvType::kBF16, "bf16"},
                                    {KvType::kQ8_0, "q8_0"},
                                    {KvType::kQ4_0, "q4_0"}};

std::optional<KvType> kv_type_from_name(std::string_view name) {
  for (const NamedKvType& known : kKvTypes) {
    if (known.name == name) return known.type;
  }
  return std::nullopt;
}

std::string_view name_of(KvType type) {
  for (const NamedKvType& known : kKvTypes) {
    if (known.type == type) return known.name;
  }
  return "?";
}

}  // namespace

std::optional<KvTypes> kv_types_from_name(std::string_view name) {
  const size_t slash = name.find('/');
  const auto key = kv_type_from_name(name.substr(0, slash));
  const auto value = slash == std::string_view::npos ? key : kv_type_from_name(name.substr(slash + 1));
  if (!key || !value) return std::nullopt;
  return KvTypes(*key, *value);
}

std::string name_of(KvTypes types) {
  std::string name(name_of(types.key));
  if (types.value != types.key) name += "/" + std::string(name_of(types.value));
  return name;
}

Status Backend::reserve_rotation(const Vector&, int32_t) { return Status::ok(); }
Status Backend::reserve_reading(const Activation&) { return Status::ok(); }

Status Backend::receive(Backend& source, const Activation& in, Activation& out) {
  DA_ASSIGN_OR_RETURN(const RowsView rows, source.read_rows(in));
  return write_rows(rows, out);
}

}  // namespace da::backend
