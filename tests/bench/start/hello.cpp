// The smallest C++ program of the command line tool's kind: C++ library static, no iostream. The baseline of
// start_bench.
#include <unistd.h>

#include <string>

int main(int, char** argv) {
  const std::string text = std::string("hello from ") + argv[0] + "\n";
  return ::write(STDOUT_FILENO, text.data(), text.size()) == static_cast<ssize_t>(text.size()) ? 0 : 1;
}
