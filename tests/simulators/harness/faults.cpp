#include "server.hpp"

#include <algorithm>

namespace computesdk::simulators {

void Server::fault(Fault fault) {
  const std::lock_guard lock(mutex_);
  faults_.push_back(std::move(fault));
}

void Server::clearFaults() {
  const std::lock_guard lock(mutex_);
  faults_.clear();
}

std::vector<Fault> Server::faults() const {
  const std::lock_guard lock(mutex_);
  return faults_;
}

std::optional<Fault> Server::takeFault(const Request& request) {
  const std::lock_guard lock(mutex_);
  const auto isMeant = [&](const Fault& one) {
    std::vector<std::string> parts;
    if (!one.method.empty() && one.method != request.method) return false;
    if (one.path.find('*') != std::string::npos) return matches(one.path, request.path, parts);
    return request.path.starts_with(one.path);
  };
  for (auto each = faults_.begin(); each != faults_.end(); ++each) {
    if (!isMeant(*each) || (each->skip > 0 && each->skip-- > 0)) continue;
    Fault fault = *each;
    if (each->times > 0 && --each->times == 0) faults_.erase(each);
    return fault;
  }
  return {};
}

// True when nothing of the real answer is wanted.
bool Server::applyFault(Exchange& exchange, const Fault& fault) {
  if (fault.reset) return exchange.reset(), true;
  if (fault.cut) return exchange.cut(), true;
  if (fault.garbage) return exchange.raw("220 this is no web server\r\n\r\n"), true;
  if (fault.slowBytes > 0) exchange.stream.slowDown(static_cast<std::size_t>(fault.slowBytes), fault.slowMs);
  exchange.truncateLeft_ = fault.truncate;
  exchange.breakWithReset_ = fault.resetAfter >= 0;
  exchange.breakAfter_ = fault.resetAfter >= 0 ? fault.resetAfter : fault.cutAfter;
  exchange.quietClose_ = fault.close;
  if (fault.appliedThenReset) exchange.stream.breakAfter(0, true);
  if (fault.status == 0) return false;
  Headers headers = fault.headers;
  if (!fault.retryAfter.empty()) headers.emplace_back("Retry-After", fault.retryAfter);
  exchange.respond(fault.status, fault.body, fault.contentType, headers);
  return true;
}

}  // namespace computesdk::simulators
