#include <cstdio>
#include <exception>

#include "program/programs.hpp"

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + (argc > 0 ? 1 : 0), argv + argc);
  const std::span<const std::string> rest = words;
  try {
    if (!words.empty() && words[0] == "serve") return computesdk::gateway::serveProgram(rest.subspan(1));
    if (!words.empty() && words[0] == "key") return computesdk::gateway::keyProgram(rest.subspan(1));
  } catch (const computesdk::Error& error) {
    return computesdk::gateway::tell(error.info());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: the gateway failed: %s\n", error.what());
    return 1;
  }
  std::fputs("This program is run by `computesdk gateway serve` and `computesdk gateway key`.\n", stderr);
  return 2;
}
