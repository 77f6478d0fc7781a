#pragma once

#include "net/url.hpp"

#include <computesdk/registry/loader.hpp>
#include <computesdk/registry/manifest.hpp>

#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace computesdk::registry::net {

/// Where one provider may send requests: the origins of its manifest, with the configuration put in, and hosts that an
/// answer named. Thread-safe.
class Egress {
 public:
  Egress(const Manifest& manifest, const ResolvedConfig& config);

  struct Verdict {
    bool allowed = false;
    bool auth = false;       ///< secrets may go there
    bool privateOk = false;  ///< the user's own setting names it, so it may be inside a private network
    std::string why;         ///< when it is not allowed; for the log
  };
  [[nodiscard]] Verdict check(const Url& url) const;

  /// Remembers the host names in a piece of an answer or of a sandbox's token.
  void learn(std::string_view text);

 private:
  struct Rule {
    Url origin;
    bool wildcard = false;  ///< `origin.host` is what follows "*."
    bool auth = false;
    bool fromUser = false;  ///< a value that the user set is in it
  };

  static bool matches(const Rule& rule, const Url& url);
  [[nodiscard]] bool learnt(std::string_view host) const;

  std::vector<Rule> rules_;
  mutable std::mutex mutex_;
  std::unordered_set<std::string> names_;
  std::deque<std::string> order_;  ///< of names_, oldest first
};

}  // namespace computesdk::registry::net
