// A home of its own for a test: state, runtime and configuration folders that go when it ends.
#pragma once

#include <computesdk/computesdk.hpp>

#include <filesystem>
#include <string>

namespace computesdk::testing {

class Scratch {
 public:
  Scratch();
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  // The local provider, with all that is kept on disk below path().
  [[nodiscard]] ComputeConfig localConfig() const;

 private:
  std::filesystem::path path_;
};

// Number of living processes whose command line holds `text`.
int processesWith(const std::string& text);

}  // namespace computesdk::testing
