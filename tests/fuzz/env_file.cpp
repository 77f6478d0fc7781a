// Env files: nothing is lost on the way through, and what is set reads back, whatever else the file holds.
#include <env/env_file.hpp>

#include "target.hpp"

namespace computesdk::fuzz {

std::vector<std::string> seeds() {
  return {"# comment\nA=1\nexport B='two words' # why\n\nC=\"a\\nb \\\"q\\\" \\$x\"\nD='it'\\''s'\nE=\n",
          "A='line 1\nline 2'\r\nB = plain value # comment\nnot an assignment\nA=again",
          "KEY='open\nB=\"open too\nC=\\"};
}

}  // namespace computesdk::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using computesdk::sandboxd::EnvFile;
  using namespace computesdk::fuzz;
  const std::string input(reinterpret_cast<const char*>(data), size);
  EnvFile file = EnvFile::parse(input);
  require(file.text() == input, "what is not changed comes back byte for byte");

  // The input as a value, too.
  const std::string value = input.substr(0, input.find('\0'));
  const bool had = file.find("FUZZ_KEY").has_value();
  EnvFile::Variables expected = file.variables();
  file.set("FUZZ_KEY", value);
  if (had) {
    for (auto& [key, old] : expected) old = key == "FUZZ_KEY" ? value : old;
  } else {
    expected.emplace_back("FUZZ_KEY", value);
  }
  EnvFile again = EnvFile::parse(file.text());
  require(again.variables() == expected, "one variable is set, and the others are what they were");

  require(again.remove("FUZZ_KEY"), "what is there can be removed");
  std::erase_if(expected, [](const auto& variable) { return variable.first == "FUZZ_KEY"; });
  require(EnvFile::parse(again.text()).variables() == expected,
          "one variable is gone, and the others are what they were");
  return 0;
}
