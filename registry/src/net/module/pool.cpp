#include "pool.hpp"

#include <array>

namespace computesdk::net {
namespace {

/// Whether the peer still says nothing, as it must between two requests. Reads what TLS has to say to itself.
bool isQuiet(Wire& wire) {
  std::array<std::byte, 1> one;
  return wire.tryRead(one).step == Wire::Step::wantRead;
}

}  // namespace

std::unique_ptr<Connection> Pool::take(const Route& route, bool safe) {
  const auto found = idle_.find(route);
  if (found == idle_.end()) return nullptr;
  const Clock::time_point now = Clock::now();
  while (!found->second.empty()) {
    const Place place = found->second.back();
    const auto age = now - place->since;
    // The margin is for the request's way to the peer, which may be closing at this moment.
    const bool kept = age < kLongest && (safe || age + std::chrono::seconds(1) < place->connection->keptAlive);
    if (kept && isQuiet(*place->connection->wire)) {
      std::unique_ptr<Connection> connection = std::move(place->connection);
      drop(place);
      error_code ignored;
      connection->wire->socket().cancel(ignored);
      connection->reused = true;
      return connection;
    }
    // The newest is too old for this request: so are all others, but they may do for another one.
    if (age < kLongest && !kept) return nullptr;
    drop(place);
  }
  return nullptr;
}

void Pool::put(std::unique_ptr<Connection> connection) {
  if (!isQuiet(*connection->wire)) return;
  std::list<Place>& list = idle_[connection->route];
  if (list.size() >= kPerRoute || size_ >= kInAll) return;
  list.push_back(std::make_shared<Idle>(Idle{std::move(connection), Clock::now()}));
  ++size_;
  watch(list.back());
  sweepLater();
}

void Pool::watch(const Place& place) {
  place->connection->wire->socket().async_wait(tcp::socket::wait_read, [this, weak = std::weak_ptr(place)](error_code) {
    const Place kept = weak.lock();
    if (!kept || !kept->connection) return;
    isQuiet(*kept->connection->wire) ? watch(kept) : drop(kept);
  });
}

void Pool::drop(const Place& place) {
  for (auto route = idle_.begin(); route != idle_.end(); ++route) {
    const std::size_t removed = route->second.remove(place);
    if (removed == 0) continue;
    size_ -= removed;
    return;
  }
}

void Pool::clear() {
  idle_.clear();
  size_ = 0;
}

void Pool::sweepLater() {
  if (sweeping_) return;
  sweeping_ = true;
  sweep_.expires_after(std::chrono::seconds(5));
  sweep_.async_wait([this](error_code) {
    sweeping_ = false;
    const Clock::time_point now = Clock::now();
    for (auto route = idle_.begin(); route != idle_.end();) {
      size_ -= std::erase_if(route->second, [&](const Place& place) { return now - place->since > kLongest; });
      route = route->second.empty() ? idle_.erase(route) : std::next(route);
    }
    if (size_ != 0) sweepLater();
  });
}

}  // namespace computesdk::net
