#include "commands/output.hpp"

#include <algorithm>

namespace computesdk::sandboxd {

void Output::append(std::string_view bytes) {
  // Once something is missing nothing is added: what is kept is one piece from the beginning.
  const auto limit = budget_->used >= OutputBudget::kTotal ? std::min(limit_, OutputBudget::kFairShare) : limit_;
  const auto room = dropped_ > 0 || bytes_.size() >= limit ? 0 : limit - bytes_.size();
  const auto kept = std::min(room, bytes.size());
  bytes_ += bytes.substr(0, kept);
  budget_->used += kept;
  dropped_ += bytes.size() - kept;
}

}  // namespace computesdk::sandboxd
