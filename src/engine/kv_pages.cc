#include "engine/kv_pages.h"

#include <algorithm>

namespace da::engine {
namespace {

// Pages committed at a time: few enough not to waste, many enough not to ask the system at every page.
constexpr int32_t kGrowPages = 16;

}  // namespace

void KvPages::take(int32_t page) {
  if (users_.size() <= static_cast<size_t>(page)) users_.resize(static_cast<size_t>(page) + 1, 0);
  if (users_[static_cast<size_t>(page)]++ == 0) ++n_in_use_;
}

bool KvPages::evict_one() {
  const int32_t page = cache_.evict([this](int32_t candidate) { return users_[static_cast<size_t>(candidate)] == 0; });
  if (page < 0) return false;
  allocator_.release(page);
  ++n_evicted_;
  return true;
}

// Only pages that change hands cost anything: one user's, and a prompt's that was computed anew, do not.
Status KvPages::clear_for(const std::string& name_space, int32_t page) {
  if (writers_.size() <= static_cast<size_t>(page)) writers_.resize(static_cast<size_t>(page) + 1);
  std::optional<std::string>& writer = writers_[static_cast<size_t>(page)];
  if (writer && *writer != name_space) DA_RETURN_IF_ERROR(pool_->clear(page));
  writer = name_space;
  return Status::ok();
}

Status KvPages::give(const std::string& name_space, std::vector<int32_t>& pages, int32_t n_tokens) {
  while (static_cast<int32_t>(pages.size()) < pages_for(n_tokens)) {
    int32_t page = allocator_.allocate();
    if (page < 0 && evict_one()) page = allocator_.allocate();
    if (page < 0) {
      return {ErrorCode::kResourceExhausted, "KV pool: all " + std::to_string(max_pages_) + " pages are used"};
    }
    if (page >= pool_->n_pages()) {
      if (const Status status = pool_->grow(std::min(std::max(pool_->n_pages() + kGrowPages, page + 1), max_pages_));
          !status.is_ok()) {
        allocator_.release(page);
        if (evict_one()) continue;  // its memory is there already
        return status;
      }
      n_committed_ = pool_->n_pages();
    }
    if (const Status status = clear_for(name_space, page); !status.is_ok()) {
      allocator_.release(page);
      return status;
    }
    take(page);
    pages.push_back(page);
  }
  update_retained();
  return Status::ok();
}

void KvPages::release(std::vector<int32_t>& pages) {
  for (const int32_t page : pages) {
    if (--users_[static_cast<size_t>(page)] == 0) --n_in_use_;
    allocator_.release(page);
  }
  pages.clear();
  update_retained();
  while (n_retained_ > max_retained_ && evict_one()) update_retained();
}

void KvPages::share(const std::string& name_space, std::span<const int32_t> tokens, std::vector<int32_t>& pages) {
  const std::vector<int32_t> found = cache_.find(name_space, tokens);
  for (size_t i = pages.size(); i < found.size(); ++i) {
    allocator_.retain(found[i]);
    take(found[i]);
    pages.push_back(found[i]);
  }
  update_retained();
}

void KvPages::retain(const std::string& name_space, std::span<const int32_t> tokens, std::vector<int32_t>& pages) {
  const size_t n_full = tokens.size() / backend::kPageTokens;
  const std::span<const int32_t> whole = tokens.first(n_full * backend::kPageTokens);
  for (const int32_t page : cache_.add(name_space, whole, std::span(pages).first(n_full))) allocator_.retain(page);
  // A second copy would take room that nobody can give back: pages known later depend on the first.
  const std::vector<int32_t> known = cache_.find(name_space, whole);
  for (size_t i = 0; i < known.size(); ++i) {
    if (known[i] == pages[i]) continue;
    allocator_.retain(known[i]);
    take(known[i]);
    if (--users_[static_cast<size_t>(pages[i])] == 0) --n_in_use_;
    allocator_.release(pages[i]);
    pages[i] = known[i];
  }
  update_retained();
}

Status KvPages::check_integrity(std::vector<int32_t> owned) const {
  const std::vector<int32_t> cached = cache_.pages();
  owned.insert(owned.end(), cached.begin(), cached.end());
  return allocator_.check_integrity(owned);
}

}  // namespace da::engine
